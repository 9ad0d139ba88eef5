"""Enqueue jobs once more, the way that any call takes: looked up, validated, inserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext as _

from ..backend import DatabaseBackend
from ..compat import InvalidTask, InvalidTaskBackend, Task, task_backends
from ..enqueue import Prepared, announce, insert
from ..exceptions import JobsError, UnknownTask
from ..models import Job
from ..registry import discover, find_task

COPY_OF = "copy_of"


class NoDatabaseBackend(JobsError):
    """The job's backend is gone from the settings, or has become another kind."""

    def __init__(self, alias: str) -> None:
        super().__init__(_("TASKS has no django_jobs backend %(alias)r.") % {"alias": alias})
        self.alias = alias


@dataclass(slots=True)
class Copies:
    """What was made, of which jobs, and why others have no copy."""

    made: list[Prepared] = field(default_factory=list)
    originals: list[Job] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def ids(self) -> list[UUID]:
        return [copy.id for copy in self.made]

    def announce(self) -> None:
        """Send ``task_enqueued`` for each, once they are there for good."""
        for copy in self.made:
            announce(copy)


def enqueue_copies(jobs: Iterable[Job], using: str) -> Copies:
    """Insert a copy of each of ``jobs``, to be run now, with one statement for all of them."""
    copies = Copies()
    for job in jobs:
        try:
            copies.made.append(_prepare(job))
        except (JobsError, InvalidTask, InvalidTaskBackend, ImproperlyConfigured) as error:
            copies.reasons[str(error)] += 1
        else:
            copies.originals.append(job)
    insert(copies.made, using)
    return copies


def _prepare(job: Job) -> Prepared:
    try:
        backend = task_backends[job.backend_name]
    except InvalidTaskBackend:
        backend = None
    if not isinstance(backend, DatabaseBackend):
        raise NoDatabaseBackend(job.backend_name)
    task = _find(job.task_path, backend).using(
        queue_name=job.queue_name, priority=job.priority, backend=job.backend_name
    )
    copy = backend.prepare(task, job.args, job.kwargs)
    copy.metadata[COPY_OF] = str(job.pk)
    return copy


def _find(task_path: str, backend: DatabaseBackend) -> Task[Any, Any]:
    try:
        return find_task(task_path)
    except UnknownTask:
        # A web process need not have imported every module of tasks yet.
        discover(backend.jobs_options.task_modules)
        return find_task(task_path)
