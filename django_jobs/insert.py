"""
Check a call and insert its row: the way of every enqueue, with one statement and in the
caller's own transaction.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connections, router, transaction
from django.utils import timezone

from .arguments import check_arguments
from .compat import Task, TaskResult, TaskResultStatus, task_enqueued
from .db.dialects import IDENTIFIER, JSON_TEXT, Dialect, dialect
from .db.wakeup import notify_clause
from .exceptions import InvalidArgument
from .ids import uuid7
from .signals import enqueued_is_heard, send
from .task import check_atomic, misfit, policy_of

if TYPE_CHECKING:
    from .backend import DatabaseBackend

# What differs between the calls of one task.
_COLUMNS: Final = {
    "id": IDENTIFIER,
    "args": JSON_TEXT,
    "kwargs": JSON_TEXT,
    "metadata": JSON_TEXT,
}


@dataclass(frozen=True, slots=True)
class Target:
    """A task that may be enqueued, and what all of its jobs have in common."""

    task: Task[Any, Any]
    backend: DatabaseBackend
    max_attempts: int


@dataclass(slots=True)
class Prepared:
    """
    A call that has been checked: the row that it will be.

    :param stored: ``args`` and ``kwargs`` as JSON.
    """

    id: UUID
    # In no repr, which an error report would show.
    args: list[Any] = field(repr=False)
    kwargs: dict[str, Any] = field(repr=False)
    stored: tuple[str, str] = field(repr=False)
    metadata: dict[str, Any] = field(default_factory=dict)


def target(backend: DatabaseBackend, task: Task[Any, Any]) -> Target:
    """
    Check a task.

    :raises InvalidTask: the backend doesn't take it, or it is atomic on another database than
        that of the jobs.
    """
    # A task is a value, and what is said of it holds as long as its backend does.
    if task.run_after is None and isinstance(getattr(task, "backoff", None), Hashable):
        return _known_target(backend, task)
    return _target(backend, task)


def _target(backend: DatabaseBackend, task: Task[Any, Any]) -> Target:
    from .models import Job

    backend.validate_task(task)
    check_atomic(task, router.db_for_write(Job))
    return Target(task, backend, policy_of(task, backend.jobs_options.policy).max_attempts)


_known_target: Final = lru_cache(maxsize=1024)(_target)


def prepare(target: Target, args: Sequence[Any], kwargs: dict[str, Any]) -> Prepared:
    """
    Check a call, without a look at the database.

    :raises InvalidArgument: the arguments don't fit the task, or JSON can't carry them.
    """
    options = target.backend.jobs_options
    _check_call(target.task, args, kwargs)
    checked = check_arguments(
        args,
        kwargs,
        max_bytes=options.arguments_max_bytes,
        max_depth=options.arguments_max_depth,
    )
    return Prepared(uuid7(), *checked)


def insert(target: Target, calls: Sequence[Prepared], using: str) -> datetime:
    """
    Insert the rows of ``calls``, with one statement and in the caller's transaction.

    :returns: when they were enqueued.
    """
    connection = connections[using]
    speaks = dialect(connection)
    task, now = target.task, timezone.now()
    due, when = _due(task.run_after, speaks)
    rows = [
        (speaks.uuid(c.id), *c.stored, json.dumps(c.metadata) if c.metadata else "{}")
        for c in calls
    ]
    one = len(rows) == 1
    notify = target.backend.jobs_options.notify
    tell, told = notify_clause(using, task.queue_name) if notify else ("", [])
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(
            _insert(speaks, due, one) + tell,
            [
                task.module_path,
                task.queue_name,
                target.backend.alias,
                task.priority,
                target.max_attempts,
                *when,
                speaks.text(now),
                *(rows[0] if one else [speaks.dump(rows)]),
                *told,
            ],
        )
    return now


@cache
def _insert(speaks: Dialect, due: str, one: bool) -> str:
    from .models import Job, Status

    # Whether it is due is for the database's clock to say, in promote().
    status = Status.READY if due == speaks.now else Status.SCHEDULED
    values = {
        "task_path": "%s",
        "queue_name": "%s",
        "backend_name": "%s",
        "priority": "%s",
        "max_attempts": "%s",
        "run_after": due,
        "enqueued_at": speaks.cast("%s"),
        **{column: "%s" if one else f"t.{column}" for column in _COLUMNS},
        "status": f"'{status}'",
        "attempts": "0",
        "claim_no": "0",
        "crashes": "0",
        "last_error": "''",
    }
    return speaks.insert(Job._meta.db_table, values, None if one else _COLUMNS)


def _due(when: datetime | timedelta | None, speaks: Dialect) -> tuple[str, list[Any]]:
    """``run_after`` as an expression, and its parameters."""
    if when is None:
        return speaks.now, []
    if isinstance(when, timedelta):
        return speaks.later("%s"), [when.total_seconds()]
    return speaks.cast("%s"), [speaks.text(when)]


def enqueue(target: Target, call: Prepared) -> TaskResult[Any, Any]:
    """Insert the row of ``call`` and tell ``task_enqueued``."""
    from .models import Job

    return announce(target, call, insert(target, [call], router.db_for_write(Job)))


def announce(target: Target, call: Prepared, enqueued_at: datetime) -> TaskResult[Any, Any]:
    """Send ``task_enqueued``; returns what it was sent with."""
    result: TaskResult[Any, Any] = TaskResult(
        task=target.task,
        id=str(call.id),
        status=TaskResultStatus.READY,
        enqueued_at=enqueued_at,
        started_at=None,
        finished_at=None,
        last_attempted_at=None,
        args=call.args,
        kwargs=call.kwargs,
        backend=target.backend.alias,
        errors=[],
        worker_ids=[],
    )
    if enqueued_is_heard():
        send(task_enqueued, type(target.backend), result)
    return result


def _check_call(task: Task[Any, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> None:
    """A call that Python would refuse is refused here, where its author sees it."""
    if problem := misfit(task, args, kwargs):
        raise InvalidArgument(f"{task.name}()", problem)
