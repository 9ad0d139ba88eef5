"""Take jobs back from workers whose lease ran out."""

import logging
from typing import Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet

from .claim import Claim
from .db.transactions import lock_rows, write_transaction
from .log import log_job
from .models import Job, Status, Worker
from .policy import Next, after_loss
from .record import Finished, write_outcomes

BATCH: Final = 100


def abandoned(using: str) -> QuerySet[Job, Job]:
    """Running jobs that no live worker owns, by the database's clock."""
    live = Worker.objects.using(using).live().filter(pk=OuterRef("worker_id"))
    jobs: QuerySet[Job, Job] = Job.objects.using(using).filter(status=Status.RUNNING)
    return jobs.filter(~Exists(live))


def rescue(using: str, limit: int = BATCH) -> list[Finished]:
    """
    Take back up to ``limit`` jobs of lost workers; returns what became of each.

    The lost attempt counts: a job without another one is dead. Whether the lease has run
    out is checked under the lock, and the write names the claim, so that a worker that
    comes back, or another rescue, can't be overruled.
    """
    # In no order: for one by key, MariaDB may read all finished jobs in search of a few.
    ids = list(abandoned(using).values_list("pk", flat=True)[:limit])
    if not ids:
        return []
    with write_transaction(using):
        jobs = list(lock_rows(abandoned(using).filter(pk__in=ids).order_by("pk")))
        names: dict[UUID | None, str] = {
            worker.pk: worker.name
            for worker in Worker.objects.using(using).filter(pk__in={j.worker_id for j in jobs})
        }
        batch = [_lost(job, names.get(job.worker_id, "")) for job in jobs]
        lost = write_outcomes(batch, using)
    rescued = [finished for finished in batch if finished not in lost]
    for finished in rescued:
        _log(finished)
    return rescued


def _lost(job: Job, worker_name: str) -> Finished:
    claim = Claim(job, job.worker_id, worker_name, started=True)
    return Finished(claim, after_loss(job.attempts, job.max_attempts))


def _log(finished: Finished) -> None:
    job, worker = finished.job, finished.claim.worker_name or finished.claim.worker_id or "?"
    dead = finished.outcome.next is Next.DEAD
    log_job(
        logging.ERROR if dead else logging.WARNING,
        "dead" if dead else "rescued",
        job,
        "rescued from the lost worker %s in attempt %d of %d: %s",
        worker,
        job.attempts,
        job.max_attempts,
        "dead, it has no attempts left" if dead else "back in its queue",
        worker=finished.claim.worker_name,
    )
