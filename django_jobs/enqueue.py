"""
The functions that business code calls besides ``task.enqueue()``. They work with every
``django.tasks`` backend.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

from django.db import router, transaction

from .compat import Task
from .exceptions import InvalidArgument
from .insert import announce, enqueue, insert, prepare, target
from .signals import enqueued_is_heard

if TYPE_CHECKING:
    from .backend import DatabaseBackend

P = ParamSpec("P")
R = TypeVar("R")

BULK_SIZE: Final = 1000


def enqueue_on_commit(task: Task[P, R], *args: P.args, **kwargs: P.kwargs) -> str | None:
    """
    Enqueue ``task`` once the current transaction commits; see ``on_commit()``.

    :returns: the id that the job will have, where the backend is django_jobs; else None. None
        too where the task is unique: another job may hold the key by then.
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

        :returns: the id that the job will have, where the backend is django_jobs; else None. None
            too where the task is unique: another job may hold the key by then.
        """
        backend = _database_backend(self.task)
        if backend is None:
            call = None
        else:
            to = target(backend, self.task)
            call = prepare(to, args, kwargs)

        # Not a partial: Django logs the __qualname__ of a callback that fails, and before 6.1
        # loses the callbacks after it where it has none.
        def enqueue_now() -> None:
            if call is None:
                self.task.enqueue(*args, **kwargs)
            else:
                enqueue(to, call)

        transaction.on_commit(enqueue_now, using=self.using, robust=True)
        return None if call is None or call.key else str(call.id)


def enqueue_many(
    task: Task[Any, Any], calls: Iterable[Mapping[str, Any] | Sequence[Any]]
) -> list[str]:
    """
    Enqueue ``task`` once for each of ``calls``, all or none of them.

    :param calls: for each job a dict of its keyword arguments, or a sequence of its
        positional ones. It is read a thousand at a time and never held whole.
    :returns: the ids, in the order of ``calls``. Calls of a unique task that have the same key
        have the same id, which is that of the job that holds it.
    :raises InvalidArgument: as ``task.enqueue()`` does; nothing is enqueued then.
    """
    backend = _database_backend(task)
    if backend is None:
        return [task.enqueue(*args, **kwargs).id for args, kwargs in map(_call, calls)]

    from .models import Job

    using = router.db_for_write(Job)
    to = target(backend, task)
    ids: list[str] = []
    rest = iter(calls)
    with transaction.atomic(using=using):
        while chunk := list(islice(rest, BULK_SIZE)):
            prepared = [prepare(to, args, kwargs) for args, kwargs in map(_call, chunk)]
            enqueued_at = insert(to, prepared, using)
            if enqueued_is_heard():
                for call in prepared:
                    if call.is_new:
                        announce(to, call, enqueued_at)
            ids += [str(call.id) for call in prepared]
    return ids


def _database_backend(task: Task[Any, Any]) -> DatabaseBackend | None:
    """The backend of ``task`` where it is ours."""
    from .backend import DatabaseBackend

    backend = task.get_backend()
    return backend if isinstance(backend, DatabaseBackend) else None


def _call(call: Mapping[str, Any] | Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(call, Mapping):
        return (), dict(call)
    if isinstance(call, str | bytes) or not isinstance(call, Sequence):
        raise InvalidArgument(
            "calls",
            f"holds {call!r}; give a dict of keyword arguments or a list of positional ones.",
        )
    return tuple(call), {}
