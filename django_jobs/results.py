"""A job as ``django.tasks`` sees it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from django.utils import timezone

from .compat import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskError,
    TaskResult,
    TaskResultDoesNotExist,
    TaskResultStatus,
    task_finished,
)
from .exceptions import UnknownTask
from .models import Job, JobAttempt, Status
from .policy import Next
from .registry import find_task
from .signals import send

if TYPE_CHECKING:
    from .record import Finished

P = ParamSpec("P")
R = TypeVar("R")

RESULT_STATUS: Final = {
    Status.SCHEDULED: TaskResultStatus.READY,
    Status.READY: TaskResultStatus.READY,
    Status.RUNNING: TaskResultStatus.RUNNING,
    Status.SUCCESSFUL: TaskResultStatus.SUCCESSFUL,
    Status.DEAD: TaskResultStatus.FAILED,
    Status.CANCELLED: TaskResultStatus.FAILED,
    Status.DISCARDED: TaskResultStatus.FAILED,
}

# Attempts that were given back are no attempts to django.tasks.
_REFUNDED: Final = (JobAttempt.Outcome.RELEASED, JobAttempt.Outcome.SNOOZED)


def job_result(task: Task[P, R], job: Job, history: Iterable[JobAttempt]) -> TaskResult[P, R]:
    """
    The result of ``job`` as it is, with the errors of its ``history`` (oldest first).

    ``worker_ids`` has one entry for each attempt that counted, so that its length is the
    number of attempts.
    """
    history = list(history)
    errors = [
        TaskError(exception_class_path=attempt.exception_class, traceback=attempt.traceback)
        for attempt in history
        if attempt.exception_class
    ]
    counted = [a for a in history if a.outcome not in _REFUNDED]
    worker_ids = [str(a.worker_id) for a in counted]
    if job.status in (Status.RUNNING, Status.SUCCESSFUL):
        # The attempt that runs, or the one that succeeded, has left nothing in the history.
        worker_ids.append(str(job.worker_id))
    result = _result(
        _as_enqueued(task, job), job, RESULT_STATUS[Status(job.status)], errors, worker_ids
    )
    if job.status == Status.SUCCESSFUL:  # no other job has one, nor has a claim read it
        object.__setattr__(result, "_return_value", job.return_value)
    return result


def current_result(task: Task[P, R], job: Job) -> TaskResult[P, R]:
    """The result of ``job``, which has just been read; its history is read where it has one."""
    claims_that_ended = job.claim_no - (job.status == Status.RUNNING)
    history = job.history.using(job._state.db).order_by("claim_no") if claims_that_ended else ()
    return job_result(task, job, history)


def announce_finished(backend: BaseTaskBackend, finished: Finished) -> None:
    """
    Send ``task_finished`` for a job whose last outcome has been recorded; nothing for one
    that will be tried again.
    """
    job, outcome = finished.job, finished.outcome
    if outcome.next not in (Next.SUCCESSFUL, Next.DEAD, Next.CANCELLED):
        return
    try:
        if outcome.next is Next.SUCCESSFUL:
            # Known without reading the row again.
            job.status, job.finished_at = Status.SUCCESSFUL, timezone.now()
            job.return_value = finished.return_value
            result: TaskResult[Any, Any] = job_result(find_task(job.task_path), job, ())
            result.worker_ids[:] = [str(job.worker_id)] * job.attempts
        else:
            result = backend.get_result(str(job.pk))
    except (TaskResultDoesNotExist, UnknownTask):
        return  # without its task, the job has no TaskResult to send
    send(task_finished, type(backend), result)


def _as_enqueued(task: Task[P, R], job: Job) -> Task[P, R]:
    waits = job.status == Status.SCHEDULED and not job.attempts
    try:
        return task.using(
            priority=job.priority,
            queue_name=job.queue_name,
            backend=job.backend_name,
            run_after=job.run_after if waits else None,
        )
    except InvalidTask:
        # The settings have changed since, such as a queue that is gone; the job has not.
        return task


def _result(
    task: Task[P, R],
    job: Job,
    status: TaskResultStatus,
    errors: list[TaskError],
    worker_ids: list[str],
) -> TaskResult[P, R]:
    return TaskResult(
        task=task,
        id=str(job.id),
        status=status,
        enqueued_at=job.enqueued_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        last_attempted_at=job.last_attempted_at,
        args=job.args,
        kwargs=job.kwargs,
        backend=job.backend_name,
        errors=errors,
        worker_ids=worker_ids,
    )
