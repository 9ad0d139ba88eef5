"""
What a task may raise to steer its job, what the context raises to interrupt it, and the
errors of the public calls. Each carries its data as attributes.
"""

from datetime import timedelta
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

Delay = float | timedelta
"""A delay: seconds, or a timedelta."""

LONGEST_DELAY: Final = 100 * 365 * 86400
"""A hundred years in seconds: more would leave the calendar of one database or another."""


def seconds(delay: Delay) -> float:
    """``delay`` in seconds. Raises ``ValueError`` where it isn't from 0 to a hundred years."""
    value = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    if not 0 <= value <= LONGEST_DELAY:
        raise ValueError(f"A delay must be from 0 seconds to a hundred years, not {delay!r}.")
    return value


class JobsError(Exception):
    """The base of this package's errors."""

    def __reduce__(self) -> Any:
        # What they are made of is not what they say, which is all that an exception's own
        # way of being pickled knows.
        return _made_again, (type(self), self.args), self.__dict__


def _made_again(kind: type[JobsError], args: tuple[Any, ...]) -> JobsError:
    return kind.__new__(kind, *args)


# Raised by a task to steer its job.


class Steer(JobsError):
    """The base of what a task raises to say what becomes of its job."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Retry(Steer):
    """
    Try again: the attempt counts, and the next one comes after ``after`` (seconds or a
    timedelta; by default what the task's backoff says). With no attempt left the job dies.
    """

    def __init__(self, reason: str = "", *, after: Delay | None = None) -> None:
        super().__init__(reason)
        self.after = None if after is None else seconds(after)


class Snooze(Steer):
    """Put the job off by ``after`` (seconds or a timedelta) without using up an attempt."""

    def __init__(self, reason: str = "", *, after: Delay) -> None:
        super().__init__(reason)
        self.after = seconds(after)


class GiveUp(Steer):
    """Trying again is pointless: the job is dead now and waits for a person."""


class Cancel(Steer):
    """The work is no longer wanted: the job ends as cancelled."""


# Raised by the job's context to interrupt a task.


class Interrupt(BaseException):
    """
    The base of what ``JobContext.check()`` and ``wait()`` raise.

    Not an ``Exception``, for the reason ``asyncio.CancelledError`` is none: an
    ``except Exception`` around a task's work must not swallow the request to stop.
    """

    reason: str = ""


class TimedOut(Interrupt):
    """The attempt ran longer than the task's ``timeout``. It counts as a failed attempt."""

    reason = "timeout"


class CancelRequested(Interrupt):
    """Somebody asked for this running job to be cancelled."""

    reason = "cancel"


class ShuttingDown(Interrupt):
    """
    The worker stops. The job goes back to its queue with the attempt given back, unless that
    has happened too often in a row.
    """

    reason = "shutdown"


class LeaseLost(Interrupt):
    """This worker no longer owns the job; whatever it does now will not be recorded."""

    reason = "lease lost"


# Raised by the public calls.


class InvalidArgument(JobsError, TypeError, ValueError):
    """
    An argument or return value that JSON can't carry back unchanged.

    Both a ``TypeError`` and a ``ValueError``, since Django's own backends raise one or the
    other for the same mistake.

    ``path`` names the place, such as ``kwargs['order'][0]``; ``problem`` says what is wrong
    and what to do about it.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class InvalidReturnValue(InvalidArgument):
    """What a task returned can't be stored. The job is dead, as its work has been done."""


class UniqueKeyContended(JobsError):
    """
    The key of a unique job was taken by others, and given up again, as often as it was tried
    (``tries``). Nothing is inserted, and the transaction is sound.
    """

    def __init__(self, tries: int) -> None:
        super().__init__(
            f"In each of {tries} tries another job held the unique key, and had ended before it "
            "could be read."
        )
        self.tries = tries


class TaskUnavailable(JobsError):
    """This process can't run the job, but one of another release may: the job waits for it."""


class UnknownTask(TaskUnavailable):
    """No task of that path is known to this process."""

    def __init__(self, task_path: str) -> None:
        super().__init__(
            f"Unknown task {task_path!r}: no module imported by this process defines it. "
            "Tasks are looked for in the 'tasks' module of each installed app and in "
            "OPTIONS['TASK_MODULES']."
        )
        self.task_path = task_path


class TaskChanged(TaskUnavailable):
    """The task no longer takes the arguments that the job was enqueued with."""

    def __init__(self, task_path: str, problem: str) -> None:
        super().__init__(
            f"The task {task_path!r} does not take the arguments of this job ({problem}): it "
            "was enqueued by another release."
        )
        self.task_path = task_path
        self.problem = problem


class TaskModuleError(JobsError):
    """A module of tasks could not be imported; ``module`` names it."""

    def __init__(self, module: str, error: BaseException) -> None:
        super().__init__(f"Can't import the tasks of {module!r}: {type(error).__name__}: {error}")
        self.module = module


class Concealed(JobsError):
    """
    Stands in the log for what a job with sensitive arguments raised: its masked text, without
    the frames, whose variables an error report would show.
    """


class InvalidOptions(ImproperlyConfigured):
    """``TASKS[alias]["OPTIONS"]`` is not usable; the system checks list each problem."""
