"""
Validate a call and insert its row, in the caller's own transaction.

The functions that business code calls, ``enqueue_on_commit()``, ``on_commit()`` and
``enqueue_many()``, work with every ``django.tasks`` backend.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar
from uuid import UUID

from django.db import connections, router, transaction
from django.utils import timezone

from .arguments import check_arguments
from .compat import Task, TaskResult, TaskResultStatus, task_enqueued
from .db.dialects import IDENTIFIER, INTEGER, JSON_TEXT, MOMENT, SECONDS, TEXT, Dialect, dialect
from .exceptions import InvalidArgument
from .ids import uuid7
from .signals import is_heard, send
from .task import policy_of

if TYPE_CHECKING:
    from .backend import DatabaseBackend

P = ParamSpec("P")
R = TypeVar("R")

BULK_SIZE: Final = 1000

# What a row begins as, beyond what is the same for all.
_COLUMNS: Final = {
    "id": IDENTIFIER,
    "task_path": TEXT,
    "queue_name": TEXT,
    "backend_name": TEXT,
    "priority": INTEGER,
    "status": TEXT,
    "args": JSON_TEXT,
    "kwargs": JSON_TEXT,
    "max_attempts": INTEGER,
    "run_after": MOMENT,
    "delay": SECONDS,
    "enqueued_at": MOMENT,
    "metadata": JSON_TEXT,
}


@dataclass(slots=True, kw_only=True)
class Prepared:
    """
    A call that has been checked: the row that it will be.

    :param run_after: None for at once; a ``timedelta`` counts from the insert.
    :param stored: ``args`` and ``kwargs`` as JSON.
    """

    id: UUID
    task: Task[Any, Any]
    backend: DatabaseBackend
    args: list[Any]
    kwargs: dict[str, Any]
    stored: tuple[str, str]
    run_after: datetime | timedelta | None
    max_attempts: int
    enqueued_at: datetime
    metadata: dict[str, Any] = field(default_factory=dict)

    def result(self) -> TaskResult[Any, Any]:
        """What ``django.tasks`` gets to see."""
        return TaskResult(
            task=self.task,
            id=str(self.id),
            status=TaskResultStatus.READY,
            enqueued_at=self.enqueued_at,
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=self.args,
            kwargs=self.kwargs,
            backend=self.backend.alias,
            errors=[],
            worker_ids=[],
        )


def prepare(
    backend: DatabaseBackend, task: Task[Any, Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Prepared:
    """
    Check a call, without a look at the database.

    :raises InvalidTask: the backend doesn't take this task.
    :raises InvalidArgument: the arguments don't fit the task, or JSON can't carry them.
    """
    backend.validate_task(task)
    options = backend.jobs_options
    _check_call(task, args, kwargs)
    checked_args, checked_kwargs, stored = check_arguments(
        args,
        kwargs,
        max_bytes=options.arguments_max_bytes,
        max_depth=options.arguments_max_depth,
    )
    return Prepared(
        id=uuid7(),
        task=task,
        backend=backend,
        args=checked_args,
        kwargs=checked_kwargs,
        stored=stored,
        run_after=task.run_after,
        max_attempts=policy_of(task, options.policy).max_attempts,
        enqueued_at=timezone.now(),
    )


def insert(calls: Sequence[Prepared], using: str) -> None:
    """Insert the rows of ``calls``, with one statement and in the caller's transaction."""
    from .models import Job

    connection = connections[using]
    speaks = dialect(connection)
    rows = speaks.dump(_row(call, speaks) for call in calls)
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(_insert(speaks, Job._meta.db_table), [rows])


@cache
def _insert(speaks: Dialect, table: str) -> str:
    values = {column: f"t.{column}" for column in _COLUMNS if column != "delay"}
    # Whether it is due is for the database's clock to say, in promote().
    values["run_after"] = f"COALESCE(t.run_after, {speaks.later('t.delay')})"
    values |= {"attempts": "0", "claim_no": "0", "crashes": "0", "last_error": "''"}
    return speaks.insert(table, _COLUMNS, values)


