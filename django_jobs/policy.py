"""
What becomes of a job after an attempt: pure functions and values, no database.

``decide()`` turns a policy, an attempt number and what the attempt raised into an
``Outcome``; record.py writes it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from .exceptions import (
    LONGEST_DELAY,
    Cancel,
    CancelRequested,
    Delay,
    GiveUp,
    InvalidReturnValue,
    LeaseLost,
    Retry,
    ShuttingDown,
    Snooze,
    TimedOut,
    seconds,
)


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Exponential backoff with a cap and jitter.

    The delay after attempt ``n`` is ``min(base * 2**(n-1), maximum)`` seconds, moved up or
    down by at most ``jitter`` of itself, and capped at ``maximum`` again. Jitter keeps the
    jobs that failed together from coming back together ("Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015).

    :param base: seconds after the first attempt, more than 0.
    :param maximum: the longest delay in seconds, at least ``base``, a hundred years at most.
    :param jitter: the share by which a delay may vary, 0 to 1.
    :raises ValueError: where a figure is out of its range.
    """

    base: float = 5.0
    maximum: float = 3600.0
    jitter: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.base < float("inf"):
            raise ValueError(f"Backoff: base must be more than 0 seconds, not {self.base!r}.")
        if not self.base <= self.maximum <= LONGEST_DELAY:
            raise ValueError(
                "Backoff: maximum must be at least base, and a hundred years at most, "
                f"not {self.maximum!r}."
            )
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"Backoff: jitter must be between 0 and 1, not {self.jitter!r}.")

    def delay(self, attempt: int, random: Callable[[], float] = random.random) -> float:
        """
        Seconds to wait after attempt number ``attempt`` (from 1).

        ``random`` returns a float in [0, 1), as ``random.random`` does.
        """
        if attempt < 1:
            raise ValueError(f"Attempts are counted from 1, not {attempt!r}.")
        # 2.0**1023 is the largest power of two that a float holds.
        delay = min(self.base * 2.0 ** min(attempt - 1, 1000), self.maximum)
        spread = self.jitter * (2 * random() - 1)
        return min(delay * (1 + spread), self.maximum)


BackoffFunction = Callable[[BaseException, Any], Delay | None]
"""``backoff(exception, task_result)``: the delay until the next attempt, None to give up."""


@dataclass(frozen=True, slots=True)
class Policy:
    """
    How a task's jobs are tried.

    :param max_attempts: how often a job is tried at most, 1 or more.
    :param timeout: seconds that an attempt may take; None for no limit.
    :param backoff: a ``Backoff``, or ``backoff(exception, task_result)`` returning seconds,
        a timedelta, or None to give up.
    :param retry_on: if given, only these exceptions are worth another attempt.
    :param give_up_on: exceptions after which the job is dead at once.
    """

    max_attempts: int = 5
    timeout: float | None = None
    backoff: Backoff | BackoffFunction = field(default_factory=Backoff)
    retry_on: tuple[type[BaseException], ...] | None = None
    give_up_on: tuple[type[BaseException], ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.max_attempts, int) or not 1 <= self.max_attempts <= 32767:
            raise ValueError(
                f"max_attempts must be a whole number from 1 to 32767, not {self.max_attempts!r}."
            )
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise ValueError(f"timeout must be more than 0 seconds, or None, not {self.timeout!r}.")
        if not callable(self.backoff) and not isinstance(self.backoff, Backoff):
            raise ValueError(f"backoff must be a Backoff or a function, not {self.backoff!r}.")
        for name in ("retry_on", "give_up_on"):
            classes = getattr(self, name)
            if classes is not None and not (
                isinstance(classes, tuple)
                and all(isinstance(c, type) and issubclass(c, BaseException) for c in classes)
            ):
                raise ValueError(f"{name} must be a tuple of exception classes, not {classes!r}.")

    def is_retryable(self, exception: BaseException) -> bool:
        """Whether another attempt is worth it after ``exception``."""
        if isinstance(exception, self.give_up_on):
            return False
        return self.retry_on is None or isinstance(exception, self.retry_on)

    def delay(self, attempt: int, exception: BaseException, task_result: Any) -> float | None:
        """Seconds until the next attempt, or None where the backoff gives up."""
        if isinstance(self.backoff, Backoff):
            return self.backoff.delay(attempt)
        delay = self.backoff(exception, task_result)
        return None if delay is None else seconds(delay)


class Kind(StrEnum):
    """How an attempt ended."""

    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    LOST = "LOST"
    SNOOZED = "SNOOZED"
    RELEASED = "RELEASED"
    CANCELLED = "CANCELLED"


