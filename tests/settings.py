"""Django settings of the test suite, and of the worker processes it starts."""

import sys
from pathlib import Path

import django
import environ

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent
sys.path.append(str(BASE_DIR / "testproject"))  # the shop, see tests/testproject

SECRET_KEY = "for the tests only"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
ROOT_URLCONF = "tests.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

DATABASES = {"default": env.db_url("DATABASE_URL", f"sqlite:///{BASE_DIR}/tests.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Without IMMEDIATE, two transactions that read before they write fail at once with
    # "database is locked", whatever the timeout.
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
elif DATABASES["default"]["ENGINE"] == "django.db.backends.mysql":
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4"}  # some servers default to latin1

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_jobs",
    "tests.sample",
    "shop",
]
if django.VERSION < (6, 0):
    INSTALLED_APPS.append("django_tasks")

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "tests.support.policy.under_policy",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

TASKS = {
    "default": {
        "BACKEND": "django_jobs.backend.DatabaseBackend",
        "QUEUES": [],
        # A worker process that a test starts gets its options this way: short leases and the like.
        "OPTIONS": env.json("DJANGO_JOBS_OPTIONS", {}),
    },
}

# The shop's.
TEAM_WEBHOOK_URL = ""
SHOP_NAME = "The Small Shop"
SHOP_CURRENCY = "EUR"
SHOP_WEBHOOK_TIMEOUT = 5
SHOP_MAX_ATTEMPTS = 8
SHOP_RETRY_BASE = 5
DEFAULT_FROM_EMAIL = "shop@example.com"
if django.VERSION >= (6, 1):
    MAILERS = {"default": {}}
