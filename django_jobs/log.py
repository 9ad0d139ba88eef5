"""
One logger, ``django_jobs``, and one form of line for everything that happens to a job.

Each record has the same ``extra`` keys, so that a formatter can rely on them: ``event``,
``job_id``, ``task``, ``queue``, ``attempt``, ``max_attempts``, ``claim_no``, ``worker``,
``duration`` (seconds), ``delay`` (seconds). Arguments are never logged.
"""

import logging
from typing import Any

from .models import Job

logger = logging.getLogger("django_jobs")


def one_line(text: str) -> str:
    """``text`` without control characters, which could forge lines of a log."""
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
            "task": job.task_path,
            "queue": job.queue_name,
            "attempt": job.attempts,
            "max_attempts": job.max_attempts,
            "claim_no": job.claim_no,
            "worker": worker,
            "duration": duration,
            "delay": delay,
        },
    )
