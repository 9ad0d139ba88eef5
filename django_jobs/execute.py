"""
Run one attempt: from a claim to an outcome. Nothing here writes to the job's row, except that a
success is recorded in the task's own transaction where the task is atomic or says complete().
"""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.transaction import TransactionManagementError

from .arguments import check_return_value, handed_over
from .capture import new_log
from .claim import Claim
from .compat import Task, TaskError, TaskResult, TaskResultStatus, task_started
from .context import JobContext, Report, enter
from .db.limits import bounded
from .db.transactions import write_transaction
from .exceptions import (
    CancelRequested,
    Concealed,
    Interrupt,
    LeaseLost,
    TaskChanged,
    TaskUnavailable,
    TimedOut,
)
from .failure import Failure, cut, storable
from .log import log_ended, log_job, log_lost, log_started
from .models.attempt import TRACEBACK_LENGTH
from .policy import CANCELLED, RELEASED, SUCCEEDED, Kind, Next, Outcome, after_unavailable, decide
from .record import Finished, record
from .registry import find_task, is_coroutine_function
from .release import cut_short
from .results import job_result
from .sensitive import hiding
from .signals import has_receivers, log_state, send
from .steps import Steps
from .task import check_atomic, misfit, policy_of

if TYPE_CHECKING:
    from .backend import DatabaseBackend

# Seconds.
LEFT_BEHIND_DELAY: Final = 1.0

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


def left_behind(claim: Claim, backend: DatabaseBackend, stack: str) -> Finished | None:
    """
    What becomes of an attempt that ignores its timeout, and whose process is about to end.

    :param stack: where it is.
    :returns: None where the claim is lost.
    """
    attempt = Attempt(claim, backend, None)
    attempt.task = task = find_task(claim.job.task_path)
    attempt.policy = policy = policy_of(task, attempt.policy)
    attempt.started = (claim.token.deadline or time.monotonic()) - (policy.timeout or 0.0)
    lost = claim.token.interrupt is LeaseLost
    error = LeaseLost() if lost else TimedOut("it ignored its timeout")
    failure = replace(Failure.of(error), traceback=cut(storable(stack), TRACEBACK_LENGTH))
    finished = attempt.end(None, error, failure)
    if finished is None or finished.outcome.delay is None:
        return finished
    # Not before this process is gone, and with it the first run.
    delay = max(finished.outcome.delay, LEFT_BEHIND_DELAY)
    return replace(finished, outcome=replace(finished.outcome, delay=delay))


