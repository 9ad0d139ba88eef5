"""Run jobs inside a test, in the calling thread and on its connection."""

from datetime import timedelta

from django.db import router

from .backend import DatabaseBackend
from .capture import capturing
from .claim import claim
from .compat import task_backends
from .db.clock import DbNow
from .execute import execute
from .groups import count
from .look import glance
from .models import Job, Worker
from .promote import promote
from .queues import QueueFilter
from .record import record
from .results import announce_finished

__all__ = ["run_pending"]


def run_pending(backend: str = "default", *, limit: int | None = None) -> list[Job]:
    """
    Run the jobs that are ready or due, one by one, until none is left; those that they
    enqueue run too. Retries wait for their time, as they do in production.

    It takes the way that a worker takes, so it works inside a ``TestCase`` transaction.

    :param backend: the alias in TASKS, a ``DatabaseBackend``.
    :param limit: run no more than so many attempts.
    :returns: the rows of the jobs that ran, as they are afterwards, once for each attempt.
    """
    task_backend = task_backends[backend]
    if not isinstance(task_backend, DatabaseBackend):
        raise TypeError(f"TASKS[{backend!r}] is no django_jobs backend.")
    using = router.db_for_write(Job)
    worker = Worker.objects.using(using).create(
        hostname="test",
        pid=0,
        version="",
        backend_name=backend,
        queues="all",
        threads=1,
        started_at=DbNow(),
        last_heartbeat_at=DbNow(),
        lease_expires_at=DbNow() + timedelta(hours=1),
    )
    ran: list[Job] = []
    with capturing(task_backend.jobs_options.keep_logs):
        while limit is None or len(ran) < limit:
            promote(using)
            seen = glance(worker, QueueFilter(), using)
            claims = claim(worker, QueueFilter(), 1, using, openings=seen.openings)
            if not claims:
                break
            finished = execute(claims[0], task_backend)
            if finished is not None:
                delete = task_backend.jobs_options.delete_successful
                lost = record([finished], using, delete_successful=delete)
                if not lost:
                    count([finished], using)
                    announce_finished(task_backend, finished)
            row = Job.objects.using(using).filter(pk=claims[0].job.pk).first()
            ran.append(row or claims[0].job)
    worker.delete()
    return ran
