"""The signals of ``django.tasks``: sent where somebody listens, whatever a receiver does."""

from __future__ import annotations

import logging
from typing import Any, Final

from django.dispatch import Signal

from .compat import BaseTaskBackend, TaskResult, task_enqueued, task_signals

logger = logging.getLogger("django_jobs")

_LOG_RECEIVERS: Final = {
    id(getattr(task_signals, name, None))
    for name in ("log_task_enqueued", "log_task_started", "log_task_finished")
}


def is_heard(signal: Signal) -> bool:
    """
    Whether sending ``signal`` would do anything. The Tasks API connects receivers of its own,
    which only write to its log, and building a result for a log that is off costs more than
    a small job.
    """
    own_level = logging.DEBUG if signal is task_enqueued else logging.INFO
    if task_signals.logger.isEnabledFor(own_level):
        return True
    return has_receivers(signal)


def has_receivers(signal: Signal) -> bool:
    """Whether ``signal`` has receivers beside those that only write to the log."""
    # The first entry of each is (id of the receiver, id of the sender).
    return any(receiver[0][0] not in _LOG_RECEIVERS for receiver in signal.receivers)


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
