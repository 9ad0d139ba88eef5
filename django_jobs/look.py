"""See what waits before a claim; none of it locks anything."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import Subquery

from .db.clock import DbNow
from .db.dialects import dialect
from .db.reading import fetch_in_order
from .models import Job, Queue, Status, Worker
from .openings import Openings, claimable, find_openings, select_by_queue, waiting
from .queues import QueueFilter


@dataclass(frozen=True, slots=True)
class Glance:
    """
    What waits: whether a job may be claimed, and seconds until the next scheduled one is due
    (0 or less: it is), None where none is scheduled.

    Where jobs wait in a queue that has a limit, ``openings`` are the queues of which jobs may be
    claimed; else it is None.
    """

    ready: bool
    due_in: float | None
    openings: Openings | None = None

    @property
    def due(self) -> bool:
        return self.due_in is not None and self.due_in <= 0


class Waiting(NamedTuple):
    """A ready job, as far as it must be known before it is claimed."""

    pk: UUID
    task_path: str
    queue_name: str
    attempts: int
    max_attempts: int


def peek(
    worker: Worker, queues: QueueFilter, most: int, using: str, openings: Openings | None = None
) -> list[Waiting]:
    """
    The first ``most`` of the ready jobs, in the order of a claim.

    :param openings: as for a claim.
    """
    if openings is None or openings.others is None:
        limited = tuple(sorted(openings.rooms)) if openings else ()
        jobs = claimable(worker.backend_name, queues, using, limited)
        return list(map(Waiting._make, jobs.values_list(*Waiting._fields)[:most]))
    columns = ("id", *Waiting._fields[1:], "priority", "run_after")
    rooms, others = openings.rooms, openings.others
    select = select_by_queue(worker.backend_name, rooms, others, columns, most, using)
    connection = connections[using]
    found = fetch_in_order(connection, *select)
    rows = sorted(found, key=lambda row: (-row[-2], row[-1], row[0]))
    speaks = dialect(connection)
    return [Waiting(speaks.id(row[0]), *row[1:-2]) for row in rows[:most]]


def glance(worker: Worker, queues: QueueFilter, using: str) -> Glance:
    """See what waits, with one cheap statement, and some more where a queue has a limit."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(*_glance(worker.pk, worker.backend_name, queues, using))
        row = cursor.fetchone()
    if row is None:
        # Somebody deleted the row; the next heartbeat brings it back.
        return Glance(ready=True, due_in=0)
    first, limited, run_after, now = row
    due_in = None
    if run_after is not None:
        moment = dialect(connection).moment
        due_in = (moment(run_after) - moment(now)).total_seconds()
    if first is None or limited is None:
        return Glance(first is not None, due_in)
    openings = find_openings(worker.backend_name, queues, using)
    return Glance(openings is None or openings.any, due_in, openings)


@lru_cache(maxsize=16)
def _glance(
    worker_id: UUID, backend_name: str, queues: QueueFilter, using: str
) -> tuple[str, tuple[Any, ...]]:
    """Kept, like the SELECT of a claim."""
    scheduled = Job.objects.using(using).filter(status=Status.SCHEDULED).order_by("run_after")
    # Read from the worker's own row, so that the four answers are one statement.
    rows = (
        Worker.objects.using(using)
        .filter(pk=worker_id)
        .values_list(
            # In the order of a claim, which has an index; EXISTS would let PostgreSQL scan
            # the table for the first row of any order. Those of queues with a limit are among
            # them, since there may be very many to look past.
            Subquery(waiting(backend_name, queues, using).values("pk")[:1]),
            Subquery(Queue.objects.using(using).limited().values("name")[:1]),
            Subquery(scheduled.values("run_after")[:1]),
            DbNow(),
        )
    )
    sql, params = rows.query.get_compiler(using).as_sql()
    return sql, tuple(params)
