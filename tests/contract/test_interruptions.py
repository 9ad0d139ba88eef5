"""A job that every stop cuts short: given back for a while, then at the cost of its attempts."""

import pytest

from django_jobs import ShuttingDown
from django_jobs.compat import task_backends
from django_jobs.execute import execute
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.policy import (
    CANCELLED,
    RELEASED,
    SUCCEEDED,
    Kind,
    Next,
    Outcome,
    after_interruption,
)
from django_jobs.record import Finished, record
from django_jobs.release import cut_short, released
from tests.contract.support import claim_all, history, row
from tests.factories import JobFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db

COUNTED = after_interruption(1, 5, interruptions=6, max_interruptions=6)


@pytest.fixture(autouse=True)
def two_are_too_many(settings):
    backend = settings.TASKS["default"]
    settings.TASKS = {"default": {**backend, "OPTIONS": {"MAX_INTERRUPTIONS": 2}}}


def asked_to_end(claim):
    claim.token.fire(ShuttingDown)
    return execute(claim, task_backends["default"])


def left_at_the_deadline(claim):
    return cut_short(claim, task_backends["default"].jobs_options.max_interruptions)


def stop(how, job):
    """Interrupt ``job``; returns its row."""
    (claim,) = claim_all()
    assert record([how(claim)], "default") == []
    return row(job)


def long_job(**params):
    return JobFactory(task_path=tasks.wait.module_path, args=[30], **params)


@pytest.mark.parametrize("how", [asked_to_end, left_at_the_deadline])
def test_from_the_limit_on_each_interruption_costs_an_attempt(how):
    job = long_job(max_attempts=2)
    seen = [stop(how, job) for _ in range(3)]
    assert [(each.status, each.attempts, each.interruptions) for each in seen] == [
        (Status.READY, 0, 1),
        (Status.READY, 1, 2),
        (Status.DEAD, 2, 3),
    ]
    assert [each.last_error for each in seen] == [
        "",
        "interrupted 2 times in a row",
        "interrupted 3 times in a row",
    ]
    assert [each.worker_id is None for each in seen] == [True, True, False]
    assert {each.run_after for each in seen} == {row(job).run_after}, "it is due as before"
    assert seen[-1].finished_at is not None
    kinds = JobAttempt.Outcome
    assert [(each.outcome, each.message) for each in history(job)] == [
        (kinds.RELEASED, ""),
        (kinds.FAILED, "interrupted 2 times in a row"),
        (kinds.FAILED, "interrupted 3 times in a row"),
    ]


@pytest.mark.parametrize("how", [asked_to_end, left_at_the_deadline])
def test_one_that_is_to_be_cancelled_is_not_tried_again(how):
    job = long_job(interruptions=7)
    (claim,) = claim_all()
    Job.objects.cancel()
    assert record([how(claim)], "default") == []
    assert (row(job).status, row(job).attempts) == (Status.CANCELLED, 1)


def test_what_has_not_started_is_given_back_however_often_it_was_interrupted():
    job = long_job(interruptions=7)
    for give_back in (left_at_the_deadline, released):
        (claim,) = claim_all()
        claim.started = False
        assert record([give_back(claim)], "default") == []
        assert (row(job).status, row(job).attempts) == (Status.READY, 0)
        assert row(job).interruptions == 7
    assert history(job) == []


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (SUCCEEDED, 0),
        (CANCELLED, 0),
        (Outcome(Kind.FAILED, Next.SCHEDULED, delay=1), 0),
        (Outcome(Kind.FAILED, Next.DEAD), 0),
        (Outcome(Kind.TIMED_OUT, Next.SCHEDULED, delay=1), 0),
        (Outcome(Kind.SNOOZED, Next.SCHEDULED, delay=1, refund=True), 0),
        (Outcome(Kind.LOST, Next.READY), 5),
        (RELEASED, 6),
        (COUNTED, 6),
    ],
    ids=lambda value: f"{value.kind}-{value.next}" if isinstance(value, Outcome) else str(value),
)
def test_only_interruptions_in_a_row_are_counted(outcome, left):
    job = JobFactory(interruptions=5)
    (claim,) = claim_all()
    record([Finished(claim, outcome)], "default")
    assert row(job).interruptions == left


@pytest.mark.parametrize("outcome", [RELEASED, COUNTED])
def test_an_interruption_clears_no_suspect(outcome):
    job = JobFactory(crashes=2)
    (claim,) = claim_all()
    record([Finished(claim, outcome)], "default")
    assert row(job).crashes == 2


def test_each_row_of_a_batch_has_its_own_count():
    jobs = [JobFactory(interruptions=n) for n in range(4)]
    outcomes = {jobs[0].pk: RELEASED, jobs[1].pk: SUCCEEDED, jobs[2].pk: COUNTED, jobs[3].pk: None}
    batch = []
    for claim in claim_all():
        claim.started = outcomes[claim.job.pk] is not None
        batch.append(Finished(claim, outcomes[claim.job.pk] or RELEASED))
    assert record(batch, "default") == []
    assert [row(job).interruptions for job in jobs] == [1, 0, 3, 3]
