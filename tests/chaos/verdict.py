"""Compare what the jobs wrote down with what the tables say, and both with the invariants."""

import json
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection

from django_jobs.models import Job, JobAttempt, Status, Worker

from .enqueuer import Enqueuer
from .tasks import EFFECTS, PAUSE

Line = dict[str, Any]

EXPECTED = {"doomed": {Status.DEAD}, "cancelled": {Status.CANCELLED}}
# A claim whose history says one of these was taken from whoever ran it.
TAKEN = {"LOST", "RELEASED"}
# SQLite's clock has milliseconds.
CLOCK = timedelta(milliseconds=2)
LOST = re.compile(r"([0-9a-f-]{36}) lost its claim \(number (\d+)\)")


class Verdict:
    """
    :param output: all that the workers have logged.
    """

    def __init__(
        self, ledger: Path, output: str, enqueuer: Enqueuer, killed: dict[int, float]
    ) -> None:
        lines = [json.loads(line) for line in ledger.read_text().splitlines()]
        self.enqueuer = enqueuer
        self.killed = killed
        self.starts: dict[str, list[Line]] = defaultdict(list)
        self.finishes: dict[tuple[str, int], Line] = {}
        for line in lines:
            if line["event"] == "start":
                self.starts[line["key"]].append(line)
            elif line["event"] == "finish":
                self.finishes[line["key"], line["claim_no"]] = line
        self.steps = Counter((x["key"], x["step"]) for x in lines if x["event"] == "step")
        self.jobs = {job.kwargs["key"]: job for job in Job.objects.all()}
        keys = {job.pk: key for key, job in self.jobs.items()}
        self.history = {(keys[a.job_id], a.claim_no): a for a in JobAttempt.objects.all()}
        # Fenced off, a worker ends what it runs. Where nobody has taken the job meanwhile, it
        # finds that in its own name, and gives it back without a line in the history.
        self.fenced = {(keys.get(UUID(pk)), int(number)) for pk, number in LOST.findall(output)}
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT job, COUNT(*) FROM {EFFECTS} GROUP BY job")
            self.effects: dict[str, int] = dict(cursor.fetchall())

    def violations(self) -> Iterator[str]:
        yield from self._lost()
        yield from self._unexpected()
        yield from self._rows()
        yield from self._unique()
        yield from self._claims()

    def _lost(self) -> Iterator[str]:
        for key, kind in self.enqueuer.sure.items():
            job = self.jobs.get(key)
            if job is None:
                yield f"I1 lost: {key} has no row"
            elif job.status not in EXPECTED.get(kind, {Status.SUCCESSFUL}):
                yield f"I1 {key} is {job.status} after {job.attempts}: {job.last_error}"

    def _unexpected(self) -> Iterator[str]:
        known = self.enqueuer.sure.keys() | self.enqueuer.unsure.keys()
        for key in (self.starts.keys() | self.jobs.keys() | self.effects.keys()) - known:
            yield f"I2 unexpected: {key}"

    def _rows(self) -> Iterator[str]:
        for key, job in self.jobs.items():
            wanted = int(key.startswith("atomic") and job.status == Status.SUCCESSFUL)
            if self.effects.get(key, 0) != wanted:
                yield f"I3 {key} has {self.effects.get(key, 0)} effects, not {wanted}"
            if job.attempts > job.max_attempts:
                yield f"I7 {key} was tried {job.attempts} of {job.max_attempts} times"
            if job.status == Status.RUNNING:
                yield f"I8 {key} is RUNNING"
            last = (key, job.claim_no)
            if job.status == Status.SUCCESSFUL and last not in self.finishes:
                yield f"I6 {key} is SUCCESSFUL by claim {job.claim_no}, which didn't finish"
            if job.status == Status.SUCCESSFUL and last in self.history:
                outcome = self.history[last].outcome
                yield f"I6 {key}: claim {job.claim_no} was {outcome}, and wrote a success"
            before = self.enqueuer.ended.get(job.pk)
            if before not in (None, (job.status, job.claim_no, job.finished_at)):
                yield f"I12 {key} had ended: {before}"
        for (key, claim_no), attempt in self.history.items():
            if attempt.outcome == "FAILED" and attempt.delay is not None:
                low, high = PAUSE.base * (1 - PAUSE.jitter), PAUSE.base * (1 + PAUSE.jitter)
                if not low - 1e-6 <= attempt.delay <= high + 1e-6:
                    yield f"I10 {key} claim {claim_no}: a pause of {attempt.delay} s"

    def _unique(self) -> Iterator[str]:
        """By what was enqueued and when, and not by the hash."""
        slots: dict[int, list[Job]] = defaultdict(list)
        for key, job in self.jobs.items():
            if key.startswith("unique"):
                slots[job.kwargs["slot"]].append(job)
        for slot, jobs in slots.items():
            for job, later in pairwise(sorted(jobs, key=lambda job: job.enqueued_at)):
                there_at = self.enqueued_at(later)
                if job.finished_at is None or job.finished_at > there_at:
                    yield f"I9 {later.pk} was there at {there_at}, with {job.pk} in slot {slot}"
        for slot, pk, asked_at in self.enqueuer.shared:
            found = Job.objects.get(pk=pk)
            ended = found.finished_at is not None and found.finished_at + CLOCK < asked_at
            if found.kwargs["slot"] != slot or ended:
                yield f"I9 {pk} was given to an enqueue of slot {slot} at {asked_at}"

    def enqueued_at(self, job: Job) -> datetime:
        """When its row was there; if that was not answered, when it was claimed at the latest."""
        known = self.enqueuer.enqueued.get(job.kwargs["key"])
        return known or job.started_at or job.finished_at

    def _claims(self) -> Iterator[str]:
        for key, starts in self.starts.items():
            for claim_no, count in Counter(s["claim_no"] for s in starts).items():
                if count > 1:
                    yield f"I5 {key}: claim {claim_no} was started {count} times"
                if key in self.jobs and claim_no > self.jobs[key].claim_no:
                    yield f"I5 {key}: claim {claim_no} is beyond {self.jobs[key].claim_no}"
            for one in starts:
                end = self.finishes.get((key, one["claim_no"]))
                taken = self._was_taken(key, one["claim_no"])
                if end is not None and not taken and self._overlapped(starts, one, end):
                    yield f"I4 {key}: claim {one['claim_no']} ran beside another, and wasn't lost"
                job = self.jobs.get(key)
                last = job is not None and job.claim_no == one["claim_no"]
                known = taken or (key, one["claim_no"]) in self.history
                if end is None and not last and not known:
                    yield f"I13 {key}: claim {one['claim_no']} started, and nothing came of it"

    def _was_taken(self, key: str, claim_no: int) -> bool:
        row = self.history.get((key, claim_no))
        return (key, claim_no) in self.fenced or (row is not None and row.outcome in TAKEN)

    @staticmethod
    def _overlapped(starts: list[Line], one: Line, end: Line) -> bool:
        return any(one["at"] < other["at"] < end["at"] for other in starts)

    def recoveries(self) -> list[float]:
        """Seconds from each kill to the next start of each job that it hit."""
        found = []
        for key, starts in self.starts.items():
            for line in starts:
                at = self.killed.get(line["pid"])
                row = self.history.get((key, line["claim_no"]))
                if at is None or line["at"] > at or row is None or row.outcome != "LOST":
                    continue
                later = [other["at"] for other in starts if other["at"] > at]
                if later:
                    found.append(min(later) - at)
        return found

    def figures(self) -> dict[str, Any]:
        recoveries = self.recoveries()
        outcomes = Counter(attempt.outcome for attempt in self.history.values())
        live = Worker.objects.live().values("pk")
        running = Job.objects.filter(status=Status.RUNNING)
        return {
            "jobs": len(self.jobs),
            "attempts": sum(map(len, self.starts.values())),
            "history": dict(sorted(outcomes.items())),
            "lost claims": len(self.fenced),
            "unsure": len(self.enqueuer.unsure),
            "of these there": len(self.enqueuer.unsure.keys() & self.jobs.keys()),
            "rolled back": len(self.enqueuer.never),
            "shared unique jobs": len(self.enqueuer.shared),
            "steps run twice": sum(count > 1 for count in self.steps.values()),
            "RUNNING without a lease": running.exclude(worker_id__in=live).count(),
            "hit by a kill": len(recoveries),
            "recovery p50": round(statistics.median(recoveries), 2) if recoveries else None,
            "recovery max": round(max(recoveries), 2) if recoveries else None,
        }
