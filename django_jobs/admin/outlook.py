"""What happens next to a job, in one sentence."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, Case, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from ..db.clock import DbNow
from ..models import Job, Queue, Status, Worker
from .display import between, is_cancelling


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a job's next step depends on, besides its own row."""

    worker: Worker | None = None
    worker_is_live: bool = False
    queue_is_paused: bool = False
    any_worker_is_live: bool = True


def with_liveness(workers: Any) -> Any:
    """``workers``, each knowing by the database's clock whether its lease still holds."""
    live = When(stopped_at=None, lease_expires_at__gt=DbNow(), then=Value(True))
    return workers.annotate(is_live=Case(live, default=Value(False), output_field=BooleanField()))


def surroundings(job: Job) -> Surroundings:
    """Look up what is around ``job``, in two statements at most."""
    if job.status in (Status.READY, Status.SCHEDULED):
        return Surroundings(
            queue_is_paused=Queue.objects.paused().filter(pk=job.queue_name).exists(),
            any_worker_is_live=Worker.objects.live().filter(backend_name=job.backend_name).exists(),
        )
    if job.worker_id is None:
        return Surroundings()
    worker = with_liveness(Worker.objects.filter(pk=job.worker_id)).first()
    return Surroundings(worker=worker, worker_is_live=worker is not None and worker.is_live)


def what_next(job: Job, around: Surroundings, now: datetime | None = None) -> str:
    """What happens to ``job`` next, and on whom it waits."""
    now = now or timezone.now()
    match job.status:
        case Status.SCHEDULED | Status.READY:
            return " ".join(filter(None, [_start(job, now), _hindrance(job, around)]))
        case Status.RUNNING if not around.worker_is_live:
            return _("Its worker was lost. Another worker will take the job back.")
        case Status.RUNNING if is_cancelling(job):
            return _(
                "It was asked to end, and does so where the task looks for it; a task that never "
                "looks runs to its end. Whatever comes of this attempt, there is no other one."
            )
        case Status.RUNNING if job.attempts < job.max_attempts:
            return _("If this attempt fails, the job is tried again.")
        case Status.RUNNING:
            return _("This is the last attempt: if it fails, the job is dead.")
        case Status.DEAD:
            return _("Nothing, until somebody retries or discards it.")
    return _("Nothing: it has ended.")


def _start(job: Job, now: datetime) -> str:
    if job.status == Status.SCHEDULED and job.run_after > now:
        names = {"number": job.attempts + 1, "of": job.max_attempts}
        until = {"until": between(now, job.run_after)}
        if job.attempts:
            return _("Attempt %(number)s of %(of)s is due in %(until)s.") % (names | until)
        return _("It is due in %(until)s.") % until
    return _("It starts as soon as a worker is free.")


def _hindrance(job: Job, around: Surroundings) -> str:
    name: str = job.queue_name
    if around.queue_is_paused:
        return _("But the queue “%s” is paused: it waits until that is resumed.") % name
    if not around.any_worker_is_live:
        return _("But no worker is running. Start one with: manage.py runjobs")
    return ""
