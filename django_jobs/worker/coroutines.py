"""
The event loop: one thread, in which all coroutine jobs of this process run, each an
``asyncio.Task`` with a context of its own.
"""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Final

from ..aexecute import aexecute
from ..backend import DatabaseBackend
from ..claim import Claim
from ..record import Finished, refused
from .board import Board
from .offload import Calls, Threads
from .stacks import coroutine_stack, stacks

logger = logging.getLogger("django_jobs")

# How long tasks that jobs have left behind may take to end when the worker does.
LEFT_SECONDS: Final = 0.2
# A loop that has not answered for so long is held up by a job that does not wait.
HELD_UP_SECONDS: Final = 1.0


class Coroutines(threading.Thread):
    """
    :param threads: how many threads the jobs share for what they can't await.
    :param record: takes the finished attempt.
    :param report: takes a claim and what its task reported as progress.
    """

    def __init__(
        self,
        threads: int,
        backend: DatabaseBackend,
        board: Board,
        record: Callable[[Finished], None],
        report: Callable[[Claim, dict[str, Any]], None],
    ) -> None:
        super().__init__(name="django_jobs-coroutines", daemon=True)
        self.backend = backend
        self.board = board
        self._count = threads
        self._record = record
        self._report = report
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: dict[Claim, asyncio.Task[None]] = {}
        self._ended = False
        self._asked_at: float | None = None
        board.loop.call = self._wake

    def stack(self, claim: Claim) -> str:
        """Where the job of ``claim`` is; empty where it does not run here."""
        task = self._tasks.get(claim)
        # A job that does not wait holds up the loop.
        return (task and (coroutine_stack(task) or stacks([self]))) or ""

    def held_up(self) -> set[Claim]:
        """All jobs here where one of them holds up the loop, none otherwise; to be asked twice."""
        asked_at, loop = self._asked_at, self._loop
        if asked_at is not None:
            is_held_up = time.monotonic() - asked_at > HELD_UP_SECONDS
            return set(self._tasks) if is_held_up else set()
        if loop is not None:
            self._asked_at = time.monotonic()
            loop.call_soon_threadsafe(self._answer)
        return set()

    def _answer(self) -> None:
        self._asked_at = None

    def run(self) -> None:
        loop = asyncio.new_event_loop()
        threads = Threads(self._count)
        threads.serve(loop)
        self._loop = loop
        loop.call_soon(self._take)
        while not self._ended:
            try:
                loop.run_forever()
            except BaseException:
                # A SystemExit in a task that a job has left behind ends only that task.
                logger.exception("Unexpected error", extra={"event": "error"})
        self._loop = None
        if self._tasks:
            return  # the worker leaves them behind as they are, and is about to be gone
        self._cancel_left(loop)
        threads.end(loop)
        loop.close()

    def _wake(self) -> None:
        loop = self._loop
        if loop is not None:  # else it takes when it comes up
            with suppress(RuntimeError):  # it has been closed just now
                loop.call_soon_threadsafe(self._take)

    def _take(self) -> None:
        assert self._loop is not None  # noqa: S101 (it runs here)
        claims = self.board.loop.take()
        if claims is None:
            self._ended = True
            self._loop.stop()
            return
        for claim in claims:
            # A fresh context, as execute() gives to jobs in threads.
            task = self._loop.create_task(self._run(claim), context=contextvars.Context())
            self._tasks[claim] = task

    async def _run(self, claim: Claim) -> None:
        try:
            finished = await aexecute(
                claim, self.backend, guard=Calls(claim.token), report=partial(self._report, claim)
            )
        except (Exception, asyncio.CancelledError) as error:
            # None of the task's, as in an executor.
            logger.exception("Job %s could not be run", claim.job.pk, extra={"event": "error"})
            finished = refused(claim, error)
        del self._tasks[claim]
        if self.board.loop.ran(claim, recording=finished is not None) and finished is not None:
            self._record(finished)

    @staticmethod
    def _cancel_left(loop: asyncio.AbstractEventLoop) -> None:
        """Tasks that jobs have started and not awaited may clean up, for a moment."""
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=LEFT_SECONDS))
