"""The claimer: keeps the slots filled, and looks for work while there is none."""

import random
import sys
import threading
import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Final, TypeVar

from django.db import connections

from ..claim import Claim, claim
from ..db.connections import patiently
from ..db.wakeup import Bell
from ..look import Glance, Waiting, glance, peek
from ..models import Worker
from ..openings import Openings
from ..promote import BATCH, promote
from ..record import Finished
from ..registry import is_coroutine
from ..release import log_released, released
from .board import Board
from .config import WorkerConfig
from .fit import Room
from .line import STALE_SECONDS

R = TypeVar("R")

CONTENTION_PAUSE: Final = 0.02
# Where jobs are for threads and for the loop: how many are claimed at once, at the most, and
# how many of one kind are looked past to find one of the other.
MIXED_BATCH: Final = 500
LOOK_PAST: Final = 1000
LOOK_PAST_PAUSE: Final = 0.25
# For so long at the most are due jobs made ready, however many there are, before the next claim.
PROMOTING_SECONDS: Final = 0.1
# Where nothing wakes it, a claimer rests for this part of the time since its last claim.
REST: Final = 0.5
SHORTEST_REST: Final = 0.01


class Claimer(threading.Thread):
    """
    :param record: takes claims that are to be given back.
    :param done: called once when ``--batch`` finds nothing left to do, or ``--max-jobs`` is
        reached.
    :param bell: what wakes it; without one it looks more often for a while after each claim.
    """

    def __init__(
        self,
        config: WorkerConfig,
        worker: Worker,
        board: Board,
        using: str,
        record: Callable[[Finished], None],
        done: Callable[[str], None],
        *,
        bell: Bell | None,
    ) -> None:
        super().__init__(name="django_jobs-claimer", daemon=True)
        self.config = config
        self.worker = worker
        self.board = board
        self.using = using
        self._record = record
        self._done = done
        self._bell = bell
        self._asked_at = time.monotonic()
        self._claimed_at = 0.0
        self._stopping = threading.Event()
        self._claimed = 0
        self._look_past_at = 0.0
        self._careful = False  # the last claim had one that is to run alone
        # Of the last look: None where no job waited in a queue that has a limit.
        self._openings: Openings | None = None
        self._more_due = False
        self._mixed = False  # whether coroutine jobs were among those seen last
        self._peeked_at = 0.0

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
            self._give_back(self.board.stale())
            room = self._room()
            if not any(room):
                if self._reached_maximum():
                    return self._done("--max-jobs is reached")
                self.board.wait_for_room(min(self.config.interval, STALE_SECONDS))
                continue
            if self._waits_for_other_side(room):
                self.board.wait_for_other_side(LOOK_PAST_PAUSE)
                continue
            # While batches come back full there is more; no need to look first. But now and
            # then jobs may fall due that are to go before those that are ready. And where jobs
            # wait in a queue that has a limit, a claim goes by what the look has seen.
            is_old = time.monotonic() - looked_at >= self.config.interval
            if not full or is_old or self._more_due or self._openings is not None:
                was_empty = self.board.is_empty()
                seen = self._patiently(self._look)
                looked_at = time.monotonic()
                if seen is None:
                    continue
                if not seen.ready:
                    if self.config.batch and was_empty:
                        return self._done("nothing is left to do")
                    full = self._rest(seen)
                    continue
            claims, full = self._patiently(partial(self._claim, room)) or ([], False)
            self._claimed += len(claims)
            if claims:
                self._claimed_at = time.monotonic()
                self._add(claims, room)
                time.sleep(0)  # lets the executor that this has woken have the interpreter
            elif not self._waits_for_other_side(room):
                # Others were faster, or hold the rows. Or nothing of it may wait in line, where
                # all slots are taken: when one gets free, this ends.
                may_run = room.slots or self._mixed
                self.board.wait(CONTENTION_PAUSE if may_run else LOOK_PAST_PAUSE)

    def _room(self) -> Room:
        slots, ahead = self.board.room()
        coroutines = self.board.coroutine_room()
        left = self._left()
        if self._careful:
            # Where one is there are others, and all but the first would be given back.
            return Room(min(slots, left, 1), 0, min(coroutines, left, 1))
        return Room(min(slots, left), min(ahead, max(0, left - slots)), min(coroutines, left))

    def _left(self) -> int:
        most = sys.maxsize if self.config.max_jobs is None else self.config.max_jobs
        return most - self._claimed

    def _reached_maximum(self) -> bool:
        return self._left() <= 0

    def _look(self) -> Glance:
        until = time.monotonic() + PROMOTING_SECONDS
        seen = glance(self.worker, self.config.queues, self.using)
        while seen.due and not self._stopping.is_set():
            promoted = promote(self.using)
            seen = glance(self.worker, self.config.queues, self.using)
            if promoted < BATCH or time.monotonic() >= until:
                break
        self._more_due = seen.due
        self._openings = seen.openings
        return seen

    def _waits_for_other_side(self, room: Room) -> bool:
        """Whether all that was seen lately is for the side that is full."""
        return time.monotonic() < self._look_past_at and room.is_one_sided and self._peeks(room)

    def _peeks(self, room: Room) -> bool:
        """
        Whether to look at what waits before a claim. A claim can't know which jobs are
        coroutines: only this process can, by their tasks. While all slots are taken, it passes
        over jobs in their last attempt, coroutines among them, so now and then it looks.
        """
        if not self.board.loop.most:
            return False
        is_late = time.monotonic() - self._peeked_at >= self.config.interval
        return self._mixed or not (room.slots or (room.ahead and not is_late))

    def _claim(self, room: Room) -> tuple[list[Claim], bool]:
        """Also tells whether there was as much as was wanted, so that there may be more."""
        self._asked_at = time.monotonic()
        take = partial(
            claim, self.worker, self.config.queues, using=self.using, openings=self._openings
        )
        if not self._peeks(room):
            claims = take(room.slots, ahead=room.ahead)
            return claims, len(claims) == room.slots + room.ahead
        past = LOOK_PAST if room.is_one_sided else 0
        most = sum(room) + past
        self._peeked_at = time.monotonic()
        waiting = peek(self.worker, self.config.queues, most, self.using, self._openings)
        self._mixed = any(is_coroutine(path) for path in {job.task_path for job in waiting})
        wanted = list(room.fitting(waiting, self._limited()))[: min(MIXED_BATCH, self._left())]
        if not wanted:
            self._look_past_at = time.monotonic() + LOOK_PAST_PAUSE
            return [], False
        # By number where possible: workers that look at the same time share what there is.
        among = None if wanted == waiting[: len(wanted)] else [job.pk for job in wanted]
        claims = take(len(wanted), among=among)
        return claims, len(claims) == len(wanted)

    def _limited(self) -> Collection[str]:
        """The queues with a limit of which jobs may have been claimed."""
        return () if self._openings is None else self._openings.rooms

    def _add(self, claims: list[Claim], room: Room) -> None:
        if not self.board.lease.was_held_since(self._asked_at):
            # The answer came late: others may have taken them back, and run them by now.
            return self._refuse(claims)
        first = next((place for place, each in enumerate(claims) if each.job.crashes), None)
        self._careful = first is not None
        if first is None:
            return self._hand_out(claims, room)
        # In their order: those before the first suspect, then it alone, then the others anew.
        self._refuse(claims[first + 1 :])
        self._hand_out(claims[:first], room)
        self.board.set_apart(claims[first], on_loop=is_coroutine(claims[first].job.task_path))

    def _hand_out(self, claims: list[Claim], room: Room) -> None:
        paths = {claim.job.task_path for claim in claims}
        if not self.board.loop.most or not (self._peeks(room) or any(map(is_coroutine, paths))):
            return self.board.add(claims)
        # They may be other jobs than those that were looked at, if any were.
        jobs = [claim.job for claim in claims]
        waited = [
            Waiting(j.pk, j.task_path, j.queue_name, j.attempts - 1, j.max_attempts) for j in jobs
        ]
        fitting = {job.pk for job in room.fitting(waited, self._limited())}
        left_over = [claim for claim in claims if claim.job.pk not in fitting]
        self._refuse(left_over)
        kept = [claim for claim in claims if claim.job.pk in fitting]
        coroutines = [claim for claim in kept if is_coroutine(claim.job.task_path)]
        self._mixed = self._mixed or bool(coroutines or left_over)
        self.board.loop.add(coroutines)
        self.board.add([claim for claim in kept if not is_coroutine(claim.job.task_path)])

    def _refuse(self, claims: list[Claim]) -> None:
        self.board.refuse(claims)
        self._give_back(claims)

    def _give_back(self, claims: list[Claim]) -> None:
        for each in claims:
            finished = released(each)
            log_released(finished)
            self._record(finished)
            self._claimed -= 1

    def _rest(self, seen: Glance) -> bool:
        """Until the next poll, the next due job, or a wake-up; whether there is a job then."""
        seconds = self.config.interval
        if self._bell is None:
            idle = time.monotonic() - self._claimed_at
            seconds = min(seconds, max(SHORTEST_REST, idle * REST))
        seconds *= random.uniform(0.8, 1.2)  # noqa: S311 (jitter)
        if seen.due_in is not None:
            seconds = min(seconds, max(seen.due_in, 0.01))
        return self.board.wait(seconds) and self._bell is not None and self._bell.is_sure

    def _patiently(self, work: Callable[[], R]) -> R | None:
        return patiently(work, self.using, self._stopping.is_set, self._stopping)
