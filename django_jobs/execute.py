"""
Run one attempt: from a claim to an outcome. Nothing here writes to the job's row.
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .arguments import check_return_value
from .claim import Claim
from .compat import Task, TaskError, TaskResult, TaskResultStatus, task_started
from .context import JobContext, Report, enter
from .exceptions import CancelRequested
from .failure import Failure
from .log import log_job, logger
from .models import Job
from .policy import CANCELLED, SUCCEEDED, Kind, Next, Outcome, decide
from .record import Finished
from .registry import find_task, is_coroutine_function
from .results import job_result
from .signals import has_receivers, log_state, send
from .task import policy_of

if TYPE_CHECKING:
    from .backend import DatabaseBackend

Guard = AbstractContextManager[None]


def execute(
    claim: Claim,
    backend: DatabaseBackend,
    *,
    guard: Guard | None = None,
    report: Report | None = None,
) -> Finished | None:
    """
    Run the task of ``claim`` in a context of its own and decide what becomes of the job.

    :param guard: entered around the task; may raise on the way out, such as for a
        transaction that the task left open.
    :param report: takes what the task reports with ``JobContext.progress()``.
    :returns: None where the claim is lost and there is nothing to record.
    """
    # A fresh, empty context: the next job sees no language, time zone or variable of this one.
    return contextvars.Context().run(Attempt(claim, backend, report).run, guard or nullcontext())


class Attempt:
    """What is known of an attempt while it runs."""

    def __init__(self, claim: Claim, backend: DatabaseBackend, report: Report | None) -> None:
        self.claim = claim
        self.backend = backend
        self.policy = backend.jobs_options.policy
        self.task: Task[Any, Any] | None = None
        self.report = report
        self._result: TaskResult[Any, Any] | None = None
        self._started = 0.0

    def run(self, guard: Guard) -> Finished | None:
        """Run the task in this thread."""
        value: Any = None
        exception: BaseException | None = None
        try:
            task = self.begin()
            self.announce()
            context = self.context()  # held by nothing here: it refers to this attempt
            enter(context)
            args = (context,) if task.takes_context else ()
            with guard:
                call = task.call if is_coroutine_function(task.func) else task.func
                value = call(*args, *self.claim.job.args, **self.claim.job.kwargs)
            value = self.checked(value)
        except BaseException as error:
            # Whatever a task raises ends this attempt and nothing else: SystemExit and
            # KeyboardInterrupt from a task are no request to this process.
            exception = error
        return self.end(value, exception)

    def result(self) -> TaskResult[Any, Any]:
        """The job as ``django.tasks`` sees it; few tasks ask for it."""
        if self._result is None:
            job, task = self.claim.job, self.task
            assert task is not None  # noqa: S101 (nobody asks before the task is known)
            self._result = job_result(task, job, ())
            # This attempt and those before it, as ``TaskContext.attempt`` counts them.
            self._result.worker_ids[:] = [str(job.worker_id)] * job.attempts
        return self._result

    def context(self) -> JobContext:
        job = self.claim.job
        return JobContext(
            task_result=self.result,
            token=self.claim.token,
            attempt=job.attempts,
            fence=job.claim_no,
            report=self.report,
        )

    def begin(self) -> Task[Any, Any]:
        """The task; raises where the attempt ends here."""
        claim = self.claim
        claim.started = True
        claim.thread = threading.get_ident()
        self._started = time.monotonic()
        _log_start(claim)
        self.task = task = find_task(claim.job.task_path)
        self.policy = policy_of(task, self.policy)
        if self.policy.timeout is not None:
            # The time that an attempt may take begins when it starts, not with the claim.
            claim.token.deadline = time.monotonic() + self.policy.timeout
        claim.token.check()  # it may have been cancelled, or lost, while it stood in line
        return task

    def announce(self) -> None:
        """Tell ``task_started``, where somebody listens."""
        if has_receivers(task_started):
            send(task_started, type(self.backend), self.result())
        else:
            log_state(task_started, self.claim.job, TaskResultStatus.RUNNING)

    def checked(self, value: Any) -> Any:
        """What is to be stored as the return value."""
        options = self.backend.jobs_options
        return check_return_value(
            value,
            max_bytes=options.arguments_max_bytes,
            max_depth=options.arguments_max_depth,
        )

    def end(self, value: Any, exception: BaseException | None) -> Finished | None:
        claim, duration = self.claim, time.monotonic() - self._started
        failure = None if exception is None else Failure.of(exception)
        outcome = self._decide(exception, failure)
        if outcome is None:
            log_lost(claim, duration)
            return None
        _log_end(claim, outcome, failure, exception, duration)
        if outcome.kind in (Kind.RELEASED, Kind.SNOOZED, Kind.CANCELLED):
            failure = None  # no error happened; the outcome says why
        return Finished(claim, outcome, value, failure)

    def _decide(self, exception: BaseException | None, failure: Failure | None) -> Outcome | None:
        if failure is None:
            return SUCCEEDED
        job = self.claim.job
        result = None if self.task is None else self.result()
        if result is not None:
            result.errors.append(
                TaskError(exception_class_path=failure.exception_class, traceback=failure.traceback)
            )
        policy = replace(self.policy, max_attempts=max(1, job.max_attempts))
        outcome = decide(policy, job.attempts, exception, result)
        if (
            outcome is not None
            and outcome.next is Next.SCHEDULED
            and self.claim.token.interrupt is CancelRequested
        ):
            # It failed before it looked; there will be no other attempt.
            return CANCELLED
        return outcome


def _log_start(claim: Claim) -> None:
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


def _log_end(
    claim: Claim,
    outcome: Outcome,
    failure: Failure | None,
    exception: BaseException | None,
    duration: float,
) -> None:
    if outcome is SUCCEEDED and not logger.isEnabledFor(logging.INFO):
        return  # the one that happens most
    job: Job = claim.job
    level, event, exc_info = logging.INFO, outcome.next.lower(), None
    why = outcome.reason or (failure.line if failure else "")
    error = failure.line if failure else outcome.reason
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
        case Kind.SNOOZED, _:
            event = "snoozed"
            message, args = "snoozed for %.1f s: %s", (outcome.delay, why or "no reason given")
        case _, Next.DEAD:
            level, exc_info = logging.ERROR, exception
            reason = outcome.reason or "given up"
            message, args = "dead after attempt %d of %d (%s): %s", (*number, reason, error)
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
