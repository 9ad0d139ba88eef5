"""Two sessions meet at one row: one holds its transaction open, the other is watched."""

from contextlib import suppress
from datetime import timedelta
from functools import partial

import pytest
from django.db import OperationalError, connection
from django.db.models.deletion import Collector
from django.utils import timezone

from django_jobs import enqueue_many
from django_jobs.claim import Claim, claim
from django_jobs.db.clock import DbNow
from django_jobs.db.transactions import write_transaction
from django_jobs.ids import first_uuid7
from django_jobs.models import Job, JobAttempt, Status, Worker
from django_jobs.policy import SUCCEEDED
from django_jobs.promote import promote
from django_jobs.prune import prune
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record, write_outcomes
from django_jobs.rescue import rescue
from tests.factories import JobFactory, WorkerFactory
from tests.sample import tasks
from tests.support.sessions import other_session, race

pytestmark = pytest.mark.django_db(transaction=True)

ALL = QueueFilter()


@pytest.fixture
def worker() -> Worker:
    return WorkerFactory()


def claim_one(worker: Worker) -> Claim:
    tasks.add.enqueue(1, 2)
    (claimed,) = claim(worker, ALL, 1, "default")
    claimed.started = True
    return claimed


def expire(worker: Worker) -> None:
    gone = DbNow() - timedelta(minutes=1)
    Worker.objects.filter(pk=worker.pk).update(lease_expires_at=gone)


def row(claimed: Claim) -> Job:
    return Job.objects.get(pk=claimed.job.pk)


def cancel(claimed: Claim) -> int:
    return Job.objects.filter(pk=claimed.job.pk).cancel()


def succeed(claimed: Claim) -> list[Finished]:
    return record([Finished(claimed, SUCCEEDED, return_value=3)], "default")


def test_each_job_is_claimed_once() -> None:
    enqueue_many(tasks.add, [(n, n) for n in range(60)])
    workers = [WorkerFactory() for _ in range(6)]

    def drain(worker: Worker) -> list[Claim]:
        mine: list[Claim] = []
        while claims := claim(worker, ALL, 5, "default"):
            mine += claims
        return mine

    taken = race([partial(drain, worker) for worker in workers])
    ids = [claimed.job.pk for claims in taken for claimed in claims]
    assert len(ids) == len(set(ids)) == 60
    assert set(Job.objects.values_list("status", "claim_no")) == {(Status.RUNNING, 1)}


def test_record_goes_before_a_rescue_that_comes_later(worker: Worker) -> None:
    claimed = claim_one(worker)
    expire(worker)
    with other_session() as other:
        with write_transaction("default"):
            assert write_outcomes([Finished(claimed, SUCCEEDED)], "default") == []
            rescued = other.start(rescue, "default", max_crashes=3)
        assert rescued.result(30) == []
    assert row(claimed).status == Status.SUCCESSFUL
    assert not JobAttempt.objects.exists()


def test_rescue_goes_before_a_record_that_comes_later(worker: Worker) -> None:
    claimed = claim_one(worker)
    expire(worker)
    with other_session() as other:
        with write_transaction("default"):
            assert len(rescue("default", max_crashes=3)) == 1
            late = other.start(succeed, claimed)
        lost = late.result(30)
    assert [finished.claim for finished in lost] == [claimed]
    after = row(claimed)
    assert (after.status, after.return_value, after.attempts) == (Status.READY, None, 1)


def test_two_rescues_count_one_loss(worker: Worker) -> None:
    claimed = claim_one(worker)
    expire(worker)
    rescued = race([partial(rescue, "default", max_crashes=3)] * 4)
    assert sum(len(finished) for finished in rescued) == 1
    after = row(claimed)
    assert (after.status, after.crashes) == (Status.READY, 1)
    assert JobAttempt.objects.count() == 1


def test_of_jobs_that_lose_their_worker_together_none_looks_alone(worker: Worker) -> None:
    claims = []
    for _ in range(4):
        tasks.add.enqueue(1, 2)
        claims += claim(worker, ALL, 1, "default")
    expire(worker)
    rescued = race([partial(rescue, "default", max_crashes=3)] * 4)
    assert sum(len(finished) for finished in rescued) == 4
    assert {(row(each).attempts, row(each).crashes) for each in claims} == {(0, 1)}


