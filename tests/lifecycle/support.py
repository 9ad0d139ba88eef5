"""What the tests of real workers share."""

from typing import Any

from django_jobs.models import Job, JobAttempt, Status, Worker
from tests.support.waiting import wait_until

# Seconds; the shortest that OPTIONS takes, so that tests need not wait for thirty.
LEASE = 1


def job(result: Any) -> Job:
    """The row behind a TaskResult, as it is now."""
    return Job.objects.get(pk=result.id)


def wait_for_status(result: Any, status: Status, timeout: float = 50) -> Job:
    def arrived() -> Job | None:
        found = job(result)
        return found if found.status == status else None

    return wait_until(arrived, timeout, lambda: f"{status} of {vars(job(result))}")


def outcomes(result: Any) -> list[str]:
    """The outcomes in a job's history, oldest first."""
    rows = JobAttempt.objects.filter(job_id=result.id).order_by("claim_no")
    return [row.outcome for row in rows]


def assert_nothing_runs() -> None:
    assert not Job.objects.filter(status=Status.RUNNING).exists()
    assert not Worker.objects.filter(stopped_at=None).exists()
