"""
The executors: N threads of our own, since a ThreadPoolExecutor can't be left behind at a
deadline.
"""

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..backend import DatabaseBackend
from ..claim import Claim
from ..db.connections import ConnectionGuard, clean_connections
from ..execute import execute
from ..record import Finished, refused
from .board import Board

logger = logging.getLogger("django_jobs")


class Executor(threading.Thread):
    """
    Runs what the board hands out, one thing at a time.

    :param record: takes the finished attempt.
    :param report: takes a claim and what its task reported as progress.
    """

    def __init__(
        self,
        number: int,
        backend: DatabaseBackend,
        board: Board,
        record: Callable[[Finished], None],
        report: Callable[[Claim, dict[str, Any]], None],
    ) -> None:
        super().__init__(name=f"django_jobs-executor-{number}", daemon=True)
        self.backend = backend
        self.board = board
        self._record = record
        self._report = report
        self._guard = ConnectionGuard()

    def run(self) -> None:
        while (taken := self.board.take()) is not None:
            if isinstance(taken, Claim):
                self._run(taken)
            else:
                self._call(taken)

    def _run(self, claim: Claim) -> None:
        started = time.monotonic()
        try:
            finished = execute(
                claim,
                self.backend,
                guard=self._guard,
                report=partial(self._report, claim),
            )
        except Exception as error:
            # Not the task's error, which execute() takes care of, but one of ours or of the
            # row; it must cost neither the slot nor another job.
            logger.exception("Job %s could not be run", claim.job.pk, extra={"event": "error"})
            finished = refused(claim, error)
        # On the recorder's list before the slot is free, so that the board is never empty
        # while an outcome is on its way.
        self.board.ran(claim, recording=finished is not None, seconds=time.monotonic() - started)
        if finished is not None:
            self._record(finished)

    def _call(self, call: Callable[[], None]) -> None:
        try:
            call()
        except BaseException:
            # A signal receiver's SystemExit ends neither this thread nor the process.
            logger.exception("Unexpected error", extra={"event": "error"})
        finally:
            clean_connections()
            self.board.called()