class Attempt:
    """What is known of an attempt while it runs."""

    def __init__(self, claim: Claim, backend: DatabaseBackend, report: Report | None) -> None:
        self.claim = claim
        self.backend = backend
        self.policy = backend.jobs_options.policy
        self.task: Task[Any, Any] | None = None
        self.report = report
        self._result: TaskResult[Any, Any] | None = None
        self.started = 0.0
        self._completing: Finished | None = None
        self.completed: Finished | None = None  # once that is committed

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
            with guard, bounded(self.claim.token):
                value = self.call(task, args)
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
        job, level = self.claim.job, self.backend.jobs_options.keep_logs
        self.claim.log = log = new_log(level, partial(hiding, self.task, job))
        return JobContext(
            task_result=self.result,
            token=self.claim.token,
            attempt=job.attempts,
            fence=job.claim_no,
            report=self.report,
            complete=self.complete,
            step=self.step,
            log=log,
            job_id=job.pk,
        )

    def begin(self) -> Task[Any, Any]:
        """The task; raises where the attempt ends here."""
        claim = self.claim
        claim.started = True
        claim.thread = threading.get_ident()
        self.started = time.monotonic()
        claim.stood = self.started - claim.taken
        log_started(claim)
        self.task = task = find_task(claim.job.task_path)
        self.policy = policy_of(task, self.policy)
        if self.policy.timeout is not None:
            # The time that an attempt may take begins when it starts, not with the claim.
            claim.token.start(self.policy.timeout)
        claim.token.check()  # it may have been cancelled, or lost, while it stood in line
        if problem := misfit(task, claim.job.args, claim.job.kwargs):
            raise TaskChanged(claim.job.task_path, problem)
        return task

    def call(self, task: Task[Any, Any], args: tuple[Any, ...]) -> Any:
        """Call the task; an atomic one in a transaction that ends with the record of it."""
        using = self.using
        own, named = handed_over(self.claim.job.args, self.claim.job.kwargs)
        if not check_atomic(task, using):
            call = task.call if is_coroutine_function(task.func) else task.func
            return call(*args, *own, **named)
        with write_transaction(using):
            # Before the task's own callbacks, one of which may raise.
            transaction.on_commit(self._committed, using=using)
            value = task.func(*args, *own, **named)
            self.complete(value)
        return value

    @property
    def using(self) -> str:
        """The database that holds the job."""
        return self.claim.job._state.db or DEFAULT_DB_ALIAS

    def complete(self, value: Any) -> None:
        """Record the success in the transaction that is open."""
        using = self.using
        if not connections[using].in_atomic_block:
            raise TransactionManagementError(
                f"complete() needs a transaction that is open on the database {using!r}, to be "
                "committed together with what was written in it."
            )
        finished = Finished(self.claim, SUCCEEDED, self.checked(value))
        delete = self.backend.jobs_options.delete_successful
        if record([finished], using, delete_successful=delete, logs=False):
            raise LeaseLost
        self._completing = replace(finished, recorded=True)
        transaction.on_commit(self._committed, using=using)

    def _committed(self) -> None:
        self.completed = self._completing
        self.claim.complete = True

    def step(self, name: str, key: str, call: Callable[[], Any]) -> Any:
        """As ``Steps.run()``."""
        return Steps(self.claim, self.backend.jobs_options, self.using).run(name, key, call)

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

    def end(
        self, value: Any, exception: BaseException | None, failure: Failure | None = None
    ) -> Finished | None:
        """:param failure: ``exception`` as text, where somebody knows it better."""
        claim = self.claim
        claim.ran = duration = time.monotonic() - self.started
        shown, hide = exception, None
        if exception is not None:
            hide = hiding(self.task, claim.job)
            failure = failure or Failure.of(exception, hide)
            if hide is not None and not isinstance(exception, TaskUnavailable):
                shown = Concealed(failure.traceback)
        if self.completed is not None:
            if exception is not None and not isinstance(exception, Interrupt):
                log_job(
                    logging.ERROR,
                    "after_completion",
                    claim.job,
                    "raised %s after it was complete; it is not tried again",
                    type(exception).__name__,
                    worker=claim.worker_name,
                    exc_info=shown,
                )
            log_ended(claim, SUCCEEDED, None, None, duration)
            return self.completed
        outcome = self._decide(exception, failure)
        if outcome is None:
            log_lost(claim, duration)
            return None
        if hide is not None:
            outcome = replace(outcome, reason=hide(outcome.reason))
        log_ended(claim, outcome, failure, shown, duration)
        if outcome.interrupted or outcome.kind in (Kind.SNOOZED, Kind.CANCELLED):
            failure = None  # no error happened; the outcome says why
        return Finished(claim, outcome, value, failure)

    def _decide(self, exception: BaseException | None, failure: Failure | None) -> Outcome | None:
        if failure is None:
            return SUCCEEDED
        job = self.claim.job
        if isinstance(exception, TaskUnavailable):
            first, now = job.started_at, job.last_attempted_at
            waited = (now - first).total_seconds() if now and first else 0.0
            return after_unavailable(
                failure.line, waited, self.backend.jobs_options.unknown_task_grace
            )
        result = None if self.task is None else self.result()
        if result is not None:
            result.errors.append(
                TaskError(exception_class_path=failure.exception_class, traceback=failure.traceback)
            )
        policy = replace(self.policy, max_attempts=max(1, job.max_attempts))
        outcome = decide(policy, job.attempts, exception, result)
        if outcome is RELEASED:
            return cut_short(self.claim, self.backend.jobs_options.max_interruptions).outcome
        if (
            outcome is not None
            and outcome.next is Next.SCHEDULED
            and self.claim.token.interrupt is CancelRequested
        ):
            # It failed before it looked; there will be no other attempt.
            return CANCELLED
        return outcome
