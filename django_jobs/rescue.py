"""Take jobs back from workers whose lease ran out."""

import logging
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from .claim import Claim
from .db.transactions import lock_rows, write_transaction
from .groups import count
from .log import log_job
from .models import Job, Status, Worker
from .policy import Next, Outcome, after_loss
from .record import Finished, write_outcomes

BATCH: Final = 100  # rows that are looked at for the lost workers


def abandoned(using: str) -> QuerySet[Job, Job]:
    """Running jobs that no live worker owns, by the database's clock."""
    live = Worker.objects.using(using).live().filter(pk=OuterRef("worker_id"))
    jobs: QuerySet[Job, Job] = Job.objects.using(using).filter(status=Status.RUNNING)
    return jobs.filter(~Exists(live))


def rescue(using: str, *, max_crashes: int) -> list[Finished]:
    """
    Take back the jobs of a lost worker; returns what became of each. Empty where there is no
    lost worker with jobs.

    A job that was the only one of its worker has used up an attempt, and is dead after
    ``max_crashes`` workers in a row. Of several nobody knows which it was that ended the
    worker: they get their attempt back and are suspects from now on, each of which runs alone.

    Whether the lease has run out is checked under the lock, and the write names the claim, so
    that a worker that comes back, or another rescue, can't be overruled.
    """
    # In no order: for one by key, MariaDB may read all finished jobs in search of a few.
    owners = abandoned(using).values_list("worker_id", flat=True)[:BATCH]
    for worker_id in dict.fromkeys(owners):
        if rescued := _rescue_from(worker_id, using, max_crashes):
            return rescued
    return []


def _rescue_from(worker_id: UUID | None, using: str, max_crashes: int) -> list[Finished]:
    """All of them in one transaction, so that one that was not alone can't look as if it was."""
    with write_transaction(using):
        # One rescue at a time, and nobody waits for one that hangs.
        workers = Worker.objects.using(using).filter(Q(pk=worker_id))
        worker = lock_rows(workers).first()
        if worker is None and workers.exists():
            return []
        owned = abandoned(using).filter(Q(worker_id=worker_id))
        jobs = list(lock_rows(owned.order_by("pk")))
        if not jobs:
            return []  # an UPDATE of no rows waits on MariaDB for all who hold some
        # Also those that another session holds just now, and that are left for later.
        alone = worker is not None and len(jobs) == 1 == owned.count()
        claims = [
            Claim(job, worker_id, worker.name if worker else "", started=True) for job in jobs
        ]
        batch = [Finished(each, _after_loss(each.job, alone, max_crashes)) for each in claims]
        lost = write_outcomes(batch, using)
    rescued = [finished for finished in batch if finished not in lost]
    count(rescued, using)
    for finished in rescued:
        _log(finished)
    return rescued


def _after_loss(job: Job, alone: bool, max_crashes: int) -> Outcome:
    return after_loss(
        job.attempts,
        job.max_attempts,
        alone=alone,
        crashes=job.crashes + 1,
        max_crashes=max_crashes,
    )


def _log(finished: Finished) -> None:
    job, worker = finished.job, finished.claim.worker_name or finished.claim.worker_id or "?"
    dead = finished.outcome.next is Next.DEAD
    if dead:
        then = f"dead, {finished.outcome.reason}"
    elif finished.outcome.refund:
        then = "back in its queue, the attempt is given back; it will run alone"
    else:
        then = "back in its queue"
    log_job(
        logging.ERROR if dead else logging.WARNING,
        "dead" if dead else "rescued",
        job,
        "rescued from the lost worker %s in attempt %d of %d: %s",
        worker,
        job.attempts,
        job.max_attempts,
        then,
        worker=finished.claim.worker_name,
    )
