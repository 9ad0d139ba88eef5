"""
What the overview and the list of failures read of jobs and workers. Each is one statement, which
reads rows through an index that holds few others, and stops at a limit: none grows with the table.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from django.db import connections
from django.db.models import Count as CountOf
from django.db.models import Min, Q, QuerySet, Sum

from ..db.clock import DbNow
from ..db.dialects import dialect
from ..db.reading import fetch_in_order
from ..ids import first_uuid7
from ..models import Job, Queue, Status, Worker
from ..models.worker import CLAIMS_NOTHING
from .paginator import COUNT_LIMIT, Count, count_up_to

# Those that have an index of their own; how many succeeded is a matter of the figures.
COUNTED: Final = (
    Status.SCHEDULED,
    Status.RUNNING,
    Status.DEAD,
    Status.CANCELLED,
    Status.DISCARDED,
)
# A job that no worker can run is scheduled again within ten minutes, give or take a fifth.
UNAVAILABLE_WITHIN: Final = timedelta(minutes=13)
GROUPS_RANKED: Final = 100
UNAVAILABLE_ERRORS: Final = ("UnknownTask: %", "TaskChanged: %")
LOOKED_AT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Line:
    """The ready jobs of a queue; ``oldest`` is since when the first of them could start."""

    queue: str
    ready: int
    oldest: datetime


class Limit(NamedTuple):
    """How many jobs of a queue may run at once, and how many do."""

    most: int
    running: int

    @property
    def is_reached(self) -> bool:
        return self.running >= self.most


class Pause(NamedTuple):
    """Until when a queue is paused, None where it does not end by itself, and why."""

    until: datetime | None
    reason: str


class Crew(NamedTuple):
    """
    The live workers of a backend and release, and what they said with their last heartbeat.

    :param slots: the threads of those that claim jobs, of which ``busy`` have one.
    :param coroutines: how many coroutine jobs run, which take no thread.
    """

    backend: str
    release: str
    workers: int
    threads: int
    slots: int
    busy: int
    coroutines: int


def count_states() -> dict[Status, Count]:
    """How many jobs there are in each of COUNTED: a statement for each."""
    return {status: count_up_to(Job.objects.filter(status=status)) for status in COUNTED}


def ready_lines(limit: int = COUNT_LIMIT) -> tuple[list[Line], Count]:
    """
    The ready jobs by queue, the longest wait first, and how many they are: of the first
    ``limit`` in the order of a claim.
    """
    jobs = Job.objects.filter(status=Status.READY).order_by("-priority", "run_after", "id")
    first = jobs.values_list("queue_name", "run_after")[: limit + 1]
    rows = _grouped(
        "queue_name, COUNT(*), MIN(run_after)", first, "django_jobs_ready", "GROUP BY queue_name"
    )
    moment = dialect(connections[first.db]).moment
    lines = [Line(queue, count, moment(oldest)) for queue, count, oldest in rows]
    total = sum(line.ready for line in lines)
    count = Count(min(total, limit))
    count.more = total > limit
    return sorted(lines, key=lambda line: line.oldest), count


def unavailable(now: datetime) -> list[tuple[str, int]]:
    """
    The tasks that jobs wait for which no worker knows, or can call with their arguments, and
    how many these are, among the next LOOKED_AT that are due, and as many that are ready: what
    looks at them again may be held up. Two statements.
    """
    jobs = Job.objects.filter(status=Status.SCHEDULED, run_after__lte=now + UNAVAILABLE_WITHIN)
    ready = Job.objects.filter(status=Status.READY).order_by("-priority", "run_after", "id")
    found: Counter[str] = Counter()
    for rows, index in (
        (jobs.order_by("run_after"), "django_jobs_scheduled"),
        (ready, "django_jobs_ready"),
    ):
        counts = _grouped(
            "task_path, COUNT(*)",
            rows.values_list("task_path", "last_error")[:LOOKED_AT],
            index,
            "WHERE last_error LIKE %s OR last_error LIKE %s GROUP BY task_path",
            UNAVAILABLE_ERRORS,
        )
        found.update(dict(counts))
    return sorted(found.items(), key=lambda row: (-row[1], row[0]))


def most_dead() -> dict[str, int]:
    """
    The failure groups with the most dead jobs and how many these are, among the newest
    COUNT_LIMIT jobs that are dead.
    """
    dead = Job.objects.filter(status=Status.DEAD).order_by("-pk")
    newest = dead.values_list("failure_group")[:COUNT_LIMIT]
    rows = _grouped(
        "failure_group, COUNT(*)",
        newest,
        "django_jobs_status",
        "WHERE failure_group IS NOT NULL GROUP BY failure_group "
        f"ORDER BY COUNT(*) DESC LIMIT {GROUPS_RANKED}",
    )
    return dict(rows)


def _grouped(
    what: str, first: QuerySet[Job, Any], index: str, rest: str, more: Sequence[str] = ()
) -> list[tuple[Any, ...]]:
    """``SELECT what`` from the rows of a slice, which the ORM can't group; read by ``index``."""
    connection = connections[first.db]
    sql, params = first.query.get_compiler(first.db).as_sql()
    sql = dialect(connection).through(index, Job._meta.db_table, sql)
    statement = f"SELECT {what} FROM ({sql}) AS part {rest}"  # noqa: S608 (names of ours)
    return fetch_in_order(connection, statement, (*params, *more))


