"""What becomes of a worker that its supervisor saw die."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from django_jobs.compat import task_backends, task_finished
from django_jobs.models import Job, Status
from django_jobs.worker.undertaker import Undertaker
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def undertaker() -> Iterator[Undertaker]:
    undertaker = Undertaker(task_backends["default"], "default")
    undertaker.start()
    yield undertaker
    end(undertaker)


def end(undertaker: Undertaker) -> None:
    undertaker.stop(by=time.monotonic() + 5)
    undertaker.join(20)
    assert not undertaker.is_alive()


def test_what_it_had_claimed_does_not_wait_for_its_lease(undertaker: Undertaker) -> None:
    dead, alive = WorkerFactory(), WorkerFactory()  # their leases are good for an hour
    job = JobFactory(running=True, worker_id=dead.pk)
    other = JobFactory(running=True, worker_id=alive.pk)
    undertaker.bury(dead.pk)
    end(undertaker)
    job.refresh_from_db()
    assert (job.status, job.attempts, job.crashes) == (Status.READY, 1, 1)
    dead.refresh_from_db()
    assert dead.stopped_at is not None
    other.refresh_from_db()
    assert other.status == Status.RUNNING


def test_a_receiver_that_exits_ends_no_undertaker(undertaker: Undertaker) -> None:
    workers = [WorkerFactory() for _ in range(2)]
    jobs = [JobFactory(running=True, max_attempts=1, worker_id=worker.pk) for worker in workers]
    heard: list[str] = []

    def receiver(task_result: Any, **kwargs: Any) -> None:
        heard.append(task_result.id)
        raise SystemExit(5)

    task_finished.connect(receiver)
    try:
        for worker in workers:
            undertaker.bury(worker.pk)
        end(undertaker)
    finally:
        task_finished.disconnect(receiver)
    assert heard == [str(job.pk) for job in jobs]
    assert Job.objects.filter(status=Status.DEAD).count() == 2
