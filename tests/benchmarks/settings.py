"""Django's settings for one contender on one database, told through the environment."""

import os

import environ

from tests.benchmarks import tracing
from tests.benchmarks.contenders import load

env = environ.Env()

SECRET_KEY = "for the benchmarks only, long enough for whoever signs with it"
DEBUG = False
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "tests.benchmarks"]

# The same for all: connections are kept.
DATABASES = {"default": env.db_url("DATABASE_URL") | {"CONN_MAX_AGE": None}}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL",
    }

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"stderr": {"class": "logging.StreamHandler"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {"django": {"level": "WARNING"}},
}

contender = load(os.environ["BENCH_CONTENDER"])(os.environ["BENCH_DATABASE"])
slots = int(os.environ.get("BENCH_SLOTS", "1"))
processes = int(os.environ.get("BENCH_PROCESSES", "1"))
for _name, _value in contender.django_settings(slots, processes).items():
    globals()[_name] = [*INSTALLED_APPS, *_value] if _name == "INSTALLED_APPS" else _value

tracing.install()
