"""The claimer: keeps the slots filled, and looks for work while there is none."""

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from django.db import connections

from ..claim import Claim, Glance, claim, glance
from ..db.connections import patiently
from ..models import Worker
from ..promote import BATCH, promote
from ..record import Finished
from ..release import log_released, released
from .board import STALE_SECONDS, Board
from .config import WorkerConfig

R = TypeVar("R")

CONTENTION_PAUSE: Final = 0.02


class Claimer(threading.Thread):
    """
    :param record: takes claims that are to be given back.
    :param done: called once when ``--batch`` finds nothing left to do, or ``--max-jobs`` is
        reached.
    """

    def __init__(
        self,
        config: WorkerConfig,
        worker: Worker,
        board: Board,
        using: str,
        record: Callable[[Finished], None],
        done: Callable[[str], None],
    ) -> None:
        super().__init__(name="django_jobs-claimer", daemon=True)
        self.config = config
        self.worker = worker
        self.board = board
        self.using = using
        self._record = record
        self._done = done
        self._stopping = threading.Event()
        self._claimed = 0

    def stop(self) -> None:
        """Claim nothing more; returns at once."""
        self._stopping.set()
        self.board.wake()

    def run(self) -> None:
        try:
            self._loop()
        finally:
            connections[self.using].close()

    def _loop(self) -> None:
        looked_at = 0.0
        full = False
        while not self._stopping.is_set():
            for waiting in self.board.stale():
                log_released(waiting)
                self._record(released(waiting))
                self._claimed -= 1
            slots, ahead = self._room()
            if not slots + ahead:
                if self._reached_maximum():
                    return self._done("--max-jobs is reached")
                self.board.wait_for_room(min(self.config.interval, STALE_SECONDS))
                continue
            # While batches come back full there is more; no need to look first. But now and
            # then jobs may fall due that are to go before those that are ready.
            if not full or time.monotonic() - looked_at >= self.config.interval:
                was_empty = self.board.is_empty()
                seen = self._patiently(self._look)
                looked_at = time.monotonic()
                if seen is None:
                    continue
                if not seen.ready:
                    if self.config.batch and was_empty:
                        return self._done("nothing is left to do")
                    self._rest(seen)
                    continue
            claims = self._patiently(partial(self._claim, slots, ahead)) or []
            full = len(claims) == slots + ahead
            self._claimed += len(claims)
            if claims:
                self.board.add(claims)
            else:
                self.board.wait(CONTENTION_PAUSE)  # others were faster, or hold the rows

    def _room(self) -> tuple[int, int]:
        slots, ahead = self.board.room()
        if self.config.max_jobs is not None:
            left = self.config.max_jobs - self._claimed
            slots, ahead = min(slots, left), min(ahead, max(0, left - slots))
        return slots, ahead

    def _reached_maximum(self) -> bool:
        return self.config.max_jobs is not None and self._claimed >= self.config.max_jobs

    def _look(self) -> Glance:
        seen = glance(self.worker, self.config.queues, self.using)
        while seen.due and not self._stopping.is_set():
            promoted = promote(self.using)
            seen = glance(self.worker, self.config.queues, self.using)
            if promoted < BATCH:
                break
        return seen

    def _claim(self, slots: int, ahead: int) -> list[Claim]:
        return claim(self.worker, self.config.queues, slots, self.using, ahead)

    def _rest(self, seen: Glance) -> None:
        """Until the next poll, the next due job, or a wake-up."""
        seconds = self.config.interval * random.uniform(0.8, 1.2)  # noqa: S311 (jitter)
        if seen.due_in is not None:
            seconds = min(seconds, max(seen.due_in, 0.01))
        self.board.wait(seconds)

    def _patiently(self, work: Callable[[], R]) -> R | None:
        return patiently(work, self.using, self._stopping.is_set, self._stopping)
