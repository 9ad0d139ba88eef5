"""Everybody who is measured: one module each, whose docstring says with which settings and why."""

from importlib import import_module

from .base import Contender

DJANGO_JOBS = "django_jobs"
LIMITS = ("bare_psycopg", "bare_sqlite", "threads")
PEERS = (
    "django_tasks_db",
    "django_ox",
    "dj_queue",
    "steady_queue",
    "procrastinate",
    "pgqueuer",
    "chancy",
    "django_q2",
    "celery",
    "dramatiq",
    "huey",
)
NAMES = (DJANGO_JOBS, *LIMITS, *PEERS)


def load(name: str) -> type[Contender]:
    """
    :raises ImportError: its packages aren't installed.
    """
    contender: type[Contender] = import_module(f"{__name__}.on_{name}").CONTENDER
    return contender
