"""Every queue that is known: how much waits in it, since when, and for whom."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connections
from django.db.models import Count as CountOf
from django.db.models import Sum
from django.utils import timezone

from ..db.dialects import dialect
from ..figures import since
from ..models import Job, Queue, Status, Worker
from ..models.worker import CLAIMS_NOTHING
from ..openings import ready_names
from ..queues import QueueFilter
from .names import configured_queues
from .paginator import Count

# How many queues and workers are looked at, and how many jobs of each queue are counted.
MOST: Final = 200
COUNTED: Final = 10_000
RATE_MINUTES: Final = 15

_TABLE: Final = Job._meta.db_table


@dataclass(slots=True)
class Lane:
    """
    A queue.

    :param oldest: since when its oldest ready job could have started; where there are more
        than are counted, the oldest of the first of them.
    :param done: how many of its jobs succeeded or died in the last RATE_MINUTES, by the figures.
    :param row: the queue's row; it needs none.
    :param workers: live ones that serve it.
    """

    name: str
    ready: Count = field(default_factory=Count)
    scheduled: Count = field(default_factory=Count)
    running: Count = field(default_factory=Count)
    oldest: datetime | None = None
    done: int = 0
    row: Queue | None = None
    workers: list[Worker] = field(default_factory=list)

    @property
    def is_paused(self) -> bool:
        return self.row is not None and bool(getattr(self.row, "is_paused", False))

    @property
    def limit(self) -> int | None:
        """How many of its jobs may run at once; None for any number."""
        return None if self.row is None else self.row.limit

    @property
    def is_full(self) -> bool:
        """Whether as many run as may."""
        return self.limit is not None and self.running >= self.limit

    @property
    def is_served(self) -> bool:
        """Whether a worker would claim its jobs: one that is quiet or stops does not."""
        return any(worker.phase not in CLAIMS_NOTHING for worker in self.workers)


def lanes() -> list[Lane]:
    """
    The queues that have live jobs, have a row, are named in the settings or by a live worker;
    the first ``MOST`` of them and one more, sorted by name. In seven statements, and one for
    each queue with ready jobs, whatever the number of jobs.
    """
    workers = list(
        Worker.objects.live().defer("running", "stacks").order_by("hostname", "pid")[:MOST]
    )
    rows = {row.name: row for row in Queue.objects.order_by("name").with_state()[: MOST + 1]}
    scheduled, running, done = _scheduled(), _running(), _done()
    ready = ready_names(Job.objects.db, MOST + 1)
    served = [queue for worker in workers for queue in QueueFilter.of_text(worker.queues).include]
    exact = [name for name in served if not name.endswith("*")]
    names = {*rows, *scheduled, *running, *ready, *configured_queues(), *exact}
    shown = [
        Lane(
            name,
            scheduled=scheduled.get(name, Count()),
            running=running.get(name, Count()),
            done=done.get(name, 0),
            row=rows.get(name),
            workers=[w for w in workers if QueueFilter.of_text(w.queues).matches(name)],
        )
        for name in sorted(names)[: MOST + 1]
    ]
    _count_ready([lane for lane in shown if lane.name in ready])
    return shown


def lane_of(queue: Queue) -> Lane:
    """What waits and runs in that one queue; whom it waits for is left out."""
    name: str = queue.name
    lane = Lane(
        name,
        scheduled=_scheduled().get(name, Count()),
        running=_running().get(name, Count()),
        done=_done().get(name, 0),
        row=queue,
    )
    _count_ready([lane])
    return lane


def _fetch(sql: str, params: Iterable[str] = ()) -> list[tuple[Any, ...]]:
    with connections[Job.objects.db].cursor() as cursor:
        cursor.execute(sql, list(params))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _scheduled() -> dict[str, Count]:
    """Of the first that are due, so that it takes no longer with very many."""
    rows = _fetch(
        f"SELECT queue_name, COUNT(*) FROM (SELECT queue_name FROM {_TABLE} "  # noqa: S608
        f"WHERE status = '{Status.SCHEDULED}' ORDER BY run_after LIMIT {COUNTED + 1}) AS listed "
        "GROUP BY queue_name"
    )
    is_cut = sum(count for _, count in rows) > COUNTED
    return {name: _counted(count, is_cut) for name, count in rows}


def _running() -> dict[str, Count]:
    """All: no more run than there are workers for."""
    jobs: Any = Job.objects.filter(status=Status.RUNNING)
    rows = jobs.order_by().values_list("queue_name").annotate(CountOf("pk"))
    return {name: Count(count) for name, count in rows}


def _done() -> dict[str, int]:
    rows: Any = since(60, timezone.now() - timedelta(minutes=RATE_MINUTES)).order_by()
    return dict(rows.values_list("queue_name").annotate(done=Sum("successes") + Sum("dead")))


def _count_ready(lanes: list[Lane]) -> None:
    """One statement for all of them, that reads for each as much as it counts."""
    if not lanes:
        return
    parts = [
        f"SELECT {place} AS place, COUNT(*), MIN(run_after) FROM (SELECT run_after FROM {_TABLE} "  # noqa: S608
        f"WHERE status = '{Status.READY}' AND queue_name = %s "
        f"ORDER BY priority DESC, run_after, id LIMIT {COUNTED + 1}) AS listed"
        for place in range(len(lanes))
    ]
    moment = dialect(connections[Job.objects.db]).moment
    for place, count, oldest in _fetch(" UNION ALL ".join(parts), [lane.name for lane in lanes]):
        lane = lanes[place]
        lane.ready = _counted(min(count, COUNTED), count > COUNTED)
        lane.oldest = None if oldest is None else moment(oldest)


def _counted(number: int, is_cut: bool) -> Count:
    count = Count(number)
    count.more = is_cut
    return count