def longest_running(most: int) -> list[Job]:
    """The ``most`` jobs that have run for longest."""
    jobs = Job.objects.filter(status=Status.RUNNING).order_by("last_attempted_at", "pk")
    wanted = ("task_path", "queue_name", "attempts", "max_attempts", "last_attempted_at")
    return list(jobs.only(*wanted)[:most])


def closed_queues(most: int) -> tuple[dict[str, Pause], dict[str, Limit]]:
    """
    The queues that are paused, and those that have a limit: up to ``most`` of both, in a
    statement, and another one where some have a limit.
    """
    rows: list[Any] = list(Queue.objects.closed().with_state().order_by("name")[:most])
    limits = {row.name: row.limit for row in rows if row.limit is not None}
    running: dict[str, int] = {}
    if limits:
        jobs: Any = Job.objects.filter(status=Status.RUNNING, queue_name__in=limits).order_by()
        running = dict(jobs.values_list("queue_name").annotate(CountOf("pk")))
    return (
        {row.name: Pause(row.paused_until, row.pause_reason) for row in rows if row.is_paused},
        {name: Limit(limit, running.get(name, 0)) for name, limit in limits.items()},
    )


def arrived(since: datetime) -> Count:
    """How many jobs for now were enqueued since then, deleted ones not among them."""
    for_later = Q(status=Status.SCHEDULED, attempts=0)
    return count_up_to(Job.objects.filter(pk__gte=first_uuid7(since)).exclude(for_later))


def crews() -> list[Crew]:
    """Who is at work."""
    live = Worker.objects.live().order_by("backend_name", "release")
    groups = live.values_list("backend_name", "release")
    claims = ~Q(phase__in=CLAIMS_NOTHING)
    rows = groups.annotate(
        workers=CountOf("pk"),
        all_threads=Sum("threads"),
        slots=Sum("threads", default=0, filter=claims),
        busy=Sum("threads_busy", default=0, filter=claims),
        coroutines=Sum("coroutines_running", default=0),
    )
    return [Crew(*row) for row in rows]


def lost_workers() -> Count:
    """How many workers said no farewell and let their lease run out."""
    return count_up_to(lost(Worker.objects.all()))


def lost(workers: Any) -> Any:
    return workers.filter(stopped_at=None, lease_expires_at__lte=DbNow())


def served_queues() -> list[str]:
    """What the workers that claim jobs say they serve, each as given to runjobs."""
    claiming = Worker.objects.live().exclude(phase__in=CLAIMS_NOTHING).order_by()
    return list(claiming.values_list("queues", flat=True).distinct()[:1000])


def last_seen() -> dict[str, datetime]:
    """When a worker of each backend was last heard of."""
    newest = Worker.objects.order_by("-last_heartbeat_at")
    rows = newest.values_list("backend_name", "last_heartbeat_at")[:100]
    return dict(reversed(list(rows)))


def releases_since(start: datetime) -> list[tuple[datetime, str]]:
    """Each release whose first worker was started at ``start`` or later, with when that was."""
    named = Worker.objects.exclude(release="").order_by().values_list("release")
    found = named.annotate(first=Min("started_at")).filter(first__gte=start).order_by("first")
    return [(first, release) for release, first in found[:50]]
