"""Rows for the tests: what isn't said is ordinary."""

from datetime import timedelta

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from django_jobs.db.clock import DbNow
from django_jobs.ids import uuid7
from django_jobs.models import Job, JobAttempt, Queue, Status, Worker
from tests.sample import tasks  # noqa: F401 (so that the jobs' task is known)

_now = factory.LazyFunction(timezone.now)


class QueueFactory(DjangoModelFactory):
    class Meta:
        model = Queue

    class Params:
        paused = factory.Trait(paused_at=_now)

    name = factory.Sequence(lambda n: f"queue-{n}")


class WorkerFactory(DjangoModelFactory):
    """A worker whose lease is good for an hour, or with ``lost=True`` ran out just now."""

    class Meta:
        model = Worker

    class Params:
        lost = factory.Trait(
            lease_expires_at=factory.LazyFunction(lambda: DbNow() - timedelta(seconds=3))
        )

    hostname = "host"
    pid = factory.Sequence(lambda n: n + 1)
    version = "0"
    backend_name = "default"
    queues = "all"
    threads = 4
    started_at = factory.LazyFunction(DbNow)
    last_heartbeat_at = factory.LazyFunction(DbNow)
    lease_expires_at = factory.LazyFunction(lambda: DbNow() + timedelta(hours=1))


class JobFactory(DjangoModelFactory):
    """A ready job. ``run_after`` is left to the model: now, by the database's clock."""

    class Meta:
        model = Job

    class Params:
        scheduled = factory.Trait(
            status=Status.SCHEDULED,
            run_after=factory.LazyFunction(lambda: DbNow() + timedelta(hours=1)),
        )
        running = factory.Trait(
            status=Status.RUNNING,
            attempts=1,
            claim_no=1,
            worker_id=factory.LazyFunction(uuid7),
            started_at=_now,
            last_attempted_at=_now,
        )
        successful = factory.Trait(
            status=Status.SUCCESSFUL, attempts=1, claim_no=1, finished_at=_now
        )
        dead = factory.Trait(
            status=Status.DEAD,
            attempts=5,
            claim_no=5,
            started_at=_now,
            last_attempted_at=_now,
            finished_at=_now,
            last_error="ValueError: no luck",
        )
        cancelled = factory.Trait(status=Status.CANCELLED, finished_at=_now)
        discarded = factory.Trait(status=Status.DISCARDED, finished_at=_now)

    task_path = "tests.sample.tasks.add"
    queue_name = "default"
    backend_name = "default"
    args = factory.LazyFunction(lambda: [1, 2])
    kwargs = factory.LazyFunction(dict)
    max_attempts = 5
    enqueued_at = _now


class JobAttemptFactory(DjangoModelFactory):
    """The failed first attempt of a job."""

    class Meta:
        model = JobAttempt

    job = factory.SubFactory(JobFactory)
    claim_no = 1
    number = 1
    worker_id = factory.LazyFunction(uuid7)
    worker_name = "host:1"
    started_at = _now
    finished_at = _now
    outcome = JobAttempt.Outcome.FAILED
    exception_class = "builtins.ValueError"
    message = "no luck"
    traceback = "Traceback (most recent call last):\nValueError: no luck\n"