@pytest.mark.skipif(connection.vendor == "sqlite", reason="there only one session writes at a time")
def test_a_job_whose_neighbour_is_locked_does_not_look_alone(worker: Worker) -> None:
    for _ in range(2):
        tasks.add.enqueue(1, 2)
    held, free = claim(worker, ALL, 2, "default")
    expire(worker)
    with other_session() as other, write_transaction("default"):
        list(Job.objects.select_for_update().filter(pk=held.job.pk))
        rescued = other.call(rescue, "default", max_crashes=3)
    assert [finished.job.pk for finished in rescued] == [free.job.pk]
    assert (row(free).attempts, row(free).crashes) == (0, 1)


def test_cancel_during_a_claim_reaches_the_running_job(worker: Worker) -> None:
    tasks.add.enqueue(1, 2)
    with other_session() as other:
        with write_transaction("default"):
            (claimed,) = claim(worker, ALL, 1, "default")
            cancelled = other.start(cancel, claimed)
        assert cancelled.result(30) == 1
    after = row(claimed)
    assert after.status == Status.RUNNING
    assert after.cancel_requested_at is not None


def test_claim_during_a_cancel_takes_nothing(worker: Worker) -> None:
    tasks.add.enqueue(1, 2)
    with other_session() as other:
        with write_transaction("default"):
            assert Job.objects.all().cancel() == 1
            claims = other.start(claim, worker, ALL, 1, "default")
        assert claims.result(30) == []
    assert Job.objects.get().status == Status.CANCELLED


def test_cancel_during_a_record_comes_too_late(worker: Worker) -> None:
    claimed = claim_one(worker)
    with other_session() as other:
        with write_transaction("default"):
            write_outcomes([Finished(claimed, SUCCEEDED)], "default")
            cancelled = other.start(cancel, claimed)
        assert cancelled.result(30) == 0
    assert row(claimed).status == Status.SUCCESSFUL


def test_promotion_and_claim_do_not_wait_for_each_other(worker: Worker) -> None:
    tasks.add.using(run_after=timezone.now() - timedelta(seconds=1)).enqueue(1, 2)
    with other_session() as other:
        with write_transaction("default"):
            assert promote("default") == 1
            claims = other.start(claim, worker, ALL, 1, "default")
        claims.result(30)
    assert len(claims.result() or claim(worker, ALL, 1, "default")) == 1


def test_each_due_job_is_promoted_once() -> None:
    past = timezone.now() - timedelta(seconds=1)
    enqueue_many(tasks.add.using(run_after=past), [(n, n) for n in range(40)])
    assert sum(race([partial(promote, "default")] * 4)) + promote("default") == 40
    assert set(Job.objects.values_list("status", flat=True)) == {Status.READY}


def test_two_retries_of_one_dead_job_count_one() -> None:
    tasks.add.enqueue(1, 2)
    Job.objects.update(status=Status.DEAD)
    assert sum(race([Job.objects.all().retry] * 4)) == 1
    assert sum(race([Job.objects.all().discard] * 4)) == 0, "it is no longer dead"


def test_a_dead_job_is_brought_back_or_pruned_and_never_both(monkeypatch):
    old = timezone.now() - timedelta(days=30)
    job = JobFactory(dead=True, id=first_uuid7(old), finished_at=old)
    delete = Collector.delete

    def retry():
        try:
            return Job.objects.filter(pk=job.pk).retry()
        except OperationalError:  # MariaDB calls the wait a deadlock, and rolls this one back
            return 0

    with other_session() as other:

        def late(collector):
            retried.append(other.start(retry))
            with suppress(TimeoutError):
                retried[0].result(0.5)
            return delete(collector)

        retried = []
        monkeypatch.setattr(Collector, "delete", late)
        deleted = prune(timezone.now(), "default", [Status.DEAD])
        assert deleted + retried[0].result(30) == 1
    assert Job.objects.count() == 1 - deleted
