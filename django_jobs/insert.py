"""
Check a call and insert its row: the way of every enqueue, with one statement and in the
caller's own transaction. Where the row is of a unique job, and another one holds its key, there
is no row, and one more statement that finds the other.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from django.db import connections, router, transaction
from django.utils import timezone

from .arguments import check_arguments
from .compat import Task, TaskResult, TaskResultStatus, task_enqueued
from .context import running
from .db.dialects import IDENTIFIER, JSON_TEXT, TEXT, Dialect, dialect
from .db.parameters import dump
from .db.wakeup import notify_clause
from .exceptions import InvalidArgument
from .hold import hold
from .ids import uuid7
from .signals import enqueued_is_heard, send
from .task import check_atomic, misfit, policy_of
from .unique import KeyMaker, key_maker

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .models import Job

# What differs between the calls of one task.
_COLUMNS: Final = {
    "id": IDENTIFIER,
    "args": JSON_TEXT,
    "kwargs": JSON_TEXT,
    "metadata": JSON_TEXT,
}
_UNIQUE_COLUMNS: Final = {**_COLUMNS, "unique_key": TEXT}


@dataclass(frozen=True, slots=True)
class Target:
    """
    A task that may be enqueued, and what all of its jobs have in common.

    :param unique: makes the keys of its jobs; None where they have none.
    """

    task: Task[Any, Any]
    backend: DatabaseBackend
    max_attempts: int
    unique: KeyMaker | None


@dataclass(slots=True)
class Prepared:
    """
    A call that has been checked: the row that it will be.

    :param stored: ``args`` and ``kwargs`` as JSON.
    :param key: of a unique job; empty for any other.
    :param is_new: whether the row is its own: false once it turned out that another one holds
        its key, whose ``id`` it then has.
    :param holder: that one, where it was there before.
    """

    id: UUID
    # In no repr, which an error report would show.
    args: list[Any] = field(repr=False)
    kwargs: dict[str, Any] = field(repr=False)
    stored: tuple[str, str] = field(repr=False)
    metadata: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    is_new: bool = True
    holder: Job | None = field(default=None, repr=False)


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
    max_attempts = policy_of(task, backend.jobs_options.policy).max_attempts
    return Target(task, backend, max_attempts, key_maker(task))


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
    call = Prepared(uuid7(), *checked)
    if target.unique is not None:
        call.key = target.unique.key(call.args, call.kwargs)
    return call


def insert(target: Target, calls: Sequence[Prepared], using: str) -> datetime:
    """
    Insert the rows of ``calls``, with one statement and in the caller's transaction.

    Of those that have a unique key only the ones whose key is free; see ``hold()``.

    :returns: when they were enqueued.
    :raises UniqueKeyContended: as ``hold()`` does.
    """
    now = timezone.now()
    if target.unique is None:
        _write(target, using, now, calls)
    else:
        hold(calls, partial(_write, target, using, now), using)
    return now


def _write(target: Target, using: str, now: datetime, calls: Sequence[Prepared]) -> int:
    """The statement; returns the number of rows that it says."""
    connection = connections[using]
    speaks = dialect(connection)
    task, parent = target.task, running()
    due, when = _due(task.run_after, speaks)
    rows: list[tuple[Any, ...]] = [
        (speaks.uuid(c.id), *c.stored, json.dumps(c.metadata) if c.metadata else "{}")
        for c in calls
    ]
    unique = target.unique is not None
    if unique:
        rows = [(*row, call.key) for row, call in zip(rows, calls, strict=True)]
    one = len(rows) == 1 and not unique
    notify = target.backend.jobs_options.notify
    tell, told = notify_clause(using, task.queue_name, sure=not unique) if notify else ("", [])
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(
            _insert(speaks, due, one, unique) + tell,
            [
                task.module_path,
                task.queue_name,
                target.backend.alias,
                task.priority,
                target.max_attempts,
                *when,
                speaks.text(now),
                None if parent is None or parent.job_id is None else speaks.uuid(parent.job_id),
                *(rows[0] if one else [dump(rows)]),
                *told,
            ],
        )
        return int(cursor.rowcount)


@cache
def _insert(speaks: Dialect, due: str, one: bool, unique: bool) -> str:
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
        "parent_id": "%s",
        **{column: "%s" if one else f"t.{column}" for column in _COLUMNS},
        "status": f"'{status}'",
        "attempts": "0",
        "claim_no": "0",
        "crashes": "0",
        "last_error": "''",
    }
    table = Job._meta.db_table
    if unique:
        keys = dict.fromkeys(("unique_hash", "unique_key"), "t.unique_key")
        return speaks.insert_unless_held(table, "unique_hash", values | keys, _UNIQUE_COLUMNS)
    return speaks.insert(table, values, None if one else _COLUMNS)


def _due(when: datetime | timedelta | None, speaks: Dialect) -> tuple[str, list[Any]]:
    """``run_after`` as an expression, and its parameters."""
    if when is None:
        return speaks.now, []
    if isinstance(when, timedelta):
        return speaks.later("%s"), [when.total_seconds()]
    return speaks.cast("%s"), [speaks.text(when)]


def enqueue(target: Target, call: Prepared) -> TaskResult[Any, Any]:
    """
    Insert the row of ``call`` and tell ``task_enqueued``; or the result of the job that holds
    its unique key.
    """
    from .models import Job

    using = router.db_for_write(Job)
    enqueued_at = insert(target, [call], using)
    if call.holder is None:
        return announce(target, call, enqueued_at)
    from .results import current_result

    return current_result(target.task, call.holder)


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
