"""The tasks of this package itself."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import router
from django.utils import translation

from .backend import DatabaseBackend
from .compat import DEFAULT_TASK_QUEUE_NAME, task_backends
from .conf import QUEUE_NAME
from .context import JobContext
from .many import STATUSES, Which, again, change, chunks
from .models import Job
from .task import job

CHUNK: Final = 500
# Between two chunks: others that write to the database get their turn.
PAUSE: Final = 0.01
# Of a person who waits for it: it must not stand behind the jobs that it is to cancel.
PRIORITY: Final = 100
CHANGE: Final = 2  # of LogEntry, which is there only with the admin


class Home(NamedTuple):
    """Where a task of ours may be enqueued."""

    backend: str
    queue_name: str


def home() -> Home | None:
    """
    The first backend of ours in TASKS, and its queue ``default``, or where its QUEUES have no
    such the first of them; None without such a backend.
    """
    for alias in task_backends:
        backend = _backend(alias)
        if backend is None:
            continue
        if not backend.queues:
            return Home(alias, DEFAULT_TASK_QUEUE_NAME)
        names = [name for name in backend.queues if QUEUE_NAME.fullmatch(str(name))]
        if names:
            is_there = DEFAULT_TASK_QUEUE_NAME in names
            return Home(alias, DEFAULT_TASK_QUEUE_NAME if is_there else min(names))
    return None


def _backend(alias: str) -> DatabaseBackend | None:
    """That backend, if it is one of ours; another kind may not even load here."""
    try:
        backend = task_backends[alias]
    except Exception:
        return None
    return backend if isinstance(backend, DatabaseBackend) else None


def act_on_jobs(
    context: JobContext, verb: str, which: dict[str, str], user_id: str | None = None
) -> dict[str, int]:
    """
    Do ``verb`` to the jobs ``which``, for a user.

    An attempt that is cut short has done what it has done, and the next one does the rest: each
    chunk is a transaction of its own, and a job that was changed is no longer one that the verb
    is for.

    :param verb: ``retry``, ``discard`` or ``cancel``.
    :param which: as ``Which.values()``.
    :returns: how many rows were changed by the last attempt (``done``), how many of them were
        running and were asked to end (``asked``), and how many are dead still, since another job
        holds their unique key (``held``).
    :raises ValueError: no verb, or no such choice.
    """
    if verb not in STATUSES:
        raise ValueError(f"Jobs can be {', '.join(STATUSES)}, not {verb!r}.")
    using = router.db_for_write(Job)
    jobs = Which.of(which).jobs(verb, using)
    total = sum(jobs.filter(status=status).count() for status in STATUSES[verb])
    report = {"done": 0, "asked": 0, "held": 0}
    try:
        for ids in chunks(jobs, STATUSES[verb], CHUNK):
            context.check()
            again(partial(_change, verb, ids, using, report), using)
            context.progress(report["done"], max(total, report["done"]))
            context.wait(PAUSE)
    finally:
        if report["done"]:
            _log(context, verb, which, user_id, report["done"])
    return report


def _change(verb: str, ids: list[Any], using: str, report: dict[str, int]) -> None:
    changed = change(verb, ids, using)
    # Counted once it is certain.
    report["done"] += changed.done
    report["asked"] += changed.asked
    report["held"] += changed.held


def _log(
    context: JobContext, verb: str, which: Mapping[str, str], user_id: str | None, done: int
) -> None:
    """An entry in the admin's log, where there is one, of what this attempt has done."""
    if not apps.is_installed("django.contrib.admin") or user_id is None:
        return
    if not get_user_model()._default_manager.filter(pk=user_id).exists():
        return
    result = context.task_result
    chosen = ", ".join(f"{name}={value}" for name, value in sorted(which.items()))
    with translation.override(None):
        apps.get_model("admin", "LogEntry")._default_manager.create(
            user_id=user_id,
            content_type=apps.get_model(
                "contenttypes", "ContentType"
            )._default_manager.get_for_model(Job),
            object_id=result.id if result else None,
            object_repr=f"{verb.capitalize()}: {done}",
            action_flag=CHANGE,
            change_message=f"{verb.capitalize()}: {done} jobs, chosen by {chosen}.",
        )


def _as_task(function: Any) -> Any:
    """``function`` as a task, where the project has a backend for it."""
    to = home()
    if to is None:
        return function
    return job(
        backend=to.backend,
        queue_name=to.queue_name,
        takes_context=True,
        priority=PRIORITY,
        timeout=None,
        max_attempts=5,
    )(function)


act_on_jobs = _as_task(act_on_jobs)
