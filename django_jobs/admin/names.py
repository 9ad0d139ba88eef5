"""The names of queues and tasks that the filters offer, without scanning the jobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ..backend import DatabaseBackend
from ..compat import task_backends
from ..models import Job, Queue
from ..registry import known_tasks

RECENT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Names:
    """Queue names and task paths, sorted."""

    queues: list[str]
    tasks: list[str]


def known_names() -> Names:
    """
    What this process knows, and what the newest ``RECENT`` jobs name. A queue or a task of
    older jobs alone is not among them.
    """
    recent = list(_recent())
    queues = {queue for queue, _ in recent} | set(configured_queues()) | set(_queue_rows())
    tasks = {task for _, task in recent} | set(known_tasks())
    return Names(sorted(queues), sorted(tasks))


def known_queues() -> list[str]:
    return known_names().queues


def _recent() -> Iterable[tuple[str, str]]:
    jobs = Job.objects.order_by("-pk")
    # The oldest of them first: a range of keys is read from the index, a slice can't be
    # made distinct.
    oldest = jobs.values_list("pk", flat=True)[RECENT - 1 : RECENT].first()
    if oldest is not None:
        jobs = jobs.filter(pk__gte=oldest)
    pairs: Iterable[tuple[str, str]] = (
        jobs.order_by().values_list("queue_name", "task_path").distinct()
    )
    return pairs


def _queue_rows() -> Iterable[str]:
    names: Iterable[str] = Queue.objects.values_list("name", flat=True)[:1000]
    return names


def configured_queues() -> Iterable[str]:
    """The names in the QUEUES of all backends of ours."""
    for backend in task_backends.all():
        if isinstance(backend, DatabaseBackend):
            yield from backend.queues
