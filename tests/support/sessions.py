"""Several database sessions in one test, each in a thread with a connection of its own.

The tests need `transactional_db`: what one session wrote must be committed for another to see it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, connections

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 30  # seconds

# How to list the other sessions of the test database, and how to end one.
SESSIONS = {
    "postgresql": (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid()",
        "SELECT pg_terminate_backend({})",
    ),
    "mysql": (
        "SELECT id FROM information_schema.processlist WHERE db = database()"
        " AND id <> connection_id()",
        "KILL {}",
    ),
}


def end_other_sessions() -> int:
    """End all sessions of the test database but this one; how many there were."""
    listing, ending = SESSIONS[connection.vendor]
    ended = 0
    with connection.cursor() as cursor:
        cursor.execute(listing)
        for (number,) in cursor.fetchall():
            try:
                cursor.execute(ending.format(number))
                ended += 1
            except OperationalError:
                continue  # it has ended by itself meanwhile
    return ended


class Session:
    def __init__(self, thread: ThreadPoolExecutor) -> None:
        self._thread = thread

    def start(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call in the other session; `.done()` says if it waits, for a lock say."""
        return self._thread.submit(function, *args, **kwargs)

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in the other session, and wait for the result or the exception."""
        return self.start(function, *args, **kwargs).result(TIMEOUT)


@contextmanager
def other_session() -> Iterator[Session]:
    """A second session, whose calls all run in the same thread, so on the same connection.

    with other_session() as other, transaction.atomic():
        lock(job)
        claim = other.start(claim_jobs)
        ...
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="other-session") as thread:
        try:
            yield Session(thread)
        finally:
            thread.submit(connections.close_all).result(TIMEOUT)


def race(functions: Sequence[Callable[[], T]]) -> list[T | Exception]:
    """Call all functions at the same moment, and return their results or exceptions, in order."""
    start = Barrier(len(functions))

    def run(function: Callable[[], T]) -> Any:
        try:
            connections["default"].ensure_connection()  # so that the race is about the work
            start.wait(TIMEOUT)
            return function()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as threads:
        return list(threads.map(run, functions, timeout=TIMEOUT * 2))
