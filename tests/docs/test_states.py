"""The statuses' transitions: the table, the picture and the code agree."""

import random
import re
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID
from xml.etree import ElementTree

import pytest

from django_jobs import Cancel, CancelRequested, GiveUp, ShuttingDown, Snooze, job
from django_jobs.claim import Claim, claim
from django_jobs.db.clock import DbNow
from django_jobs.models import Job, Status, Worker
from django_jobs.policy import Policy, decide
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.rescue import rescue
from tests.docs.blocks import DOCS, table

Transition = tuple[str, str]

LISTED: set[Transition] = {
    ((re.findall(r"`(\w+)`", row[0]) or [""])[0], row[1].strip("`"))
    for row in table(DOCS / "architecture.md", "### Transitions")
}


def test_the_picture_shows_what_the_table_lists() -> None:
    root = ElementTree.parse(DOCS / "states.svg").getroot()
    arrows = [node for node in root.iter() if "data-to" in node.keys()]  # noqa: SIM118
    assert {(arrow.get("data-from"), arrow.get("data-to")) for arrow in arrows} == LISTED
    names = {node.text for node in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {str(status) for status in Status} <= names


@pytest.mark.parametrize("seed", range(3))
def test_wandering_jobs_take_each_of_them_and_no_other(seed: int, db: None) -> None:
    wanderers = Wanderers(random.Random(seed))
    for _ in range(1000):
        wanderers.step()
    assert wanderers.seen == LISTED


@job
def wander() -> None:
    """Never called: the outcomes are made up."""


class Wanderers:
    """Some jobs, and whatever the code can do to them, in any order."""

    def __init__(self, choice: random.Random) -> None:
        self.random = choice
        self.seen: set[Transition] = set()
        self.statuses: dict[UUID, str] = {}
        self.claims: list[Claim] = []  # also those that are lost: their outcomes come late
        self.hire()

    def step(self) -> None:
        self.random.choice(self.STEPS)(self)
        now = dict(Job.objects.values_list("pk", "status"))
        for pk, status in now.items():
            if status != self.statuses.get(pk, ""):
                self.seen.add((self.statuses.get(pk, ""), status))
        self.statuses = now

    def hire(self) -> None:
        self.worker = Worker.objects.create(
            **dict.fromkeys(("hostname", "version", "queues"), "test"),
            **dict.fromkeys(("started_at", "last_heartbeat_at"), DbNow()),
            pid=1,
            threads=1,
            backend_name="default",
            lease_expires_at=DbNow() + timedelta(hours=1),
        )

    def enqueue(self) -> None:
        wander.enqueue()

    def enqueue_for_later(self) -> None:
        wander.using(run_after=timedelta(hours=1)).enqueue()

    def fall_due(self) -> None:
        Job.objects.filter(status=Status.SCHEDULED).update(run_after=DbNow())
        promote("default")

    def claim(self) -> None:
        self.claims += claim(self.worker, QueueFilter(), 2, "default")

    def finish(self) -> None:
        if self.claims:
            taken = self.claims.pop(self.random.randrange(len(self.claims)))
            taken.started = True
            error = self.random.choice(self.ENDS)
            outcome = decide(Policy(max_attempts=2), taken.job.attempts, error)
            assert outcome
            record([Finished(taken, outcome)], "default")

    def release(self) -> None:
        if self.claims:
            record([released(self.claims.pop())], "default")

    def lose_the_worker(self) -> None:
        Worker.objects.filter(pk=self.worker.pk).update(lease_expires_at=DbNow())
        rescue("default", max_crashes=3)
        self.hire()
        del self.claims[:-2]  # two late outcomes are enough

    def operate(self) -> None:
        status = self.random.choice(list(Status))  # most jobs have ended, so not any job
        some = [pk for pk, found in self.statuses.items() if found == status]
        jobs = Job.objects.filter(pk__in=self.random.sample(some, min(2, len(some))))
        self.random.choice([jobs.retry, jobs.discard, jobs.cancel])()

    ENDS = (
        *(None, None, ValueError(), ValueError(), Snooze(after=1), GiveUp(), Cancel()),
        *(CancelRequested(), ShuttingDown()),
    )
    STEPS: tuple[Callable[["Wanderers"], None], ...] = (
        *(enqueue, enqueue, enqueue_for_later, fall_due, claim, claim, release, lose_the_worker),
        *(finish, finish, finish, operate, operate, operate),
    )
