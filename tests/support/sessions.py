"""Several database sessions in one test, each in a thread with a connection of its own.

The tests need `transactional_db`: what one session wrote must be committed for another to see it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from typing import Any, ParamSpec, TypeVar

from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 30  # seconds


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
