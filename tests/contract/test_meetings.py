"""
Each pair of writers that can meet at one job: the first holds its transaction open, the second
waits for it or leaves the row alone, and what is left is right.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from django.db import connection
from django.utils import timezone

from django_jobs.claim import Claim, claim
from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow
from django_jobs.db.transactions import write_transaction
from django_jobs.exceptions import LeaseLost
from django_jobs.execute import Attempt, execute
from django_jobs.ids import first_uuid7
from django_jobs.models import Job, JobAttempt, JobStep, Queue, Status, Worker
from django_jobs.policy import SUCCEEDED, Kind, Next, Outcome
from django_jobs.promote import promote
from django_jobs.prune import prune
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.rescue import rescue
from django_jobs.steps import Steps
from tests.contract.support import claim_all, row
from tests.factories import JobFactory, WorkerFactory
from tests.sample import atomics, tasks
from tests.support.sessions import TIMEOUT, other_session

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
U = TypeVar("U")

FAILED = Outcome(Kind.FAILED, Next.SCHEDULED, delay=5.0)
DIED = Outcome(Kind.FAILED, Next.DEAD)


def meet(
    first: Callable[[], T], second: Callable[[], U], *, skips: bool | None = False
) -> tuple[T, U]:
    """
    ``first()``, and ``second()`` in another session before the first has committed.

    :param skips: the second leaves the row alone and is done before that, although SQLite's
        writers always wait for each other; None where that is the database's affair.
    """
    with other_session() as other:
        with write_transaction("default"):
            done = first()
            met = other.start(second)
            if skips and connection.features.has_select_for_update_skip_locked:
                met.result(TIMEOUT)
            elif skips is not None:
                with pytest.raises(TimeoutError):
                    met.result(0.1)
        return done, met.result(TIMEOUT)


def running(task: Any = tasks.add, *args: Any, lost: bool = False) -> Claim:
    task.enqueue(*(args or (1, 2)))
    (claimed,) = claim_all(worker=WorkerFactory(lost=lost))
    return claimed


def ended(claimed: Claim, outcome: Outcome) -> list[Finished]:
    return record([Finished(claimed, outcome)], "default")


def give_back(claimed: Claim) -> list[Finished]:
    return record([released(claimed)], "default")


def rescue_all() -> list[Finished]:
    return rescue("default", max_crashes=3)


def cancel() -> int:
    return Job.objects.all().cancel()


def retry() -> int:
    return Job.objects.all().retry()


def discard() -> int:
    return Job.objects.all().discard()


def status() -> str:
    return Job.objects.get().status


class TestRecordAndCancel:
    @pytest.mark.parametrize(
        ("outcome", "then"),
        [(SUCCEEDED, Status.SUCCESSFUL), (FAILED, Status.CANCELLED), (DIED, Status.DEAD)],
        ids=["succeeded", "failed", "died"],
    )
    def test_an_outcome_after_a_cancel_knows_of_it(self, outcome: Outcome, then: str) -> None:
        claimed = running()
        assert meet(cancel, partial(ended, claimed, outcome)) == (1, [])
        assert status() == then

    def test_a_cancel_after_a_failure_withdraws_the_retry(self) -> None:
        claimed = running()
        assert meet(partial(ended, claimed, FAILED), cancel) == ([], 1)
        assert status() == Status.CANCELLED
        assert JobAttempt.objects.get().outcome == Kind.FAILED


class TestOperators:
    def test_a_late_outcome_does_not_undo_a_retry(self) -> None:
        """The answer to its commit was lost, so it is written a second time."""
        claimed = running()
        ended(claimed, DIED)
        assert meet(retry, partial(ended, claimed, DIED), skips=None) == (1, [])
        assert (status(), row(claimed.job).attempts) == (Status.READY, 0)
        assert JobAttempt.objects.count() == 1

    def test_a_retry_during_the_last_outcome_brings_it_back_or_not_at_all(self) -> None:
        claimed = running()
        _, retried = meet(partial(ended, claimed, DIED), retry, skips=None)
        # PostgreSQL looks at what was committed: there it isn't dead yet.
        assert status() == (Status.READY if retried else Status.DEAD)

    def test_a_retry_during_a_discard_comes_too_late(self) -> None:
        JobFactory(dead=True)
        assert meet(discard, retry) == (1, 0)
        assert status() == Status.DISCARDED

    def test_a_discard_during_a_retry_comes_too_late(self) -> None:
        JobFactory(dead=True)
        assert meet(retry, discard) == (1, 0)
        assert status() == Status.READY

    def test_what_is_being_retried_is_not_pruned(self) -> None:
        old = timezone.now() - timedelta(days=30)
        JobFactory(dead=True, id=first_uuid7(old), finished_at=old)
        pruned = partial(prune, timezone.now(), "default", [Status.DEAD])
        assert meet(retry, pruned, skips=True) == (1, 0)
        assert status() == Status.READY


class TestPromotion:
    @pytest.fixture(autouse=True)
    def due(self) -> Job:
        return JobFactory(status=Status.SCHEDULED, run_after=DbNow() - timedelta(seconds=1))

    def test_two_promote_it_once(self) -> None:
        assert meet(partial(promote, "default"), partial(promote, "default"), skips=True) == (1, 0)
        assert status() == Status.READY

    def test_a_cancel_during_it_withdraws_the_ready_job(self) -> None:
        assert meet(partial(promote, "default"), cancel) == (1, 1)
        assert status() == Status.CANCELLED

    def test_what_is_being_cancelled_is_not_promoted(self) -> None:
        assert meet(cancel, partial(promote, "default"), skips=True) == (1, 0)
        assert status() == Status.CANCELLED


def test_two_claims_never_take_the_same_and_do_not_wait() -> None:
    jobs = [JobFactory(), JobFactory()]
    take = [partial(claim, WorkerFactory(), QueueFilter(), 1, "default") for _ in range(2)]
    (first,), second = meet(*take, skips=True)
    assert first.job.pk == jobs[0].pk
    assert [claimed.job.pk for claimed in second] == [jobs[1].pk]


class TestRescue:
    def test_two_rescue_it_once(self) -> None:
        claimed = running(lost=True)
        (_,), second = meet(rescue_all, rescue_all, skips=True)
        assert second == []
        assert (status(), row(claimed.job).crashes) == (Status.READY, 1)

    def test_what_is_being_given_back_is_not_rescued(self) -> None:
        claimed = running(lost=True)
        assert meet(partial(give_back, claimed), rescue_all, skips=True) == ([], [])
        after = row(claimed.job)
        assert (after.status, after.attempts, after.crashes) == (Status.READY, 0, 0)

    def test_what_is_being_rescued_is_not_given_back(self) -> None:
        claimed = running(lost=True)
        (_,), (lost,) = meet(rescue_all, partial(give_back, claimed))
        assert lost.claim is claimed
        after = row(claimed.job)
        assert (after.status, after.attempts, after.crashes) == (Status.READY, 1, 1)

    def test_a_lease_that_is_renewed_before_the_lock_counts(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        claimed = running(lost=True)
        with other_session() as other:

            def late(using: str) -> AbstractContextManager[None]:
                assert other.call(renew, claimed) == 1
                return write_transaction(using)

            monkeypatch.setattr("django_jobs.rescue.write_transaction", late)
            assert rescue("default", max_crashes=3) == []
        assert ended(claimed, SUCCEEDED) == []

    def test_a_lease_that_is_renewed_after_the_lock_comes_too_late(self) -> None:
        claimed = running(lost=True)
        (_,), renewed = meet(rescue_all, partial(renew, claimed))
        assert renewed == 1
        assert [finished.claim for finished in ended(claimed, SUCCEEDED)] == [claimed]
        assert status() == Status.READY


def renew(claimed: Claim) -> int:
    until = DbNow() + timedelta(minutes=1)
    return Worker.objects.filter(pk=claimed.worker_id).update(lease_expires_at=until)


class TestRescueOfWhatTheTaskRecords:
    def test_what_is_complete_is_not_rescued(self) -> None:
        claimed = running(lost=True)
        complete = partial(Attempt(claimed, task_backends["default"], None).complete, 3)
        assert meet(complete, rescue_all, skips=True) == (None, [])
        assert (status(), row(claimed.job).return_value) == (Status.SUCCESSFUL, 3)

    def test_what_is_rescued_does_not_complete(self) -> None:
        claimed = running(atomics.write, "one", lost=True)
        (_,), finished = meet(rescue_all, partial(execute, claimed, task_backends["default"]))
        assert finished is None
        assert status() == Status.READY
        assert not Queue.objects.exists(), "its effect is rolled back"

    def test_what_stores_a_step_is_not_rescued_meanwhile(self) -> None:
        claimed = running(lost=True)
        done, rescued = meet(partial(step, claimed), rescue_all, skips=True)
        assert done == "done"
        assert status() == (Status.READY if rescued else Status.RUNNING)  # SQLite's comes after
        assert JobStep.objects.count() == 1

    def test_what_is_rescued_stores_no_step(self) -> None:
        claimed = running(lost=True)

        def late() -> None:
            with pytest.raises(LeaseLost):
                step(claimed)

        meet(rescue_all, late)
        assert status() == Status.READY
        assert not JobStep.objects.exists()


def step(claimed: Claim) -> Any:
    options = task_backends["default"].jobs_options
    return Steps(claimed, options, "default").run("step", "", lambda: "done")