class Next(StrEnum):
    """What becomes of the job."""

    SUCCESSFUL = "SUCCESSFUL"
    SCHEDULED = "SCHEDULED"
    READY = "READY"
    DEAD = "DEAD"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    The end of an attempt as a value, before it is a write.

    :param kind: how the attempt ended.
    :param next: what becomes of the job.
    :param delay: seconds until the next attempt, where ``next`` is SCHEDULED.
    :param refund: the attempt is given back.
    :param reason: why, in one line, where an exception alone does not say it.
    :param interrupted: the worker's stop ended it, if it had started.
    """

    kind: Kind
    next: Next
    delay: float | None = None
    refund: bool = False
    reason: str = ""
    interrupted: bool = False


RELEASED = Outcome(Kind.RELEASED, Next.READY, refund=True, interrupted=True)
SUCCEEDED = Outcome(Kind.SUCCEEDED, Next.SUCCESSFUL)
CANCELLED = Outcome(Kind.CANCELLED, Next.CANCELLED, reason="cancelled while running")


def decide(
    policy: Policy,
    attempt: int,
    exception: BaseException | None,
    task_result: Any = None,
) -> Outcome | None:
    """
    What becomes of a job whose attempt number ``attempt`` (from 1) ended with ``exception``.

    :param exception: what the attempt raised; None for success.
    :param task_result: handed to a backoff that is a function.
    :returns: the outcome; None where the claim is lost and nothing may be written.
    """
    match exception:
        case None:
            return SUCCEEDED
        case LeaseLost():
            return None
        case ShuttingDown():
            return RELEASED
        case CancelRequested():
            return CANCELLED
        case Cancel():
            return Outcome(Kind.CANCELLED, Next.CANCELLED, reason=exception.reason)
        case Snooze():
            return Outcome(
                Kind.SNOOZED,
                Next.SCHEDULED,
                delay=exception.after,
                refund=True,
                reason=exception.reason,
            )
        case GiveUp():
            return Outcome(Kind.FAILED, Next.DEAD, reason=exception.reason)
        case InvalidReturnValue():
            # The work is done; doing it again would not make its result storable.
            return Outcome(Kind.FAILED, Next.DEAD, reason="the return value can't be stored")
    kind = Kind.TIMED_OUT if isinstance(exception, TimedOut) else Kind.FAILED
    dead = Outcome(kind, Next.DEAD)
    if attempt >= policy.max_attempts:
        return replace(dead, reason="no attempts left")
    if isinstance(exception, Retry):
        if exception.after is not None:
            return Outcome(kind, Next.SCHEDULED, delay=exception.after, reason=exception.reason)
    elif not policy.is_retryable(exception):
        return replace(dead, reason="not worth another attempt")
    try:
        delay = policy.delay(attempt, exception, task_result)
    except BaseException as error:
        # A broken backoff function must not cost the job its other attempts.
        delay = Backoff().delay(attempt)
        return Outcome(
            kind, Next.SCHEDULED, delay=delay, reason=f"the task's backoff failed: {error!r}"
        )
    if delay is None:
        return replace(dead, reason="the task's backoff gave up")
    return Outcome(kind, Next.SCHEDULED, delay=delay)


def after_unavailable(why: str, waited: float, grace: float) -> Outcome:
    """
    What becomes of a job that this process can't run, but one of another release might: it
    waits without using up an attempt, and is dead once it has waited for long enough.

    :param waited: seconds since it was first claimed.
    :param grace: seconds that it may wait.
    """
    if waited >= grace:
        return Outcome(Kind.FAILED, Next.DEAD, reason="no worker could run it in time")
    # A tenth of the time so far, from ten seconds to ten minutes: a deploy is soon over.
    delay = Backoff(base=min(max(waited / 10, 10.0), 600.0), maximum=600.0).delay(1)
    return Outcome(Kind.SNOOZED, Next.SCHEDULED, delay=delay, refund=True, reason=why)


def after_interruption(
    attempt: int, max_attempts: int, *, interruptions: int, max_interruptions: int
) -> Outcome:
    """
    What becomes of a job that a stop has cut short: it gets its attempt back, but not for ever.
    One that is longer than the time between two stops would never end, and never be dead.

    :param interruptions: how many in a row, with this one.
    :param max_interruptions: with how many they begin to count as failed attempts.
    """
    if interruptions < max_interruptions:
        return RELEASED
    return Outcome(
        Kind.FAILED,
        Next.READY if attempt < max_attempts else Next.DEAD,
        reason=f"interrupted {interruptions} times in a row",
        interrupted=True,
    )


def after_loss(
    attempt: int, max_attempts: int, *, alone: bool, crashes: int, max_crashes: int
) -> Outcome:
    """
    What becomes of a job whose worker is gone: tried again at once, while it may be.

    :param alone: whether its worker held no other job. Else nobody knows which of them it was,
        and none pays for it; but what may be started only once isn't started again.
    :param crashes: how many workers it has lost in a row, with this one.
    :param max_crashes: how many it may lose.
    """
    if not alone and max_attempts > 1:
        return Outcome(
            Kind.LOST, Next.READY, refund=True, reason="the worker was lost, with several jobs"
        )
    if alone and crashes >= max_crashes:
        reason = f"the worker was lost {crashes} times in a row, the last time with this job alone"
        return Outcome(Kind.LOST, Next.DEAD, reason=reason)
    if attempt >= max_attempts:
        return Outcome(Kind.LOST, Next.DEAD, reason="the worker was lost; no attempts left")
    return Outcome(Kind.LOST, Next.READY, reason="the worker was lost")
