"""
Settings of the shop: a demonstration, and the ground that the drill runs on.

Everything that differs between two installations comes from the environment, read by
django-environ; each has a default that works after a fresh clone.
"""

from pathlib import Path

import django
import environ

env = environ.Env()
BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = env("SECRET_KEY", default="for development only")
DEBUG = env.bool("DEBUG", default=True)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])

INSTALLED_APPS = [
    "shop",
    "django_jobs",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
if django.VERSION >= (6, 0):
    MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")
    SECURE_CSP = {"default-src": ["'self'"]}
else:
    INSTALLED_APPS.append("django_tasks")  # the backport of django.tasks

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
STATIC_URL = "static/"
STATIC_ROOT = env.path("STATIC_ROOT", default=str(BASE_DIR / "var/static"))
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = env("LANGUAGE_CODE", default="en")
TIME_ZONE = env("TIME_ZONE", default="UTC")
USE_TZ = True

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{BASE_DIR}/db.sqlite3")}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Deferred transactions that read before they write fail at once with "database is
    # locked" where several processes write, whatever the timeout.
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}

TASKS = {
    "default": {
        "BACKEND": "django_jobs.backend.DatabaseBackend",
        "QUEUES": ["default", "mail", "notify"],
        "OPTIONS": {
            "LEASE": env.float("TASKS_LEASE", default=30),
            # A stopping worker finishes mails; notices to the team are merely nice to have.
            "ON_STOP": {"mail": "drain", "notify": "release"},
        },
    },
}

email = env.email_url("EMAIL_URL", default=f"filemail:///{BASE_DIR}/var/mail")
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=10)
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="shop@example.com")
if django.VERSION >= (6, 1):
    if email["EMAIL_HOST"]:
        options = {
            "host": email["EMAIL_HOST"],
            "port": email["EMAIL_PORT"] or None,
            "username": email["EMAIL_HOST_USER"],
            "password": email["EMAIL_HOST_PASSWORD"],
            "use_tls": email.get("EMAIL_USE_TLS", False),
            "use_ssl": email.get("EMAIL_USE_SSL", False),
            "timeout": EMAIL_TIMEOUT,
        }
    else:
        options = {"file_path": email["EMAIL_FILE_PATH"]} if email["EMAIL_FILE_PATH"] else {}
    MAILERS = {"default": {"BACKEND": email["EMAIL_BACKEND"], "OPTIONS": options}}
    del EMAIL_TIMEOUT  # MAILERS has replaced the EMAIL_… settings
else:
    vars().update(email)

# A file for the log of django_jobs, as lines of JSON; empty for the usual text on stderr.
if job_log := env("SHOP_JOB_LOG", default=""):
    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": "shop.logs.JsonFormatter"}},
        "handlers": {
            "jobs": {"class": "logging.FileHandler", "filename": job_log, "formatter": "json"}
        },
        "loggers": {"django_jobs": {"handlers": ["jobs"], "level": "INFO", "propagate": False}},
    }

# Where to tell the team about a paid order; empty for nowhere.
TEAM_WEBHOOK_URL = env("TEAM_WEBHOOK_URL", default="")
SHOP_NAME = env("SHOP_NAME", default="The Small Shop")
SHOP_CURRENCY = env("SHOP_CURRENCY", default="EUR")
SHOP_WEBHOOK_TIMEOUT = env.float("SHOP_WEBHOOK_TIMEOUT", default=10)
# How mails and notices are tried again; the drill, which has less patience, sets its own.
SHOP_MAX_ATTEMPTS = env.int("SHOP_MAX_ATTEMPTS", default=8)
SHOP_RETRY_BASE = env.float("SHOP_RETRY_BASE", default=5)
