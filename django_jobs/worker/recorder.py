"""
The recorder: writes outcomes in batches, with no wait added. While one batch is on its way,
the next one gathers.
"""

import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from django.db import connections

from ..backend import DatabaseBackend
from ..compat import TaskResultStatus, task_finished
from ..db.connections import patiently
from ..db.errors import is_transient
from ..db.watch import Answered
from ..groups import Groups
from ..log import log_lost
from ..policy import Next
from ..record import Finished, record, refused
from ..results import announce_finished
from ..signals import has_receivers, log_state
from .board import Board
from .tallies import Tallies

BATCH: Final = 600
# While so many outcomes a second come, a batch gathers for a moment: fewer statements, and
# fewer turns of the interpreter lock. Else nothing waits.
BUSY: Final = 1000
GATHER_SECONDS: Final = 0.005


class Recorder(threading.Thread):
    """
    ``interrupted`` counts the attempts that were cut short by a stop; ``tallies`` counts what
    came of the others.
    """

    def __init__(self, backend: DatabaseBackend, board: Board, using: str) -> None:
        super().__init__(name="django_jobs-recorder", daemon=True)
        self.backend = backend
        self.board = board
        self.using = using
        self._queue: queue.SimpleQueue[Finished | None] = queue.SimpleQueue()
        self._groups = Groups(using)
        self._deadline = float("inf")
        self.interrupted = 0
        self.tallies = Tallies()

    def put(self, finished: Finished) -> None:
        self._queue.put(finished)

    def stop(self, deadline: float) -> None:
        """Record what is there, but try no longer than ``deadline`` (monotonic)."""
        self._deadline = deadline
        self._queue.put(None)

    def run(self) -> None:
        try:
            taken = time.monotonic()
            while (first := self._next()) is not None:
                if self._queue.qsize() >= BUSY * (time.monotonic() - taken):
                    time.sleep(GATHER_SECONDS)
                taken = time.monotonic()
                self._write([first, *self._more()])
                if self._groups.due_in() == 0:
                    self._write_groups()
            if not self._is_too_late():
                self._write_groups()
        finally:
            connections[self.using].close()

    def _next(self) -> Finished | None:
        """What is to be recorded next; while nothing is, failures are added to their groups."""
        while True:
            try:
                return self._queue.get(timeout=self._groups.due_in())
            except queue.Empty:
                self._write_groups()

    def _write_groups(self) -> None:
        with Answered(self.using):
            written = self._groups.write()
        if not written:
            connections[self.using].close()

    def _more(self) -> list[Finished]:
        more: list[Finished] = []
        while len(more) < BATCH - 1:
            try:
                finished = self._queue.get_nowait()
            except queue.Empty:
                break
            if finished is None:
                self._queue.put(None)
                break
            more.append(finished)
        return more

    def _write(self, batch: list[Finished]) -> None:
        lost = patiently(
            partial(self._record, batch), self.using, self._is_too_late, threading.Event()
        )
        if lost is None:
            return  # the deadline has come; the jobs are rescued when the lease runs out
        # Before they are off the board: once that is empty, everything is counted.
        self.tallies.count([f for f in batch if f not in lost] if lost else batch)
        then: list[Callable[[], None]] = []
        heard = has_receivers(task_finished)
        for finished in batch:
            if finished in lost:
                log_lost(finished.claim)
                continue
            self.interrupted += finished.interrupted
            if heard or finished.outcome.next is not Next.SUCCESSFUL:
                then.append(partial(announce_finished, self.backend, finished))
            else:
                log_state(task_finished, finished.job, TaskResultStatus.SUCCESSFUL)
        self.board.recorded([finished.claim for finished in batch], then)

    def _record(self, batch: list[Finished]) -> list[Finished]:
        """Record ``batch``; one row that the database refuses must not hold up the others."""
        try:
            return self._record_once(batch)
        except Exception as error:
            if is_transient(error):
                raise
            connections[self.using].close()  # a server that got too much hangs up
            if len(batch) == 1 and (batch[0].claim.log or batch[0].claim.progress):
                # Whatever is wrong with one of these costs no outcome.
                batch[0].claim.log = batch[0].claim.progress = None
                return self._record(batch)
            if len(batch) == 1:
                return self._record_once([refused(batch[0].claim, error)])
            half = len(batch) // 2
            return self._record(batch[:half]) + self._record(batch[half:])

    def _record_once(self, batch: list[Finished]) -> list[Finished]:
        delete = self.backend.jobs_options.delete_successful
        lost = record(batch, self.using, delete_successful=delete)
        self._groups.add(finished for finished in batch if finished not in lost)
        return lost

    def _is_too_late(self) -> bool:
        return time.monotonic() >= self._deadline
