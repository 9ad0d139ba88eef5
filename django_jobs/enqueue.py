"""
Validate a call and insert its row, in the caller's own transaction.

The functions that business code calls, ``enqueue_on_commit()``, ``on_commit()`` and
``enqueue_many()``, work with every ``django.tasks`` backend.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, ParamSpec, TypeVar

from django.db import router, transaction
from django.utils import timezone

from .arguments import check_arguments
from .compat import Task, TaskResult, task_enqueued
from .exceptions import InvalidArgument
from .task import policy_of

if TYPE_CHECKING:
    from .backend import DatabaseBackend
    from .models import Job

P = ParamSpec("P")
R = TypeVar("R")

BULK_SIZE: Final = 1000

logger = logging.getLogger("django_jobs")


def prepare(
    backend: DatabaseBackend, task: Task[Any, Any], args: Sequence[Any], kwargs: dict[str, Any]
) -> Job:
    """
    The row for a call, not yet inserted.

    :raises InvalidTask: the backend doesn't take this task.
    :raises InvalidArgument: the arguments don't fit the task, or JSON can't carry them.
    """
    from .db.clock import DbNow
    from .models import Job, Status

    backend.validate_task(task)
    options = backend.jobs_options
    _check_call(task, args, kwargs)
    checked_args, checked_kwargs = check_arguments(
        args,
        kwargs,
        max_bytes=options.arguments_max_bytes,
        max_depth=options.arguments_max_depth,
    )
    run_after: Any = task.run_after
    if isinstance(run_after, timedelta):
        run_after = DbNow() + run_after
    return Job(
        task_path=task.module_path,
        queue_name=task.queue_name,
        backend_name=backend.alias,
        priority=task.priority,
        # Whether it is due is for the database's clock to say, in promote().
        status=Status.READY if run_after is None else Status.SCHEDULED,
        args=checked_args,
        kwargs=checked_kwargs,
        max_attempts=policy_of(task, options.policy).max_attempts,
        run_after=DbNow() if run_after is None else run_after,
        enqueued_at=timezone.now(),
    )


def insert(backend: DatabaseBackend, task: Task[P, R], job: Job) -> TaskResult[P, R]:
    """Insert a prepared row, with one statement, and tell ``task_enqueued``."""
    from .models import Job

    job.save(force_insert=True, using=router.db_for_write(Job))
    return announce(backend, task, job)


def announce(backend: DatabaseBackend, task: Task[P, R], job: Job) -> TaskResult[P, R]:
    from .results import new_result, send

    result = new_result(task, job)
    send(task_enqueued, type(backend), result)
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
        job = backend.prepare(self.task, args, kwargs) if hasattr(backend, "prepare") else None

        # Not a partial: Django logs the __qualname__ of a callback that fails, and before 6.1
        # loses the callbacks after it where it has none.
        def enqueue_now() -> None:
            if job is None:
                self.task.enqueue(*args, **kwargs)
            else:
                insert(backend, self.task, job)

        transaction.on_commit(enqueue_now, using=self.using, robust=True)
        return None if job is None else str(job.id)


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
            jobs = [backend.prepare(task, args, kwargs) for args, kwargs in map(_call, chunk)]
            Job.objects.using(using).bulk_create(jobs)
            for job in jobs:
                announce(backend, task, job)
            ids += [str(job.id) for job in jobs]
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
