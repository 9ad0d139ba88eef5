"""Connections on which the database does not answer."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections
from django.db.backends.signals import connection_created

from django_jobs.db import watch as watch_module
from django_jobs.db.watch import Answered, Watch
from tests.sample import slow
from tests.support.sessions import Session, other_session
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
IS_THERE = {
    "postgresql": "SELECT COUNT(*) FROM pg_stat_activity WHERE pid = %s",
    "mysql": "SELECT COUNT(*) FROM information_schema.processlist WHERE id = %s",
}
ON_A_SERVER = pytest.mark.skipif("connection.vendor == 'sqlite'", reason="it is a file")


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """One that loses patience at once, and knows the connections made from now on."""
    monkeypatch.setattr(watch_module, "LOOK_SECONDS", 0.05)
    connection_created.connect(watch_module._made)
    watch = Watch(lease=30)
    watch.silence = 0.2
    watch.start()
    yield watch
    watch.silence = float("inf")  # nothing ends the thread, and now it ends nothing
    connection_created.disconnect(watch_module._made)


@pytest.fixture
def other() -> Iterator[Session]:
    with other_session() as other:
        yield other


def ask(sql: str, *params: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchone()[0]


def wait_for_an_answer(work: Any) -> Any:
    with Answered("default"):
        return work()


@ON_A_SERVER
def test_a_session_that_does_not_answer_is_cut_and_ended(watch: Watch, other: Session) -> None:
    number = other.call(ask, NUMBER[connection.vendor])
    waiting: Future[Any] = other.start(wait_for_an_answer, slow.take_a_minute)
    with pytest.raises(DatabaseError):
        waiting.result(20)
    # The server's side would have slept on for the rest of the minute.
    wait_until(lambda: not ask(IS_THERE[connection.vendor], number), 50, "the session's end")
    other.call(connections.close_all)
    assert other.call(ask, "SELECT 1") == 1


@ON_A_SERVER
def test_one_that_nobody_waits_for_is_left_alone(watch: Watch, other: Session) -> None:
    number = other.call(ask, NUMBER[connection.vendor])
    other.call(wait_for_an_answer, lambda: ask("SELECT 1"))
    threading.Event().wait(0.5)  # nothing is to happen for so long
    assert other.call(ask, NUMBER[connection.vendor]) == number


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="a server has sessions")
def test_a_file_is_left_alone(watch: Watch, other: Session) -> None:
    def work() -> Any:
        number = id(connection.connection)
        threading.Event().wait(0.5)
        return ask("SELECT 1"), id(connection.connection) == number

    other.call(ask, "SELECT 1")
    assert other.call(wait_for_an_answer, work) == (1, True)
