"""The signals of ``django.tasks``: sent where somebody listens, whatever a receiver does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from django.dispatch import Signal

from .compat import BaseTaskBackend, TaskResult, TaskResultStatus, task_enqueued, task_signals

if TYPE_CHECKING:
    from .models import Job

logger = logging.getLogger("django_jobs")

_LOG_RECEIVERS: Final = {
    id(getattr(task_signals, name, None))
    for name in ("log_task_enqueued", "log_task_started", "log_task_finished")
}


def has_receivers(signal: Signal) -> bool:
    """Whether ``signal`` has receivers beside the Tasks API's own, which only write its log."""
    # The first entry of each is (id of the receiver, id of the sender).
    return any(receiver[0][0] not in _LOG_RECEIVERS for receiver in signal.receivers)


def enqueued_is_heard() -> bool:
    """Whether sending ``task_enqueued`` would do anything."""
    return task_signals.logger.isEnabledFor(logging.DEBUG) or has_receivers(task_enqueued)


def log_state(signal: Signal, job: Job, state: TaskResultStatus) -> None:
    """
    Write to the Tasks API's log what its own receiver of ``signal`` would. For where nobody
    else listens: to build a result and to send it costs more than a small job.
    """
    log = task_signals.logger
    if log.isEnabledFor(logging.INFO) and any(r[0][0] in _LOG_RECEIVERS for r in signal.receivers):
        log.info("Task id=%s path=%s state=%s", job.pk, job.task_path, state)


def send(signal: Signal, sender: type[BaseTaskBackend], result: TaskResult[Any, Any]) -> None:
    """Send ``signal``; what a receiver raises is logged and changes nothing."""
    for receiver, response in signal.send_robust(sender=sender, task_result=result):
        if isinstance(response, Exception):
            logger.error(
                "The signal receiver %r failed for job %s",
                receiver,
                result.id,
                exc_info=response,
                extra={"job_id": result.id, "event": "receiver_failed"},
            )
