"""What databases refuse for the moment, made by two sessions: the work is done again, once."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final

import pytest
from django.db import connection, connections

from django_jobs.db.connections import patiently
from django_jobs.db.transactions import write_transaction
from django_jobs.models import Job, Queue
from tests.factories import JobFactory
from tests.support.sessions import TIMEOUT, other_session, race

pytestmark = pytest.mark.django_db(transaction=True)

# No longer than this does a session wait for a lock.
LIMITS: Final = {
    "postgresql": "SET lock_timeout = '50ms'",
    "mysql": "SET SESSION innodb_lock_wait_timeout = 1",
    "sqlite": "PRAGMA busy_timeout = 50",
}


@pytest.fixture(autouse=True)
def queues() -> None:
    Queue.objects.create(name="a")
    Queue.objects.create(name="b")


def tries(work: Callable[[int], None]) -> int:
    """Do ``work(number of the try)`` as the loops of a worker do; how many tries it took."""
    made = []

    def counted() -> None:
        made.append(work)
        work(len(made))

    patiently(counted, "default", lambda: False, threading.Event())
    return len(made)


def touch(name: str) -> None:
    assert Queue.objects.filter(name=name).update(paused_at=None) == 1


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def assert_was_trouble(caplog: pytest.LogCaptureFixture) -> None:
    events = [getattr(record, "event", "") for record in caplog.records]
    assert "database_trouble" in events
    assert "error" not in events, "it is known to pass"


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="there is one writer at a time")
def test_a_deadlock(caplog: pytest.LogCaptureFixture) -> None:
    both = threading.Barrier(2)

    def session(first: str, second: str) -> int:
        def work(number: int) -> None:
            with write_transaction("default"):
                Queue.objects.create(name=f"{first}{second}")
                touch(first)
                if number == 1:
                    both.wait(TIMEOUT)
                touch(second)

        return tries(work)

    with caplog.at_level(logging.WARNING, "django_jobs"):
        taken = race([partial(session, "a", "b"), partial(session, "b", "a")])
    assert sorted(taken) == [1, 2]
    assert Queue.objects.count() == 4
    assert_was_trouble(caplog)


def test_a_lock_that_is_held_for_too_long(caplog: pytest.LogCaptureFixture) -> None:
    held, free = threading.Event(), threading.Event()

    def hold() -> None:
        with write_transaction("default"):
            touch("a")
            held.set()
            free.wait(TIMEOUT)

    def work(number: int) -> None:
        if number == 1:
            execute(LIMITS[connection.vendor])
        else:
            free.set()
        with write_transaction("default"):
            Queue.objects.create(name="effect")
            touch("a")

    with other_session() as other, caplog.at_level(logging.WARNING, "django_jobs"):
        holding = other.start(hold)
        try:
            assert held.wait(TIMEOUT)
            assert tries(work) == 2
        finally:
            free.set()
        holding.result(TIMEOUT)
    assert Queue.objects.count() == 3
    assert_was_trouble(caplog)


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="only there it is an error")
def test_a_serialization_failure(caplog: pytest.LogCaptureFixture) -> None:
    def work(number: int) -> None:
        with write_transaction("default"):
            execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            Queue.objects.create(name="effect")
            if number == 1:
                other.call(touch, "a")
            touch("a")

    with other_session() as other, caplog.at_level(logging.WARNING, "django_jobs"):
        assert tries(work) == 2
    assert Queue.objects.count() == 3
    assert_was_trouble(caplog)


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="others lock rows")
def test_eight_write_to_one_file_in_turn() -> None:
    """Each reads before it writes, which SQLite refuses in a transaction that begins to read."""

    def count_up() -> None:
        connections["default"].transaction_mode = None  # as most projects have it
        for _ in range(20):
            with write_transaction("default"):
                touched = Job.objects.get()
                Job.objects.filter(pk=touched.pk).update(priority=touched.priority + 1)

    JobFactory(priority=0)
    assert race([count_up] * 8) == [None] * 8
    assert Job.objects.get().priority == 160
