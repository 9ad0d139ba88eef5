"""
One logger, ``django_jobs``, and one form of line for everything that happens to a job.

Each record has the same ``extra`` keys, so that a formatter can rely on them: ``event``,
``job_id``, ``task``, ``queue``, ``attempt``, ``max_attempts``, ``claim_no``, ``worker``,
``duration`` (seconds), ``delay`` (seconds). Arguments are never logged.
"""

import logging
from typing import Any

from .claim import Claim
from .exceptions import TaskUnavailable
from .failure import Failure
from .models import Job
from .policy import SUCCEEDED, Kind, Next, Outcome

logger = logging.getLogger("django_jobs")


def one_line(text: str) -> str:
    """``text`` without control characters, which could forge lines of a log."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def log_job(
    level: int,
    event: str,
    job: Job,
    message: str,
    *args: object,
    worker: str = "",
    duration: float | None = None,
    delay: float | None = None,
    exc_info: Any = None,
) -> None:
    """Log that ``event`` happened to ``job``; the line begins with the job's task and id."""
    if not logger.isEnabledFor(level):
        return
    logger.log(
        level,
        "%s %s " + message,
        one_line(job.task_name),
        job.pk,
        *(one_line(arg) if isinstance(arg, str) else arg for arg in args),
        exc_info=exc_info,
        extra={
            "event": event,
            "job_id": str(job.pk),
            "task": one_line(job.task_path),
            "queue": one_line(job.queue_name),
            "attempt": job.attempts,
            "max_attempts": job.max_attempts,
            "claim_no": job.claim_no,
            "worker": one_line(worker),
            "duration": duration,
            "delay": delay,
        },
    )


def log_started(claim: Claim) -> None:
    """The line about an attempt that begins."""
    job = claim.job
    log_job(
        logging.INFO,
        "started",
        job,
        "started: attempt %d of %d",
        job.attempts,
        job.max_attempts,
        worker=claim.worker_name,
    )


def log_lost(claim: Claim, duration: float | None = None) -> None:
    """The one line about an attempt whose outcome is not written."""
    log_job(
        logging.WARNING,
        "lost",
        claim.job,
        "lost its claim (number %d): another worker may have run it, nothing is written",
        claim.job.claim_no,
        worker=claim.worker_name,
        duration=duration,
    )


def log_ended(
    claim: Claim,
    outcome: Outcome,
    failure: Failure | None,
    exception: BaseException | None,
    duration: float | None,
) -> None:
    """
    The line about an attempt that has ended with ``outcome``.

    :param duration: in seconds; None where a stop has left it behind.
    """
    if outcome is SUCCEEDED and not logger.isEnabledFor(logging.INFO):
        return  # the one that happens most
    job = claim.job
    level, event, exc_info = logging.INFO, outcome.next.lower(), None
    why = outcome.reason or (failure.line if failure else "")
    error = failure.line if failure else "the worker stops"
    number = (job.attempts, job.max_attempts)
    args: tuple[object, ...]
    match outcome.kind, outcome.next:
        case Kind.SUCCEEDED, _:
            message, args = "succeeded in %.3f s", (duration,)
        case Kind.CANCELLED, _:
            message, args = "cancelled after %.3f s: %s", (duration, why)
        case Kind.RELEASED, _:
            event = "released"
            message, args = "released after %.3f s: the worker stops", (duration,)
        case Kind.SNOOZED, _ if isinstance(exception, TaskUnavailable):
            level, event = logging.WARNING, "unavailable"
            message, args = "can't run here, again in %.1f s: %s", (outcome.delay, why)
        case Kind.SNOOZED, _:
            event = "snoozed"
            message, args = "snoozed for %.1f s: %s", (outcome.delay, why or "no reason given")
        case _, Next.DEAD:
            level, exc_info = logging.ERROR, exception
            reason = outcome.reason or "given up"
            message, args = "dead after attempt %d of %d (%s): %s", (*number, reason, error)
        case _, Next.READY:
            level, event, exc_info = logging.WARNING, "retry", exception
            message = "failed in attempt %d of %d, next at once: %s (%s)"
            args = (*number, error, outcome.reason)
        case _:
            level, event, exc_info = logging.WARNING, "retry", exception
            message = "failed in attempt %d of %d, next in %.1f s: %s"
            args = (*number, outcome.delay, error)
            if outcome.reason:
                message, args = message + " (%s)", (*args, outcome.reason)
    log_job(
        level,
        event,
        job,
        message,
        *args,
        worker=claim.worker_name,
        duration=duration,
        delay=outcome.delay,
        exc_info=exc_info,
    )
