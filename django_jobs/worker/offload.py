"""
The threads in which coroutine jobs do what can't be awaited: Django's ORM foremost, whose
``a…`` methods are calls in a thread.

Each job has one thread for its thread-sensitive calls, as Django promises, and shares it with
other jobs. So each call is guarded, not each job: no transaction lasts from one to the next.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from itertools import cycle
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import AsyncToSync
from django.db import close_old_connections, connections

from ..db.connections import CallGuard, ConnectionGuard
from ..db.limits import bounded
from ..token import Token

P = ParamSpec("P")
R = TypeVar("R")


class Calls:
    """
    The calls of one job in other threads. On the way out, wait for those that a cancellation
    has left at work: the attempt lasts as long as they do.
    """

    def __init__(self, token: Token) -> None:
        self.token = token
        self.thread: _Guarded | None = None
        self.pending: set[Future[Any]] = set()

    async def __aenter__(self) -> None:
        _calls.set(self)

    async def __aexit__(self, *exc_info: object) -> None:
        if self.thread is not None:
            self.thread.tidy()
        while pending := [asyncio.wrap_future(future) for future in list(self.pending)]:
            with suppress(asyncio.CancelledError):
                await asyncio.wait(pending)
            for future in pending:
                if future.done() and not future.cancelled():
                    future.exception()  # seen: it is the job's own affair


_calls: ContextVar[Calls | None] = ContextVar("django_jobs_calls", default=None)


def _bounded(token: Token, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    with bounded(token):
        return fn(*args, **kwargs)


class _Guarded(ThreadPoolExecutor):
    """A pool whose calls find sound connections and leave sound ones."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        calls = _calls.get()
        if calls is None:
            return super().submit(self.guard, fn, *args, **kwargs)
        call = partial(_bounded, calls.token, fn, *args, **kwargs)
        future = super().submit(self.guard, call)
        calls.pending.add(future)
        future.add_done_callback(calls.pending.discard)
        return future

    def tidy(self) -> None:
        """Close what has got too old. No job waits for it: others may be at work before it."""
        super().submit(self.guard, close_old_connections)

    @staticmethod
    def guard(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        with ConnectionGuard():
            return fn(*args, **kwargs)


class _Thread(_Guarded):
    """One thread, which jobs share."""

    @staticmethod
    def guard(fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        with CallGuard():
            return fn(*args, **kwargs)


class Threads(Executor):
    """
    Where ``sync_to_async()`` runs its thread-sensitive calls, and so the ORM.

    :param count: how many threads there are at the most.
    """

    def __init__(self, count: int) -> None:
        self._threads = [
            _Thread(1, thread_name_prefix=f"django_jobs-calls-{n}") for n in range(1, count + 1)
        ]
        self._next = cycle(self._threads)
        self._others = _Guarded(thread_name_prefix="django_jobs-to-thread")

    def serve(self, loop: asyncio.AbstractEventLoop) -> None:
        """Run the calls of ``loop``."""
        AsyncToSync.loop_thread_executors[loop] = self  # type: ignore[assignment]
        loop.set_default_executor(self._others)

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> "Future[R]":
        calls = _calls.get()
        if calls is None:
            return self._threads[0].submit(fn, *args, **kwargs)
        if calls.thread is None:
            calls.thread = next(self._next)
            calls.thread.tidy()
        return calls.thread.submit(fn, *args, **kwargs)

    def end(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close the connections and let the threads go, without waiting for them."""
        AsyncToSync.loop_thread_executors.pop(loop, None)
        for thread in self._threads:
            if thread._threads:  # it has been used
                thread.submit(connections.close_all)
        for pool in (*self._threads, self._others):
            pool.shutdown(wait=False)
