"""
The heartbeat: renews the worker's lease and says how the worker is, hears of cancellations,
lost claims and what the worker is told in the same round, and takes back what lost workers left.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connections

from ..backend import DatabaseBackend
from ..claim import Claim
from ..db.clock import DbNow
from ..db.connections import patiently
from ..exceptions import CancelRequested, LeaseLost
from ..failure import storable
from ..models import Job, Status, Worker
from ..record import Finished, write_progress
from ..release import log_released, released
from ..rescue import rescue
from ..results import announce_finished
from .board import Board
from .control import Control
from .tallies import Tallies

logger = logging.getLogger("django_jobs")


class Heartbeat(threading.Thread):
    """
    :param record: takes claims that are to be given back.
    :param tallies: what the recorder counts; saved after each beat, and at the end.
    """

    def __init__(
        self,
        worker: Worker,
        backend: DatabaseBackend,
        board: Board,
        using: str,
        record: Callable[[Finished], None],
        control: Control,
        tallies: Tallies | None = None,
    ) -> None:
        super().__init__(name="django_jobs-heartbeat", daemon=True)
        self.worker = worker
        self.backend = backend
        self.board = board
        self.using = using
        self._record = record
        self.tallies = tallies or Tallies()
        self._control = control
        self.lease: float = backend.jobs_options.lease
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._asked = threading.Event()
        self._told = False
        self._reported: dict[UUID, Claim] = {}
        self._strays: set[tuple[UUID, int]] = set()

    def register(self) -> None:
        """Insert the worker's row; it holds its lease from now on."""
        since = time.monotonic()
        # Said again each time: from Django 6.0, save() leaves the values of the first insert.
        self.worker.last_heartbeat_at = DbNow()
        self.worker.lease_expires_at = DbNow() + timedelta(seconds=self.lease)
        self.worker.save(force_insert=True, using=self.using)
        self.board.lease_renewed(since)

    def report(self, claim: Claim, progress: dict[str, Any]) -> None:
        """Take a task's progress; it is written within about a second, or with its outcome."""
        claim.progress = {**progress, "note": storable(progress["note"])}
        self._reported[claim.job.pk] = claim
        self._wake.set()

    def look(self) -> None:
        """Look for cancel requests within about a second; returns at once."""
        self._asked.set()
        self._wake.set()

    def attend(self) -> None:
        """Look for what the worker is told, and show how it is, as soon; returns at once."""
        self._told = True
        self.look()

    def stop(self) -> None:
        """End the lease; returns at once."""
        self._stopping.set()
        self._wake.set()

    def run(self) -> None:
        try:
            self._loop()
            self._end_lease()
            self.tallies.save(self.worker.pk, self.using)
        finally:
            connections[self.using].close()

    def _loop(self) -> None:
        next_beat = 0.0
        while not self._stopping.is_set():
            if time.monotonic() >= next_beat:
                self._patiently(self._beat)
                # Early by up to a tenth, never late: the lease counts on it, and workers
                # that were started together come apart.
                pause = self.lease / 3 * random.uniform(0.9, 1.0)  # noqa: S311 (jitter)
                next_beat = time.monotonic() + pause
                # After the lease, and tried once: nothing depends on them.
                self.tallies.save(self.worker.pk, self.using)
            self._wake.clear()
            if self._stopping.is_set():
                break  # stop() may have come before clear()
            if self._asked.is_set() or self._reported:
                if self._asked.is_set():
                    self._asked.clear()
                    told, self._told = self._told, False
                    self._patiently(partial(self._look, told))
                self._patiently(self._write_progress)
                # About once a second at most, whatever comes.
                self._stopping.wait(min(1.0, self.lease / 3))
            else:
                self._wake.wait(max(0.0, next_beat - time.monotonic()))

    def _end_lease(self) -> None:
        for tries_left in (1, 0):
            try:
                Worker.objects.using(self.using).filter(pk=self.worker.pk).update(
                    stopped_at=DbNow(), lease_expires_at=DbNow()
                )
            except DatabaseError:
                # The connection may have been cut since the last beat.
                connections[self.using].close()
                if not tries_left:
                    logger.warning("The worker's row could not be closed; its lease will run out")
            else:
                return

    def _patiently(self, work: Any) -> None:
        patiently(partial(self._guarded, work), self.using, self._stopping.is_set, self._stopping)

    def _guarded(self, work: Any) -> None:
        if not self.board.lease.is_held:
            # Also while the database is away: what runs can't be ours for longer than that.
            self.board.fence_off()
        work()

    def _beat(self) -> None:
        self._renew()
        self._release_strays(*self._compare())
        while rescued := rescue(self.using, max_crashes=self.backend.jobs_options.max_crashes):
            for finished in rescued:
                # Receivers are somebody else's code: it must not hold up the lease.
                self.board.call(partial(announce_finished, self.backend, finished))
            self.board.wake()

    def _renew(self) -> None:
        since = time.monotonic()
        renewed = (
            Worker.objects.using(self.using)
            .filter(pk=self.worker.pk)
            .update(
                last_heartbeat_at=DbNow(),
                lease_expires_at=DbNow() + timedelta(seconds=self.lease),
                stopped_at=None,
                **self._control.state(),
            )
        )
        if renewed:
            self.board.lease_renewed(since)
        else:
            self.register()

    def _look(self, told: bool) -> None:
        # Only a beat counts as a round for what is released: two looks may be close together.
        if told or self.board.claims():
            self._compare()

    def _compare(self) -> tuple[dict[UUID, int], set[tuple[UUID, int]]]:
        """
        Compare what the database says is ours, by its claim numbers, with what we believe is;
        returns both. What the worker is told is read with it.
        """
        believed = self.board.claims()
        ours = {pk: (claim_no, asked) for pk, claim_no, asked in self._rows()}
        told = ours.pop(self.worker.pk, None)
        current = self.board.claims()
        for claim in believed & current:  # the others were recorded meanwhile
            claim_no, asked = ours.get(claim.job.pk, (None, None))
            if claim_no != claim.job.claim_no:
                if not claim.complete:
                    claim.token.fire(LeaseLost)
            elif asked is not None:
                claim.token.fire(CancelRequested)
        if told is not None:
            self._obey(*told)
        numbers = {pk: claim_no for pk, (claim_no, _) in ours.items()}
        return numbers, {(claim.job.pk, claim.job.claim_no) for claim in believed}

    def _rows(self) -> list[tuple[UUID, int, datetime | None]]:
        """
        The jobs that are ours: id, claim number, when they were asked to end. And the worker's
        own row among them, with its command and when somebody asked for the stacks, so that
        this takes no statement of its own.
        """
        jobs: Any = Job.objects.using(self.using)
        ours = jobs.filter(status=Status.RUNNING, worker_id=self.worker.pk)
        told = Worker.objects.using(self.using).filter(pk=self.worker.pk)
        columns = ("pk", "claim_no", "cancel_requested_at")
        return list(
            ours.values_list(*columns).union(
                told.values_list("pk", "command", "stacks_asked_at"), all=True
            )
        )

    def _obey(self, command: int, stacks_asked_at: datetime | None) -> None:
        changed = self._control.obey(command, stacks=stacks_asked_at is not None)
        if changed:
            Worker.objects.using(self.using).filter(pk=self.worker.pk).update(**changed)

    def _release_strays(self, ours: dict[UUID, int], believed: set[tuple[UUID, int]]) -> None:
        """
        Give back what is ours in the database and nowhere else: the answer to a claim did
        not arrive, or a lease ran out and was renewed. Seen in two rounds, so that no claim
        or record that is just under way is mistaken for one.
        """
        strays = set(ours.items()) - believed
        again = strays & self._strays
        self._strays = strays - again
        if again:
            for job in Job.objects.using(self.using).filter(pk__in=[pk for pk, _ in again]):
                if (job.pk, job.claim_no) not in again:
                    continue  # it has been taken away since, and may be another worker's
                finished = released(Claim(job, self.worker.pk, self.worker.name))
                log_released(finished)
                self._record(finished)

    def _write_progress(self) -> None:
        for pk in list(self._reported):
            claim = self._reported.pop(pk)
            progress = claim.progress
            write_progress(claim, Job.objects.using(self.using).filter(status=Status.RUNNING))
            # Only now: where the job ended meanwhile, its outcome takes it along.
            if claim.progress is progress:
                claim.progress = None
