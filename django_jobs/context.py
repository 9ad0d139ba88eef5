"""What a running task knows of its job, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .compat import TaskContext, TaskResult
from .token import Token

Report = Callable[[dict[str, Any]], None]


def _ignore(progress: dict[str, Any]) -> None:
    """Where there is no row, progress goes nowhere."""


class JobContext(TaskContext):  # type: ignore[type-arg]
    """
    The first argument of a task with ``takes_context=True``, and what ``current_job()``
    returns below any task.

    On another backend, or outside a job, it is *detached*: nothing interrupts it and its
    ``fence`` is 0, so that the same code runs there unchanged.
    """

    _task_result: TaskResult[Any, Any] | Callable[[], TaskResult[Any, Any]] | None
    _token: Token
    _attempt: int | None
    _report: Report
    fence: int

    def __init__(
        self,
        *,
        task_result: TaskResult[Any, Any] | Callable[[], TaskResult[Any, Any]] | None = None,
        token: Token | None = None,
        attempt: int | None = None,
        fence: int = 0,
        report: Report | None = None,
    ) -> None:
        # The parent is frozen, with slots.
        self.__dict__.update(
            _task_result=task_result,
            _token=token or Token(),
            _attempt=attempt,
            _report=report or _ignore,
            fence=fence,
        )

    @property
    def task_result(self) -> TaskResult[Any, Any] | None:  # type: ignore[override]
        """The job as ``django.tasks`` sees it; made when it is asked for. None outside a job."""
        return self._task_result() if callable(self._task_result) else self._task_result

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1; 0 outside a job."""
        if self._attempt is not None:
            return self._attempt
        return 0 if self.task_result is None else self.task_result.attempts

    @property
    def cancelled(self) -> bool:
        """Whether the task should end now, for whatever reason."""
        return self._token.interrupt is not None

    @property
    def reason(self) -> str:
        """Why: ``timeout``, ``cancel``, ``shutdown``, ``lease lost``; empty while it may go on."""
        interrupt = self._token.interrupt
        return "" if interrupt is None else interrupt.reason

    def check(self) -> None:
        """
        Call this between steps of a long task: it returns at once, or raises the
        ``Interrupt`` that ends the attempt: ``TimedOut``, ``CancelRequested``,
        ``ShuttingDown`` or ``LeaseLost``.
        """
        self._token.check()

    def wait(self, seconds: float) -> None:
        """
        Sleep for ``seconds``; raises like ``check()`` as soon as the task should end.

        :raises SynchronousOnlyOperation: in a coroutine, where ``await asyncio.sleep()`` does
            the same.
        """
        self._token.wait(seconds)

    def remaining(self) -> float | None:
        """Seconds left of the task's ``timeout``, 0 past it; None where it has none."""
        return self._token.remaining()

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """
        Show how far the task is. The worker writes it from a thread of its own, about once
        a second at most, so it may be called in a tight loop.
        """
        whole = None if total is None else int(total)
        self._report({"done": int(done), "total": whole, "note": str(note)[:200]})


_current: ContextVar[JobContext | None] = ContextVar("django_jobs_current_job", default=None)


def current_job() -> JobContext:
    """The context of the job that runs here; a detached one outside a job."""
    return _current.get() or JobContext()


def enter(context: JobContext) -> None:
    """Make ``context`` the current one, in a ``contextvars.Context`` of the attempt's own."""
    _current.set(context)
