"""Tasks that take too long, in the database and elsewhere, and do or don't mind."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from asgiref.sync import sync_to_async
from django.db import IntegrityError, connection, transaction

from django_jobs import Backoff, job
from django_jobs.db.limits import RENEW_SECONDS
from django_jobs.models import Queue
from tests.sample import odd

# Takes a minute, and the database all of it.
STATEMENTS = {
    "postgresql": "SELECT pg_sleep(60)",
    "mysql": "SELECT SLEEP(60)",
    "sqlite": (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) "
        "SELECT COUNT(*) FROM n"
    ),
}
AGAIN_LATER = Backoff(base=600, maximum=600)


def take_a_minute() -> None:
    with connection.cursor() as cursor:
        cursor.execute(STATEMENTS[connection.vendor])
        cursor.fetchall()


@job(timeout=0.5, backoff=AGAIN_LATER)
def in_the_database(how: str = "") -> None:
    if how == "swallow":
        try:
            take_a_minute()
        except Exception:  # no statement's error passes for the end of the job's time
            return
    elif how == "atomic":
        with transaction.atomic():
            take_a_minute()
    elif how == "after a rollback":
        _roll_back()
        take_a_minute()
    elif how == "after a savepoint":
        with transaction.atomic():
            _fail_in_a_savepoint()
            take_a_minute()
    elif how == "on a new connection":
        Queue.objects.count()
        connection.close()
        take_a_minute()
    else:
        take_a_minute()


def _roll_back() -> None:
    with suppress(ValueError), transaction.atomic():
        Queue.objects.count()
        raise ValueError


def _fail_in_a_savepoint() -> None:
    Queue.objects.create(name="mail")
    with suppress(IntegrityError), transaction.atomic():
        try:
            Queue.objects.create(name="mail")
        finally:
            time.sleep(RENEW_SECONDS)  # the limit is due, and the transaction takes no statement


@job(timeout=0.5, backoff=AGAIN_LATER)
def lock(name: str) -> None:
    with transaction.atomic():
        Queue.objects.filter(name=name).update(paused_at=None)


@job(timeout=0.3, backoff=AGAIN_LATER)
def clean_up(name: str) -> None:
    try:
        take_a_minute()
    finally:
        Queue.objects.create(name=name)


@job(timeout=0.2)
def return_late() -> int:
    time.sleep(0.3)
    return Queue.objects.count()


@job(timeout=10)
def limits() -> list[Any]:
    """The limit of its session: at first, later, and in a transaction of its own."""
    found = [limit()]
    time.sleep(RENEW_SECONDS)
    found.append(limit())
    with transaction.atomic():
        found.append(limit())
    return found


def limit() -> Any:
    """The longest that a statement of this session may take, as the database says it."""
    with connection.cursor() as cursor:
        cursor.execute(
            {
                "postgresql": "SHOW statement_timeout",
                "mysql": "SELECT @@SESSION.max_statement_time",
                "sqlite": "PRAGMA busy_timeout",
            }[connection.vendor]
        )
        return cursor.fetchone()[0]


@job(timeout=60)
def leave_the_database_alone() -> None:
    pass


@job(timeout=10)
def limit_after_a_rollback() -> Any:
    _roll_back()
    return limit()


@job
def without_a_timeout() -> Any:
    Queue.objects.count()
    return limit()


@job(timeout=60, max_attempts=1)
def cut_short_by_its_own_limit() -> None:
    # In one, so that nothing can come in between, however slow the machine is.
    limit = {
        "postgresql": "SET statement_timeout = 50;",
        "mysql": "SET STATEMENT max_statement_time = 0.05 FOR",
    }[connection.vendor]
    connection.cursor().execute(f"{limit} {STATEMENTS[connection.vendor]}")


@job(timeout=0.5, backoff=AGAIN_LATER)
async def in_the_database_async() -> None:
    await sync_to_async(take_a_minute)()


@job(timeout=0.5, backoff=AGAIN_LATER)
def ignore(seconds: float) -> str:
    """Never looks."""
    odd.CALLS.append("ignore")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.05)
    return "late"


@job(timeout=0.5, backoff=AGAIN_LATER)
async def ignore_async(seconds: float) -> None:
    ignore.func(seconds)


@job
def wait_for_queue(name: str) -> None:
    while not Queue.objects.filter(name=name).exists():
        time.sleep(0.05)
