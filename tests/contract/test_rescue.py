"""Jobs of a worker whose lease ran out. Time is data: the lease ends seconds ago."""

from datetime import timedelta

import pytest

from django_jobs.db.clock import DbNow
from django_jobs.ids import uuid7
from django_jobs.models import JobAttempt, Status
from django_jobs.policy import RELEASED, SUCCEEDED, Kind, Next, Outcome
from django_jobs.record import Finished, record
from django_jobs.rescue import abandoned, rescue
from tests.contract.support import claim_all, history, row
from tests.factories import JobFactory, WorkerFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db


def test_a_job_of_a_lost_worker_is_ready_again_with_the_attempt_counted():
    worker = WorkerFactory(lost=True)
    job = JobFactory(running=True, worker_id=worker.pk, claim_no=3, attempts=2)
    (rescued,) = rescue("default", max_crashes=3)
    assert rescued.job.pk == job.pk
    job = row(job)
    assert (job.status, job.attempts, job.crashes, job.claim_no) == (Status.READY, 2, 1, 3)
    assert (job.worker_id, job.finished_at) == (None, None)
    assert job.last_error == "the worker was lost"
    (attempt,) = history(job)
    assert (attempt.outcome, attempt.number) == (JobAttempt.Outcome.LOST, 2)
    assert (attempt.worker_id, attempt.worker_name) == (worker.pk, worker.name)
    (claim,) = claim_all()
    assert (claim.job.attempts, claim.job.claim_no) == (3, 4)


def test_a_job_in_its_last_attempt_is_dead():
    job = JobFactory(running=True, attempts=5, worker_id=WorkerFactory(lost=True).pk)
    rescue("default", max_crashes=3)
    job = row(job)
    assert (job.status, job.attempts, job.crashes) == (Status.DEAD, 5, 1)
    assert job.finished_at is not None
    assert job.last_error == "the worker was lost; no attempts left"


def test_a_job_that_loses_three_workers_alone_is_dead_before_its_attempts_are_used_up():
    job = JobFactory()
    for crashes in range(1, 4):
        (claim,) = claim_all(worker=WorkerFactory(lost=True))
        assert (claim.job.attempts, claim.job.crashes) == (crashes, crashes - 1)
        rescue("default", max_crashes=3)
        assert row(job).crashes == crashes
    assert row(job).status == Status.DEAD
    assert row(job).last_error == (
        "the worker was lost 3 times in a row, the last time with this job alone"
    )
    assert len(history(job)) == 3


def test_jobs_that_lose_their_worker_together_get_the_attempt_back_and_are_suspects():
    worker = WorkerFactory(lost=True)
    jobs = [JobFactory(running=True, worker_id=worker.pk, attempts=n) for n in (1, 5)]
    assert len(rescue("default", max_crashes=1)) == 2
    for job, attempts in zip(jobs, (0, 4), strict=True):
        found = row(job)
        assert (found.status, found.attempts, found.crashes) == (Status.READY, attempts, 1)
        assert [attempt.outcome for attempt in history(job)] == [JobAttempt.Outcome.LOST]


def test_a_suspect_that_loses_another_worker_with_others_is_not_convicted():
    worker = WorkerFactory(lost=True)
    job = JobFactory(running=True, worker_id=worker.pk, crashes=2)
    JobFactory(running=True, worker_id=worker.pk)
    rescue("default", max_crashes=3)
    assert (row(job).status, row(job).crashes) == (Status.READY, 2)


def test_what_may_be_started_only_once_is_not_started_again():
    worker = WorkerFactory(lost=True)
    job = JobFactory(running=True, worker_id=worker.pk, attempts=1, max_attempts=1)
    other = JobFactory(running=True, worker_id=worker.pk)
    rescue("default", max_crashes=3)
    assert (row(job).status, row(job).attempts) == (Status.DEAD, 1)
    assert row(other).status == Status.READY


@pytest.mark.parametrize(
    ("outcome", "left"),
    [(SUCCEEDED, 0), (RELEASED, 2), (Outcome(Kind.FAILED, Next.SCHEDULED, delay=0), 0)],
)
def test_a_job_that_comes_through_is_no_suspect_any_more(outcome, left):
    job = JobFactory(crashes=2)
    (claim,) = claim_all()
    claim.started = True
    record([Finished(claim, outcome)], "default")
    assert row(job).crashes == left


def test_a_job_of_a_live_worker_is_left_alone():
    job = JobFactory(running=True, worker_id=WorkerFactory().pk)
    assert rescue("default", max_crashes=3) == []
    assert row(job).status == Status.RUNNING


@pytest.mark.parametrize("left", [timedelta(seconds=2), timedelta(seconds=-1)])
def test_the_clock_of_the_database_decides(left):
    worker = WorkerFactory(lease_expires_at=DbNow() + left)
    JobFactory(running=True, worker_id=worker.pk)
    assert abandoned("default").exists() == (left < timedelta(0))


def test_a_worker_that_has_stopped_or_is_unknown_owns_nothing():
    stopped = WorkerFactory(stopped_at=DbNow())
    jobs = [JobFactory(running=True, worker_id=owner) for owner in (stopped.pk, uuid7())]
    assert [len(rescue("default", max_crashes=3)) for _ in range(3)] == [1, 1, 0]
    assert {row(job).status for job in jobs} == {Status.READY}


def test_a_running_job_without_a_worker_holds_up_no_rescue():
    broken = JobFactory(running=True, attempts=1, worker_id=None)
    job = JobFactory(running=True, attempts=1, worker_id=WorkerFactory(lost=True).pk)
    assert [len(rescue("default", max_crashes=3)) for _ in range(3)] == [1, 1, 0]
    assert {row(broken).status, row(job).status} == {Status.READY}


def test_only_running_jobs_are_rescued():
    worker = WorkerFactory(lost=True)
    for status in set(Status) - {Status.RUNNING}:
        JobFactory(status=status, worker_id=worker.pk)
    assert rescue("default", max_crashes=3) == []


def test_a_second_rescue_finds_nothing_to_do():
    job = JobFactory(running=True, worker_id=WorkerFactory(lost=True).pk)
    assert len(rescue("default", max_crashes=3)) == 1
    assert rescue("default", max_crashes=3) == []
    assert row(job).crashes == 1
    assert len(history(job)) == 1


def test_one_lost_worker_after_the_other():
    for count in (3, 1):
        worker = WorkerFactory(lost=True)
        for _ in range(count):
            JobFactory(running=True, worker_id=worker.pk)
    found = [len(rescue("default", max_crashes=3)) for _ in range(3)]
    assert sorted(found, reverse=True) == [3, 1, 0]


def test_the_late_outcome_of_a_rescued_job_changes_nothing():
    result = tasks.add.enqueue(1, 2)
    (claim,) = claim_all(worker=WorkerFactory(lost=True))
    rescue("default", max_crashes=3)
    late = Finished(claim, SUCCEEDED, return_value=3)
    assert record([late], "default") == [late]
    assert row(result).status == Status.READY
    (newer,) = claim_all()
    assert record([late], "default") == [late]
    assert record([Finished(newer, SUCCEEDED, return_value=4)], "default") == []
    assert row(result).return_value == 4


def test_a_job_that_somebody_wants_cancelled_is_not_tried_again():
    job = JobFactory(
        running=True, worker_id=WorkerFactory(lost=True).pk, cancel_requested_at=DbNow()
    )
    rescue("default", max_crashes=3)
    job = row(job)
    assert job.status == Status.CANCELLED
    assert job.finished_at is not None
