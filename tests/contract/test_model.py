"""
A row's life against a model: whatever is done to jobs, in any order, leaves the rows that a
page of plain Python says it does. The engine's own functions, the real tables; time is data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from django_jobs import Backoff, LeaseLost, job
from django_jobs.claim import Claim, claim
from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow
from django_jobs.failure import Failure
from django_jobs.models import Job, JobAttempt, JobStep, Status, Worker
from django_jobs.models.job import FINISHED, WAITING
from django_jobs.policy import Policy, decide
from django_jobs.promote import promote
from django_jobs.prune import prune
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.rescue import rescue
from django_jobs.steps import Steps
from tests.factories import WorkerFactory
from tests.support.model import ENDS, GIVEN_BACK, HOUR, LEGAL, PRUNED, End, Modelled

pytestmark = pytest.mark.django_db

# Nothing falls due by itself while an example runs.
POLICY: Final = Policy(backoff=Backoff(base=3600, maximum=36000), give_up_on=(KeyError,))


@job(max_attempts=1)
def once() -> None:
    """Never called: the outcomes are made up."""


@job(max_attempts=3)
def thrice() -> None:
    """The same."""


@job(max_attempts=3, unique=True)
def thrice_unique() -> None:
    """The same."""


class Machine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.jobs: dict[UUID, Modelled] = {}
        self.claims: list[Claim] = []  # also those that are over: their outcomes come late
        self.given_back: set[Claim] = set()  # before they started
        self.workers = [WorkerFactory(), WorkerFactory()]
        self.live = [True, True]
        self.before: dict[UUID, tuple[Any, ...]] = {}
        self.person = False

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    # What is chosen by number, so that a failing example shrinks to small ones; a rule is only
    # on offer where it can change something, and it may still choose a job that it can't.

    NUMBERS = st.integers(0, 4)
    has_claims = precondition(lambda self: self.claims)

    @staticmethod
    def while_some(*statuses: str) -> Any:
        return precondition(lambda self: {*statuses} & {j.status for j in self.jobs.values()})

    def one(self, n: int, *statuses: str) -> tuple[UUID, Modelled]:
        """A job, more likely one that is in ``statuses``."""
        order = sorted(self.jobs, key=lambda pk: (self.jobs[pk].status not in statuses, pk))
        pk = order[n % len(order)]
        return pk, self.jobs[pk]

    @initialize()
    def begin(self) -> None:
        for task in (thrice, thrice, once):
            self.enqueue(task, later=False, first=False)

    @rule(
        task=st.sampled_from([once, thrice, thrice, thrice_unique, thrice_unique]),
        **{"later": st.booleans(), "first": st.booleans()},
    )
    def enqueue(self, task: Any, later: bool, first: bool) -> None:
        unique = "unique" in task.name
        holder = self.holder() if unique else None
        task = task.using(priority=int(first))
        result = (task.using(run_after=timezone.now() + HOUR) if later else task).enqueue()
        if holder is not None:
            assert UUID(result.id) == holder
            return
        status = "SCHEDULED" if later else "READY"
        assert UUID(result.id) not in self.jobs
        most = 3 if "thrice" in task.name else 1
        self.jobs[UUID(result.id)] = Modelled(most, status, unique)

    def holder(self) -> UUID | None:
        """The unique job that has not ended."""
        live = [pk for pk, job in self.jobs.items() if job.unique and job.status not in FINISHED]
        assert len(live) <= 1
        return live[0] if live else None

    @while_some("SCHEDULED")
    @rule()
    def an_hour_passes(self) -> None:
        Job.objects.filter(status=Status.SCHEDULED).update(run_after=DbNow())
        for modelled in self.jobs.values():
            modelled.due = modelled.status == "SCHEDULED"

    @precondition(lambda self: any(job.due for job in self.jobs.values()))
    @rule()
    def promote(self) -> None:
        due = [modelled for modelled in self.jobs.values() if modelled.due]
        assert promote("default") == len(due)
        for modelled in due:
            modelled.status, modelled.due = "READY", False

    @while_some("READY")
    @rule(who=st.integers(0, 1), slots=st.integers(1, 3), ahead=st.integers(0, 2))
    def claim(self, who: int, slots: int, ahead: int) -> None:
        ready = [pk for pk, modelled in self.jobs.items() if modelled.status == "READY"]
        order = Job.objects.filter(pk__in=ready).values_list("priority", "run_after", "pk")
        queue = [pk for _, _, pk in sorted(order, key=lambda o: (-o[0], *o[1:]))]
        spare = [pk for pk in queue[slots : slots + ahead] if not self.in_last_attempt(pk)]
        claims = claim(self.workers[who], QueueFilter(), slots, "default", ahead)
        assert [claimed.job.pk for claimed in claims] == queue[:slots] + spare
        for claimed in claims:
            modelled = self.jobs[claimed.job.pk]
            modelled.status, modelled.owner = "RUNNING", self.workers[who].pk
            modelled.attempts += 1
            modelled.claim_no += 1
            assert claimed.job.claim_no == modelled.claim_no
            assert claimed.job.attempts == modelled.attempts <= modelled.max_attempts
        self.claims = [*reversed(claims), *self.claims][:5]

    def in_last_attempt(self, pk: UUID) -> bool:
        return self.jobs[pk].attempts + 1 >= self.jobs[pk].max_attempts

    @has_claims
    @rule(endings=st.dictionaries(NUMBERS, st.sampled_from([*ENDS]), min_size=1, max_size=3))
    def finish(self, endings: dict[int, str]) -> None:
        """Record a batch, of claims that are good, late, or recorded already."""
        which = {n % len(self.claims): ENDS[name] for n, name in endings.items()}
        batch, lost = [], []
        for n, how in which.items():
            claimed = self.claims[n]
            if claimed in self.given_back:
                how = GIVEN_BACK
            claimed.started = claimed not in self.given_back
            policy = replace(POLICY, max_attempts=claimed.job.max_attempts)
            outcome = decide(policy, claimed.job.attempts, how.raised)
            assert outcome is not None
            failure = None if how.raised is None else Failure.of(how.raised)
            batch.append(Finished(claimed, outcome, failure=failure))
            if self.ends(claimed, how):
                lost.append(batch[-1])
        assert record(batch, "default") == lost

    def ends(self, claimed: Claim, how: End) -> bool:
        """Apply to the model; whether the claim is lost."""
        modelled = self.jobs.get(claimed.job.pk)
        if modelled is None:
            return True
        if not modelled.owned_by(claimed.job.claim_no):
            return not modelled.looks_written(claimed.job.claim_no, how)
        modelled.end(how, claimed.job.attempts, started=claimed.started)
        return False

    @has_claims
    @rule(n=NUMBERS)
    def give_back(self, n: int) -> None:
        """One that has not started."""
        claimed = self.claims[n % len(self.claims)]
        if not claimed.started:
            self.given_back.add(claimed)
            lost = self.ends(claimed, GIVEN_BACK)
            assert len(record([released(claimed)], "default")) == lost

    @has_claims
    @rule(n=NUMBERS, name=st.sampled_from(["charge", "ship"]))
    def step(self, n: int, name: str) -> None:
        claimed = self.claims[n % len(self.claims)]
        modelled = self.jobs.get(claimed.job.pk)
        number = claimed.job.claim_no
        steps = Steps(claimed, task_backends["default"].jobs_options, "default")
        run: Callable[[], Any] = lambda: steps.run(name, "", lambda: number)  # noqa: E731
        if modelled is not None and name in modelled.steps:
            assert run() == modelled.steps[name]
        elif modelled is not None and modelled.owned_by(number):
            assert run() == number
            modelled.steps[name] = number
        else:
            with pytest.raises(LeaseLost):
                run()

    @rule(who=st.integers(0, 1))
    def lease_ends(self, who: int) -> None:
        Worker.objects.filter(pk=self.workers[who].pk).update(lease_expires_at=DbNow())
        self.live[who] = False

    @rule(who=st.integers(0, 1))
    def lease_is_renewed(self, who: int) -> None:
        """Or begins anew, where the row was pruned."""
        worker = self.workers[who]
        worker.lease_expires_at = DbNow() + HOUR
        Worker.objects.filter(pk=worker.pk).delete()
        worker.save(force_insert=True)
        self.live[who] = True

    @while_some("RUNNING")
    @rule()
    def rescue(self) -> None:
        """Of one lost worker, and of all of its jobs."""
        live = [worker.pk for worker, live in zip(self.workers, self.live, strict=True) if live]
        left = {
            pk
            for pk, modelled in self.jobs.items()
            if modelled.status == "RUNNING" and modelled.owner not in live
        }
        known = set(Worker.objects.values_list("pk", flat=True))
        taken = {finished.job.pk for finished in rescue("default", max_crashes=3)}
        assert bool(taken) == bool(left)
        owners = {self.jobs[pk].owner for pk in taken}
        assert taken == {pk for pk in left if self.jobs[pk].owner in owners}
        assert len(owners) <= 1
        for pk in taken:
            self.jobs[pk].lose_worker(alone=len(taken) == 1 and owners <= known)

    @while_some("SCHEDULED", "READY", "RUNNING")
    @rule(n=NUMBERS)
    def cancel(self, n: int) -> None:
        pk, modelled = self.one(n, "SCHEDULED", "READY", "RUNNING")
        waits = modelled.status in WAITING
        expected = waits or (modelled.status == "RUNNING" and not modelled.asked)
        assert Job.objects.filter(pk=pk).cancel() == expected
        if expected:
            modelled.asked = True
        if waits:
            modelled.status, modelled.due = "CANCELLED", False

    @while_some("DEAD")
    @rule(n=NUMBERS)
    def retry(self, n: int) -> None:
        pk, modelled = self.one(n, "DEAD")
        held = modelled.unique and self.holder() is not None
        expected = modelled.status == "DEAD" and not held
        assert Job.objects.filter(pk=pk).retry() == expected
        if expected:
            modelled.status, modelled.owner, modelled.asked = "READY", None, False
            modelled.attempts = modelled.crashes = 0
        self.person = True

    @while_some("DEAD")
    @rule(n=NUMBERS)
    def discard(self, n: int) -> None:
        pk, modelled = self.one(n, "DEAD")
        assert Job.objects.filter(pk=pk).discard() == (modelled.status == "DEAD")
        if modelled.status == "DEAD":
            modelled.status = "DISCARDED"
        self.person = True

    @while_some(*PRUNED)
    @rule()
    def prune(self) -> None:
        gone = [pk for pk, modelled in self.jobs.items() if modelled.status in PRUNED]
        assert prune(timezone.now() + timedelta(seconds=5), "default") == len(gone)
        for pk in gone:
            del self.jobs[pk]
        self.person = True

    @invariant()
    def rows_are_as_modelled(self) -> None:
        now = rows()
        assert now == {pk: modelled.row() for pk, modelled in self.jobs.items()}
        attempts = JobAttempt.objects.values_list("job_id", "claim_no", "number", "outcome")
        assert {(pk, no): (number, kind) for pk, no, number, kind in attempts} == {
            (pk, no): entry for pk, job in self.jobs.items() for no, entry in job.history.items()
        }
        steps = JobStep.objects.values_list("job_id", "name", "claim_no")
        assert {(pk, name): no for pk, name, no in steps} == {
            (pk, name): no for pk, job in self.jobs.items() for name, no in job.steps.items()
        }
        self.check_promises(now)

    def check_promises(self, now: dict[UUID, tuple[Any, ...]]) -> None:
        """Said once more without the model, which may be as wrong as the code."""
        for pk, (status, attempts, max_attempts, claim_no, *_) in now.items():
            assert 0 <= attempts <= max_attempts
            was, _, _, old_no, *_ = self.before.get(pk, (None, 0, 0, 0))
            assert claim_no == old_no + (status == "RUNNING" != was), "it grows with each claim"
            if was not in (None, status) and not self.person:
                assert status in LEGAL.get(was, ())
        assert self.person or self.before.keys() <= now.keys(), "nothing is lost"
        self.before, self.person = now, False


def rows() -> dict[UUID, tuple[Any, ...]]:
    """Of each job what the model knows."""
    found = Job.objects.values_list(
        *("pk", "status", "attempts", "max_attempts", "claim_no", "crashes", "worker_id"),
        *("cancel_requested_at", "finished_at", "started_at", "unique_hash"),
    )
    return {pk: (*r[:-4], *(value is not None for value in r[-4:])) for pk, *r in found}


def test_a_jobs_row_lives_as_the_model_says() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40,
            stateful_step_count=50,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
