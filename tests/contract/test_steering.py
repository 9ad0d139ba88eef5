"""What a task may raise to say what becomes of its job, and how one is interrupted."""

import pytest

from django_jobs import CancelRequested, LeaseLost, ShuttingDown
from django_jobs.compat import task_backends
from django_jobs.execute import execute
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.record import record
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row, seconds_until_due
from tests.sample import tasks

pytestmark = pytest.mark.django_db

Kind = JobAttempt.Outcome


@pytest.mark.parametrize(
    ("how", "after", "status", "kind", "attempts", "delay"),
    [
        ("retry", 90, Status.SCHEDULED, Kind.FAILED, 1, 90),
        ("retry", 0, Status.SCHEDULED, Kind.FAILED, 1, 0),
        ("snooze", 90, Status.SCHEDULED, Kind.SNOOZED, 0, 90),
        ("snooze", 0.5, Status.SCHEDULED, Kind.SNOOZED, 0, 0.5),
        ("give_up", None, Status.DEAD, Kind.FAILED, 1, None),
        ("cancel", None, Status.CANCELLED, Kind.CANCELLED, 1, None),
    ],
)
def test_each_way_to_steer(how, after, status, kind, attempts, delay):
    result = tasks.steer.enqueue(how, **({} if after is None else {"after": after}))
    run_pending(limit=1)
    job = row(result)
    assert (job.status, job.attempts, job.claim_no) == (status, attempts, 1)
    assert (job.finished_at is None) == (status == Status.SCHEDULED)
    assert "because" in job.last_error
    (attempt,) = history(result)
    assert (attempt.outcome, attempt.number, attempt.delay) == (kind, 1, delay)
    if delay:
        assert delay - 30 < seconds_until_due(result) <= delay


def test_retry_without_a_delay_takes_the_one_of_the_backoff():
    result = tasks.steer.enqueue("retry")
    run_pending()
    assert 4 <= history(result)[0].delay <= 6


def test_retry_at_the_last_attempt_is_the_end():
    result = tasks.steer.enqueue("retry", after=0)
    assert len(run_pending()) == 5
    assert row(result).status == Status.DEAD


def test_snooze_uses_up_no_attempt_however_often():
    result = tasks.steer.enqueue("snooze", after=0)
    run_pending(limit=7)
    job = row(result)
    assert (job.status, job.attempts, job.claim_no) == (Status.SCHEDULED, 0, 7)
    assert [attempt.claim_no for attempt in history(result)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("after", [1e12, 9e15, -1])
@pytest.mark.parametrize("how", ["retry", "snooze"])
def test_a_delay_that_no_calendar_holds_is_a_failed_attempt(how, after):
    result = tasks.steer.enqueue(how, after=after)
    run_pending()
    (attempt,) = history(result)
    assert (attempt.outcome, attempt.exception_class) == (Kind.FAILED, "builtins.ValueError")
    assert row(result).status == Status.SCHEDULED


def test_a_timeout_counts_as_a_failed_attempt():
    result = tasks.overrun.enqueue()
    run_pending()
    job = row(result)
    assert (job.status, job.attempts) == (Status.SCHEDULED, 1)
    assert job.last_error.startswith("TimedOut")
    assert history(result)[0].outcome == Kind.TIMED_OUT


def test_a_timeout_in_the_last_attempt_is_the_end():
    result = tasks.overrun.enqueue()
    Job.objects.update(attempts=1)
    run_pending()
    assert row(result).status == Status.DEAD


def interrupted(interrupt):
    """Run ``tasks.wait`` with the interrupt already there; the row and what was decided."""
    result = tasks.wait.enqueue(30)
    (claim,) = claim_all()
    claim.token.fire(interrupt)
    finished = execute(claim, task_backends["default"])
    if finished is not None:
        assert record([finished], "default") == []
    return result, finished


def test_a_worker_that_stops_gives_the_attempt_back():
    result, _ = interrupted(ShuttingDown)
    job = row(result)
    assert (job.status, job.attempts, job.claim_no) == (Status.READY, 0, 1)
    assert (job.worker_id, job.last_error) == (None, "")
    assert [attempt.outcome for attempt in history(result)] == [Kind.RELEASED]
    (claim,) = claim_all()
    assert (claim.job.attempts, claim.job.claim_no) == (1, 2)


def test_a_cancel_request_ends_the_job():
    result, _ = interrupted(CancelRequested)
    assert row(result).status == Status.CANCELLED
    assert [attempt.outcome for attempt in history(result)] == [Kind.CANCELLED]


def test_a_lost_lease_leaves_everything_to_the_rescue():
    result, finished = interrupted(LeaseLost)
    assert finished is None
    assert row(result).status == Status.RUNNING
    assert history(result) == []