def _row(call: Prepared, speaks: Dialect) -> tuple[Any, ...]:
    """One row of _COLUMNS."""
    task, when = call.task, call.run_after
    return (
        speaks.uuid(call.id),
        task.module_path,
        task.queue_name,
        call.backend.alias,
        task.priority,
        "READY" if when is None else "SCHEDULED",
        *call.stored,
        call.max_attempts,
        speaks.text(when) if isinstance(when, datetime) else None,
        when.total_seconds() if isinstance(when, timedelta) else 0,
        speaks.text(call.enqueued_at),
        json.dumps(call.metadata) if call.metadata else "{}",
    )


def enqueue(call: Prepared) -> TaskResult[Any, Any]:
    """Insert the row of ``call`` and tell ``task_enqueued``."""
    from .models import Job

    insert([call], router.db_for_write(Job))
    return announce(call)


def announce(call: Prepared) -> TaskResult[Any, Any]:
    """Send ``task_enqueued``."""
    result = call.result()
    send(task_enqueued, type(call.backend), result)
    return result


def enqueue_on_commit(task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> str | None:
    """
    Enqueue ``task`` once the current transaction commits; see ``on_commit()``.

    :returns: the id that the job will have, where the backend is django_jobs; else None.
    """
    return on_commit(task).enqueue(*args, **kwargs)


def on_commit(task: Task[P, R], using: str | None = None) -> OnCommit[P, R]:
    """
    ``on_commit(task, using="other").enqueue(…)`` enqueues after ``other`` has committed.

    Weaker than ``task.enqueue()``, which is part of the transaction: a crash between the
    commit and the callback loses the job. It is for work whose trigger lives in another
    database than the jobs, and for backends that know no transactions.
    """
    return OnCommit(task, using)


@dataclass(frozen=True, slots=True)
class OnCommit(Generic[P, R]):
    """A task whose ``enqueue()`` waits for the commit on the connection ``using``."""

    task: Task[P, R]
    using: str | None = None

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> str | None:
        """
        Check the call now, enqueue it after the commit.

        An error of the database at that time is logged by Django, as the commit can't be
        undone any more.

        :returns: the id that the job will have, where the backend is django_jobs; else None.
        """
        backend: Any = self.task.get_backend()
        call = backend.prepare(self.task, args, kwargs) if hasattr(backend, "prepare") else None

        # Not a partial: Django logs the __qualname__ of a callback that fails, and before 6.1
        # loses the callbacks after it where it has none.
        def enqueue_now() -> None:
            if call is None:
                self.task.enqueue(*args, **kwargs)
            else:
                enqueue(call)

        transaction.on_commit(enqueue_now, using=self.using, robust=True)
        return None if call is None else str(call.id)


def enqueue_many(
    task: Task[Any, Any], calls: Iterable[Mapping[str, Any] | Sequence[Any]]
) -> list[str]:
    """
    Enqueue ``task`` once for each of ``calls``, all or none of them.

    :param calls: for each job a dict of its keyword arguments, or a sequence of its
        positional ones. It is read a thousand at a time and never held whole.
    :returns: the ids, in the order of ``calls``.
    :raises InvalidArgument: as ``task.enqueue()`` does; nothing is enqueued then.
    """
    backend: Any = task.get_backend()
    if not hasattr(backend, "prepare"):
        return [task.enqueue(*args, **kwargs).id for args, kwargs in map(_call, calls)]

    from .models import Job

    using = router.db_for_write(Job)
    ids: list[str] = []
    rest = iter(calls)
    with transaction.atomic(using=using):
        while chunk := list(islice(rest, BULK_SIZE)):
            prepared = [backend.prepare(task, args, kwargs) for args, kwargs in map(_call, chunk)]
            insert(prepared, using)
            if is_heard(task_enqueued):
                for call in prepared:
                    announce(call)
            ids += [str(call.id) for call in prepared]
    return ids


def _call(call: Mapping[str, Any] | Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(call, Mapping):
        return (), dict(call)
    if isinstance(call, str | bytes) or not isinstance(call, Sequence):
        raise InvalidArgument(
            "calls",
            f"holds {call!r}; give a dict of keyword arguments or a list of positional ones.",
        )
    return tuple(call), {}


@lru_cache(maxsize=1024)
def _signature(func: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(func)


def _check_call(task: Task[Any, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """A call that Python would refuse is refused here, where its author sees it."""
    context = (None,) if task.takes_context else ()
    try:
        _signature(task.func).bind(*context, *args, **kwargs)
    except TypeError as error:
        raise InvalidArgument(f"{task.name}()", str(error)) from None
