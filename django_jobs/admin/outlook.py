"""What happens next to a job, in one sentence."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db.models import BooleanField, Case, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..compat import InvalidTaskBackend, task_backends
from ..db.clock import DbNow
from ..exceptions import TaskChanged, UnknownTask
from ..models import Job, Queue, Status, Worker
from ..models.worker import CLAIMS_NOTHING, QUEUES_LENGTH
from ..queues import QueueFilter
from .display import between, is_cancelling, moment
from .paginator import Count

# How the last error of a job begins that no worker could run so far.
_UNAVAILABLE: Final = tuple(f"{error.__name__}:" for error in (UnknownTask, TaskChanged))


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a job's next step depends on, besides its own row."""

    worker: Worker | None = None
    worker_is_live: bool = False
    queue_is_paused: bool = False
    paused_until: datetime | None = None
    full_at: int | None = None  # its queue's limit, where as many run
    any_worker_is_live: bool = True
    any_worker_claims: bool = True
    queue_is_served: bool = True


def with_liveness(workers: Any) -> Any:
    """``workers``, each knowing by the database's clock whether its lease still holds."""
    live = When(stopped_at=None, lease_expires_at__gt=DbNow(), then=Value(True))
    return workers.annotate(is_live=Case(live, default=Value(False), output_field=BooleanField()))


def surroundings(job: Job) -> Surroundings:
    """Look up what is around ``job``, in two statements at most, or three with a limit."""
    if job.status in (Status.READY, Status.SCHEDULED):
        queue: Any = Queue.objects.with_state().filter(pk=job.queue_name).first()
        live = Worker.objects.live().filter(backend_name=job.backend_name)
        known = list(live.values_list("queues", "phase").distinct()[:1000])
        served = [queues for queues, phase in known if phase not in CLAIMS_NOTHING]
        return Surroundings(
            queue_is_paused=queue is not None and queue.is_paused,
            paused_until=queue.paused_until if queue is not None and queue.is_paused else None,
            full_at=None if queue is None else _full_at(queue),
            any_worker_is_live=bool(known),
            any_worker_claims=bool(served),
            queue_is_served=any(serves(queues, job.queue_name) for queues in served),
        )
    if job.status == Status.DEAD:
        queue = Queue.objects.paused().filter(pk=job.queue_name).first()
        return Surroundings(
            worker=Worker.objects.filter(pk=job.worker_id).first() if job.worker_id else None,
            queue_is_paused=queue is not None,
        )
    if job.worker_id is None:
        return Surroundings()
    worker = with_liveness(Worker.objects.filter(pk=job.worker_id)).first()
    return Surroundings(worker=worker, worker_is_live=worker is not None and worker.is_live)


def _full_at(queue: Queue) -> int | None:
    if queue.limit is None:
        return None
    running = Job.objects.filter(status=Status.RUNNING, queue_name=queue.name)
    return queue.limit if running[: queue.limit].count() >= queue.limit else None


def serves(queues: str, name: str) -> bool:
    """Whether a worker that says it has ``queues`` takes jobs of the queue ``name``."""
    cut_short = len(queues) >= QUEUES_LENGTH  # what is missing may be it
    return cut_short or QueueFilter.of_text(queues).matches(name)


def what_next(job: Job, around: Surroundings, now: datetime | None = None) -> str:
    """What happens to ``job`` next, and on whom it waits."""
    now = now or timezone.now()
    match job.status:
        case Status.SCHEDULED | Status.READY:
            parts = [_start(job, now), _wait_for_release(job), _hindrance(job, around)]
            return " ".join(filter(None, parts))
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
            text = _("Nothing, until somebody retries or discards it.")
            if around.queue_is_paused:
                paused = _("Retried, it waits, since the queue “%s” is paused.") % job.queue_name
                text = f"{text} {paused}"
            return text
    return _("Nothing: it has ended.")


def _start(job: Job, now: datetime) -> str:
    if job.status == Status.SCHEDULED and job.run_after > now:
        names = {"number": job.attempts + 1, "of": job.max_attempts}
        until = {"until": between(now, job.run_after)}
        if job.attempts:
            return _("Attempt %(number)s of %(of)s is due in %(until)s.") % (names | until)
        return _("It is due in %(until)s.") % until
    if job.crashes:
        return _(
            "A worker was lost while it ran. So it runs alone: the worker that takes it ends its "
            "other jobs first, and takes no further ones until this one has ended."
        )
    return _("It starts when its turn has come and a worker is free.")


def _wait_for_release(job: Job) -> str:
    """For a job whose task, or whose arguments, no worker that took it so far has known."""
    waits = job.status in (Status.SCHEDULED, Status.READY)
    if not (waits and job.last_error.startswith(_UNAVAILABLE)):
        return ""
    text = _("It waits for a worker that can run it: those that took it so far could not.")
    try:
        backend: Any = task_backends[job.backend_name]
        grace = timedelta(seconds=backend.jobs_options.unknown_task_grace)
    except (InvalidTaskBackend, ImproperlyConfigured, AttributeError):
        return text
    if job.started_at is None:
        return text
    until = _("If none has come by %s, it is dead.") % moment(job.started_at + grace)
    return f"{text} {until}"


def _hindrance(job: Job, around: Surroundings) -> str:
    name: str = job.queue_name
    if around.paused_until is not None:
        names = {"queue": name, "until": moment(around.paused_until)}
        text = _("But the queue “%(queue)s” is paused until %(until)s: it waits until then.")
        return text % names
    if around.queue_is_paused:
        return _("But the queue “%s” is paused: it waits until that is resumed.") % name
    if around.full_at is not None:
        text = ngettext(
            "But the queue “%(queue)s” runs %(limit)s job at once, and one runs: it waits until "
            "that one has ended.",
            "But the queue “%(queue)s” runs %(limit)s jobs at once, and as many run: it waits "
            "until one of them has ended.",
            around.full_at,
        )
        return text % {"queue": name, "limit": Count(around.full_at).text}
    if not around.any_worker_is_live:
        return _("But no worker is running. Start one with: manage.py runjobs")
    if not around.any_worker_claims:
        return _("But every worker that is running is quiet or stops.")
    if not around.queue_is_served:
        return _("But no worker that is running serves the queue “%s”.") % name
    return ""
