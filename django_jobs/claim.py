"""Take ready jobs: RUNNING, ``attempts`` + 1, ``claim_no`` + 1."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import DateTimeField, F, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from .db.clock import DbNow
from .db.transactions import lock_rows, write_transaction
from .models import Job, Queue, Status, Worker
from .queues import QueueFilter
from .token import Token


@dataclass(eq=False, slots=True)
class Claim:
    """
    A job that this process owns until it has recorded an outcome.

    ``job`` is the row as claimed; ``job.claim_no`` is the fence. ``started`` tells an attempt
    from a claim that was never run; ``thread`` is the identifier of the thread that runs it.
    """

    job: Job
    worker_id: UUID | None
    worker_name: str
    token: Token = field(default_factory=Token)
    started: bool = False
    thread: int | None = None
    claimed_at: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Glance:
    """
    What waits: whether a job is ready, and seconds until the next scheduled one is due
    (0 or less: it is), None where none is scheduled.
    """

    ready: bool
    due_in: float | None

    @property
    def due(self) -> bool:
        return self.due_in is not None and self.due_in <= 0


def claimable(backend_name: str, queues: QueueFilter, using: str) -> QuerySet[Job, Job]:
    """Ready jobs of ``queues`` that aren't paused, in the order in which they are claimed."""
    paused = Queue.objects.using(using).paused().values("name")
    jobs: QuerySet[Job, Job] = Job.objects.using(using).filter(
        queues.as_q(), status=Status.READY, backend_name=backend_name
    )
    return jobs.exclude(queue_name__in=paused).order_by("-priority", "run_after", "id")


def claim(
    worker: Worker, queues: QueueFilter, slots: int, using: str, ahead: int = 0
) -> list[Claim]:
    """
    Claim jobs for ``worker``, in one transaction. Rows that another worker is claiming are
    left to it.

    :param slots: how many at the most, to be run at once.
    :param ahead: how many more, to wait in line. None of them is in its last attempt: if
        the worker is lost it would be dead without having run.
    """
    with write_transaction(using):
        ready = claimable(worker.backend_name, queues, using)
        found: list[Any] = list(lock_rows(ready).annotate(claimed_at=DbNow())[: slots + ahead])
        jobs = found[:slots] + [j for j in found[slots:] if j.attempts + 1 < j.max_attempts]
        if not jobs:
            return []
        now = jobs[0].claimed_at
        Job.objects.using(using).filter(
            pk__in=[job.pk for job in jobs], status=Status.READY
        ).update(
            attempts=F("attempts") + 1,
            claim_no=F("claim_no") + 1,
            worker_id=worker.pk,
            started_at=Coalesce(
                F("started_at"), Value(now, DateTimeField()), output_field=DateTimeField()
            ),
            last_attempted_at=now,
            status=Status.RUNNING,
        )
    return [Claim(_claimed(job, worker.pk, now), worker.pk, worker.name) for job in jobs]


def glance(worker: Worker, queues: QueueFilter, using: str) -> Glance:
    """See what waits, with one cheap statement that locks nothing."""
    scheduled = Job.objects.using(using).filter(status=Status.SCHEDULED).order_by("run_after")
    # Read from the worker's own row, so that the three answers are one statement.
    row = (
        Worker.objects.using(using)
        .filter(pk=worker.pk)
        .values_list(
            # In the order of a claim, which has an index; EXISTS would let PostgreSQL scan
            # the table for the first row of any order.
            Subquery(claimable(worker.backend_name, queues, using).values("pk")[:1]),
            Subquery(scheduled.values("run_after")[:1]),
            DbNow(),
        )
        .first()
    )
    if row is None:
        # Somebody deleted the row; the next heartbeat brings it back.
        return Glance(ready=True, due_in=0)
    ready, run_after, now = row
    return Glance(ready=ready is not None, due_in=_seconds(run_after, now))


def _claimed(job: Job, worker_id: UUID, now: datetime) -> Job:
    """``job`` as the UPDATE has left it, without reading it again."""
    job.attempts += 1
    job.claim_no += 1
    job.worker_id = worker_id
    job.started_at = job.started_at or now
    job.last_attempted_at = now
    job.status = Status.RUNNING
    return job


def _seconds(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (moment - now).total_seconds()
