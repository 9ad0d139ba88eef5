"""The verbs of an operator: retry, discard and cancel of a QuerySet."""

import pytest

from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow
from django_jobs.execute import execute
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.record import record
from django_jobs.release import released
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, queries, row, seconds_until_due
from tests.factories import JobAttemptFactory, JobFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db


@pytest.fixture
def one_of_each():
    """A job of each status, by it."""
    return {
        status: JobFactory(status=status, queue_name=status.lower(), last_error="before")
        for status in Status
    }


def statuses(jobs):
    return {before: row(job).status for before, job in jobs.items()}


@pytest.mark.parametrize(
    ("verb", "changes"),
    [
        ("retry", {Status.DEAD: Status.READY}),
        ("discard", {Status.DEAD: Status.DISCARDED}),
        (
            "cancel",
            {
                Status.SCHEDULED: Status.CANCELLED,
                Status.READY: Status.CANCELLED,
                Status.RUNNING: Status.RUNNING,  # it is asked to
            },
        ),
    ],
)
def test_a_verb_changes_what_it_may_in_one_statement_and_counts(verb, changes, one_of_each):
    made = queries(lambda: one_of_each.update(count=getattr(Job.objects.all(), verb)()))
    made = [sql for sql in made if "pg_notify" not in sql]  # see test_wakeup.py
    writes = [sql for sql in made if sql.startswith("UPDATE")]
    assert len(writes) == 1, made
    # A retry looks for unique jobs; see test_unique.py.
    assert len(made) == 1 + (verb == "retry"), made
    assert one_of_each.pop("count") == len(changes)
    assert statuses(one_of_each) == {status: changes.get(status, status) for status in Status}


@pytest.mark.parametrize("verb", ["retry", "discard", "cancel"])
def test_a_verb_keeps_to_its_query_set(verb, one_of_each):
    assert getattr(Job.objects.filter(queue_name="successful"), verb)() == 0
    assert getattr(Job.objects.none(), verb)() == 0
    assert statuses(one_of_each) == {status: status for status in Status}


class TestRetry:
    def test_a_dead_job_gets_a_full_set_of_attempts_and_keeps_its_history(self):
        job = JobFactory(
            **{"dead": True, "crashes": 2, "interruptions": 9},
            **{"task_path": tasks.fail.module_path, "args": [], "max_attempts": 2},
        )
        JobAttemptFactory(job=job, claim_no=5, number=2)
        assert Job.objects.retry() == 1
        again = row(job)
        assert (again.status, again.attempts, again.crashes) == (Status.READY, 0, 0)
        assert (again.finished_at, again.worker_id) == (None, None)
        assert (again.claim_no, again.interruptions) == (5, 0)
        assert -60 < seconds_until_due(job) <= 0
        for _ in range(2):
            run_pending()
            Job.objects.update(run_after=DbNow())
        again = row(job)
        assert (again.status, again.attempts, again.claim_no) == (Status.DEAD, 2, 7)
        assert [a.claim_no for a in history(job)] == [5, 6, 7]
        assert [a.number for a in history(job)] == [2, 1, 2]

    def test_it_runs_once_more_and_may_succeed(self):
        job = JobFactory(dead=True)
        Job.objects.retry()
        run_pending()
        assert (row(job).status, row(job).return_value) == (Status.SUCCESSFUL, 3)


def test_a_discarded_job_stays_and_is_not_retried():
    job = JobFactory(dead=True)
    assert Job.objects.discard() == 1
    assert Job.objects.retry() == 0
    assert row(job).finished_at is not None


class TestCancel:
    @pytest.mark.parametrize("status", [Status.READY, Status.SCHEDULED])
    def test_a_waiting_job_ends_at_once(self, status):
        job = JobFactory(status=status, unique_hash="abc")
        assert Job.objects.cancel() == 1
        job = row(job)
        assert job.status == Status.CANCELLED
        assert None not in (job.finished_at, job.cancel_requested_at)
        assert job.unique_hash is None
        assert run_pending() == []

    def test_a_running_job_is_asked_once(self):
        job = JobFactory(running=True, unique_hash="abc")
        assert Job.objects.cancel() == 1
        assert Job.objects.cancel() == 0
        job = row(job)
        assert (job.status, job.finished_at, job.unique_hash) == (Status.RUNNING, None, "abc")
        assert job.cancel_requested_at is not None

    def ended(self, task, *args):
        """Run a job of ``task`` that somebody cancels meanwhile, without its noticing."""
        result = task.enqueue(*args)
        (claim,) = claim_all()
        assert Job.objects.cancel() == 1
        assert record([execute(claim, task_backends["default"])], "default") == []
        return row(result)

    def test_one_that_fails_is_not_tried_again(self):
        job = self.ended(tasks.fail)
        assert (job.status, job.attempts) == (Status.CANCELLED, 1)
        assert job.finished_at is not None
        assert [a.outcome for a in history(job)] == [JobAttempt.Outcome.FAILED]
        assert run_pending() == []

    def test_one_that_succeeds_has_succeeded(self):
        assert self.ended(tasks.add, 1, 2).status == Status.SUCCESSFUL

    def test_one_that_dies_is_dead(self):
        assert self.ended(tasks.unwanted).status == Status.DEAD

    @pytest.mark.parametrize("started", [True, False])
    def test_one_that_is_given_back_is_cancelled(self, started):
        result = tasks.add.enqueue(1, 2)
        (claim,) = claim_all()
        claim.started = started
        Job.objects.cancel()
        record([released(claim)], "default")
        assert row(result).status == Status.CANCELLED

    def test_a_retried_job_is_no_longer_to_be_cancelled(self):
        job = JobFactory(dead=True, cancel_requested_at=DbNow())
        Job.objects.retry()
        assert row(job).cancel_requested_at is None
