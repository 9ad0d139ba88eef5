"""Enqueue jobs once more, the way that any call takes: looked up, validated, inserted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext as _

from ..backend import DatabaseBackend
from ..compat import InvalidTask, InvalidTaskBackend, task_backends
from ..exceptions import JobsError
from ..insert import Prepared, Target, announce, insert, prepare, target
from ..many import ACT_ON_JOBS
from ..models import Job
from ..registry import look_up

COPY_OF = "copy_of"

Place = tuple[str, str, str, int]


class NoDatabaseBackend(JobsError):
    """The job's backend is gone from the settings, or has become another kind."""

    def __init__(self, alias: str) -> None:
        super().__init__(_("TASKS has no django_jobs backend %(alias)r.") % {"alias": alias})
        self.alias = alias


class IsAnAction(JobsError):
    """The job does to many others what somebody who was allowed to had confirmed."""

    def __init__(self) -> None:
        super().__init__(_("It does an action of the list: start that there again."))


@dataclass(slots=True)
class Copies:
    """
    What was made, of which jobs, and why others have no copy.

    :param holders: the jobs that hold the unique keys of others, so that there is none.
    """

    made: dict[Place, tuple[Target, list[Prepared]]] = field(default_factory=dict)
    originals: list[Job] = field(default_factory=list)
    holders: list[UUID] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    enqueued_at: datetime = field(default_factory=timezone.now)

    @property
    def ids(self) -> list[UUID]:
        return [copy.id for _target, copies in self.made.values() for copy in copies]

    def announce(self) -> None:
        """Send ``task_enqueued`` for each, once they are there for good."""
        for to, copies in self.made.values():
            for copy in copies:
                announce(to, copy, self.enqueued_at)


def enqueue_copies(jobs: Iterable[Job], using: str) -> Copies:
    """
    Insert a copy of each of ``jobs``, to be run now, with one statement for all those of a
    task in a queue.
    """
    copies, copied = Copies(), []
    for job in jobs:
        place = (job.backend_name, job.task_path, job.queue_name, job.priority)
        try:
            if place not in copies.made:
                copies.made[place] = (_target(job), [])
            to, made = copies.made[place]
            copy = prepare(to, job.args, job.kwargs)
        except (JobsError, InvalidTask, InvalidTaskBackend, ImproperlyConfigured) as error:
            copies.reasons[str(error)] += 1
        else:
            copy.metadata[COPY_OF] = str(job.pk)
            made.append(copy)
            copied.append((job, copy))
    for to, made in copies.made.values():
        if made:
            copies.enqueued_at = insert(to, made, using)
            made[:] = [copy for copy in made if copy.is_new]
    copies.originals = [job for job, copy in copied if copy.is_new]
    copies.holders = [copy.id for _job, copy in copied if not copy.is_new]
    return copies


def _target(job: Job) -> Target:
    if job.task_path == ACT_ON_JOBS:
        raise IsAnAction
    try:
        backend = task_backends[job.backend_name]
    except InvalidTaskBackend:
        backend = None
    if not isinstance(backend, DatabaseBackend):
        raise NoDatabaseBackend(job.backend_name)
    task = look_up(job.task_path, backend.jobs_options.task_modules).using(
        queue_name=job.queue_name, priority=job.priority, backend=job.backend_name
    )
    return target(backend, task)
