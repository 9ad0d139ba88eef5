"""What a running task knows of its job, and how it is told to stop."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar
from uuid import UUID

from .compat import TaskContext, TaskResult
from .token import Token

if TYPE_CHECKING:
    from .capture import Log

P = ParamSpec("P")
R = TypeVar("R")

Report = Callable[[dict[str, Any]], None]
Complete = Callable[[Any], None]
RunStep = Callable[[str, str, Callable[[], Any]], Any]


def _ignore(_: Any) -> None:
    """Where there is no row, progress and outcomes go nowhere."""


def _call(name: str, key: str, call: Callable[[], Any]) -> Any:
    """Where there is no row, a step is a call."""
    return call()


class JobContext(TaskContext):  # type: ignore[type-arg]
    """
    The first argument of a task with ``takes_context=True``, and what ``current_job()``
    returns below any task.

    On another backend, or outside a job, it is *detached*: nothing interrupts it and its
    ``fence`` is 0 and its ``job_id`` None, so that the same code runs there unchanged.
    """

    _task_result: TaskResult[Any, Any] | Callable[[], TaskResult[Any, Any]] | None
    _token: Token
    _attempt: int | None
    _report: Report
    _complete: Complete
    _step: RunStep
    _log: Log | None
    job_id: UUID | None
    fence: int

    def __init__(
        self,
        *,
        task_result: TaskResult[Any, Any] | Callable[[], TaskResult[Any, Any]] | None = None,
        token: Token | None = None,
        attempt: int | None = None,
        fence: int = 0,
        report: Report | None = None,
        complete: Complete | None = None,
        step: RunStep | None = None,
        log: Log | None = None,
        job_id: UUID | None = None,
    ) -> None:
        # The parent is frozen, with slots.
        self.__dict__.update(
            _task_result=task_result,
            _token=token or Token(),
            _attempt=attempt,
            _report=report or _ignore,
            _complete=complete or _ignore,
            _step=step or _call,
            _log=log,
            job_id=job_id,
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

    def step(
        self,
        name: str | tuple[str, object],
        function: Callable[P, R],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """
        Run ``function`` once for this job, whatever the number of its attempts: what it
        returns is stored before this returns, and a later attempt gets that instead.

        A crash between the function's effect and the storing runs it again; hand it a key
        of its own where it must not.

        :param name: of the step, 1 to 100 characters, each its own; in a loop a pair of a
            name and a key, such as ``("ship", item.pk)``, whose text has 100 at most too.
        :returns: what ``function`` returned, as JSON carries it: a tuple comes as a list.
        :raises Interrupt: as ``check()``, before the step begins.
        :raises InvalidReturnValue: JSON can't carry what it returned; the job is dead.
        :raises SynchronousOnlyOperation: in a coroutine.
        """
        of, key = name if isinstance(name, tuple) else (name, "")
        result: R = self._step(of, str(key), lambda: function(*args, **kwargs))
        return result

    def complete(self, return_value: Any = None) -> None:
        """
        Record the job as successful in the transaction that is open on the jobs' database:
        what the task has written in it and the outcome are committed together or not at all.

        What the task does after that commit is not part of the job any more: it is neither
        recorded nor tried again.

        :raises TransactionManagementError: no transaction is open there.
        :raises LeaseLost: this worker no longer owns the job; let it roll the transaction back.
        :raises InvalidReturnValue: JSON can't carry ``return_value``.
        """
        self._complete(return_value)


_current: ContextVar[JobContext | None] = ContextVar("django_jobs_current_job", default=None)


def current_job() -> JobContext:
    """The context of the job that runs here; a detached one outside a job."""
    return _current.get() or JobContext()


def running() -> JobContext | None:
    """The context of the job that runs here; None outside a job."""
    return _current.get()


def enter(context: JobContext) -> None:
    """Make ``context`` the current one, in a ``contextvars.Context`` of the attempt's own."""
    _current.set(context)
