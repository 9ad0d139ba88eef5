"""What the contract tests share."""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_jobs.claim import Claim, claim
from django_jobs.db.clock import DbNow
from django_jobs.models import Job, JobAttempt, Worker
from django_jobs.queues import QueueFilter
from tests.factories import WorkerFactory


def row(result: Any) -> Job:
    """The row of a TaskResult, a Job or an id, as it is now."""
    return Job.objects.get(pk=getattr(result, "id", result))


def history(result: Any) -> list[JobAttempt]:
    """The history of a job, oldest first."""
    return list(JobAttempt.objects.filter(job_id=result.id).order_by("claim_no"))


def seconds_until_due(result: Any) -> float:
    """How long until the job's ``run_after``, by the database's clock."""
    found = Job.objects.annotate(now=DbNow()).get(pk=result.id)
    return (found.run_after - found.now).total_seconds()


def claim_all(
    limit: int = 100, queues: QueueFilter | None = None, worker: Worker | None = None
) -> list[Claim]:
    """Claim as a worker does, and count each as started."""
    claims = claim(worker or WorkerFactory(), queues or QueueFilter(), limit, "default")
    for each in claims:
        each.started = True
    return claims


def queries(work: Callable[[], object]) -> list[str]:
    """The statements that ``work`` makes."""
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured]
