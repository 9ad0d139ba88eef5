"""
From which queues jobs may be claimed: from none that is paused, and from one with a limit only
as many as it has room for.

Where no queue has a limit, one statement over all of them is a claim. Else jobs are claimed
queue by queue, since a queue that is full may have very many waiting before those of others.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from django.db import connections
from django.db.models import Count, QuerySet

from .db.reading import fetch_in_order, locking_select, plain_select
from .db.transactions import lock_rows
from .models import Job, Queue, Status
from .queues import QueueFilter

# So many queues are named in one statement; of more, jobs are looked for in the order of all.
MOST: Final = 200

ORDER: Final = ("-priority", "run_after", "id")
Select = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Openings:
    """
    What may be claimed where jobs wait in a queue that has a limit.

    :param rooms: the queues that have a limit, a ready job and room, with for how many more.
    :param others: those with a ready job and no limit; None where they are too many to name.
    """

    rooms: Mapping[str, int]
    others: tuple[str, ...] | None

    @property
    def any(self) -> bool:
        """Whether there is something to claim."""
        return bool(self.rooms) or self.others != ()


NOTHING: Final = Openings({}, ())


def waiting(backend_name: str, queues: QueueFilter, using: str) -> QuerySet[Job, Job]:
    """Ready jobs of ``queues`` that aren't paused, in the order in which they are claimed."""
    return _ready(backend_name, queues, Queue.objects.using(using).paused())


def claimable(
    backend_name: str, queues: QueueFilter, using: str, limited: tuple[str, ...] = ()
) -> QuerySet[Job, Job]:
    """
    The same without queues that have a limit.

    :param limited: those of them that are let in.
    """
    return _ready(backend_name, queues, Queue.objects.using(using).closed(but=limited))


def _ready(
    backend_name: str, queues: QueueFilter, closed: QuerySet[Queue, Queue]
) -> QuerySet[Job, Job]:
    jobs: QuerySet[Job, Job] = Job.objects.using(closed.db).filter(
        queues.as_q(), status=Status.READY, backend_name=backend_name
    )
    return jobs.exclude(queue_name__in=closed.values("name")).order_by(*ORDER)


def find_openings(backend_name: str, queues: QueueFilter, using: str) -> Openings | None:
    """
    The queues of which jobs may be claimed now; None where no job waits in a queue that has a
    limit. It locks nothing, takes a statement for each queue with ready jobs and four more, and
    reads none of the jobs that wait in a queue that is full or paused.
    """
    closed: list[Any] = list(Queue.objects.using(using).closed().with_state())
    limits = {row.name: row.limit for row in closed if row.limit is not None}
    paused = {row.name for row in closed if row.is_paused}
    names = ready_names(using, MOST + 1)
    if len(names) > MOST:
        rooms = _rooms({name: most for name, most in limits.items() if queues.matches(name)}, using)
        jobs = claimable(backend_name, queues, using, tuple(sorted(rooms)))
        return Openings(rooms, None) if jobs.values("pk")[:1] else NOTHING
    mine = [name for name in names if name not in paused and queues.matches(name)]
    limited = {name: limits[name] for name in mine if name in limits}
    if not limited:
        return None
    rooms = _rooms(limited, using)
    others = tuple(name for name in mine if name not in limits)
    found = _with_ready(backend_name, rooms, others, using)
    return Openings(
        {name: room for name, room in rooms.items() if name in found},
        tuple(name for name in others if name in found),
    )


def _with_ready(
    backend_name: str, rooms: Mapping[str, int], others: Collection[str], using: str
) -> set[str]:
    """Those of the queues that have a job of this backend."""
    one = dict.fromkeys((*rooms, *others), 1)
    if not one:
        return set()
    limited = tuple(sorted(rooms))
    first = _union(backend_name, one, ("queue_name",), using, limited, lock=False)
    return {row[0] for row in fetch_in_order(connections[using], *first)}


def locked_rooms(names: Iterable[str], using: str) -> dict[str, int]:
    """
    For how many more jobs those queues have room; one without any is left out. Their rows are
    locked until the end of the transaction, so that no two claims take the same place; those
    that another claim has locked are left out too.
    """
    queues = Queue.objects.using(using).limited().filter(pk__in=sorted(names)).order_by("pk")
    rows: Any = lock_rows(queues).values_list("name", "limit")
    return _rooms(dict(rows), using)


def _rooms(limits: Mapping[str, int], using: str) -> dict[str, int]:
    if not limits:
        return {}
    jobs: Any = Job.objects.using(using).filter(status=Status.RUNNING, queue_name__in=limits)
    running = dict(jobs.order_by().values_list("queue_name").annotate(Count("pk")))
    rooms = {name: most - running.get(name, 0) for name, most in limits.items()}
    return {name: room for name, room in rooms.items() if room > 0}


def ready_names(using: str, most: int) -> list[str]:
    """
    The first ``most`` queues with ready jobs: from one name to the next one in the index, past
    all the jobs in between. Each step is a statement, since MariaDB reads them all where the
    last name comes from the same statement.
    """
    table = Job._meta.db_table
    later = f"SELECT MIN(queue_name) FROM {table} WHERE status = %s AND queue_name > %s"  # noqa: S608
    names: list[str] = []
    with connections[using].cursor() as cursor:
        while len(names) < most:
            cursor.execute(later, [Status.READY.value, names[-1] if names else ""])
            (name,) = cursor.fetchone()
            if name is None:
                break
            names.append(name)
    return names


def select_by_queue(
    backend_name: str,
    rooms: Mapping[str, int],
    others: Collection[str],
    columns: tuple[Any, ...],
    most: int,
    using: str,
    *,
    lock: bool = False,
) -> Select:
    """
    The statement that reads the first ``most`` claimable jobs of each of these queues, one queue
    after the other: PostgreSQL would be long in planning to sort them.

    :param rooms: those with a limit, with how many of each at the most.
    :param lock: leave out jobs that are locked, and lock the others.
    """
    each = dict.fromkeys(others, most) | {name: min(room, most) for name, room in rooms.items()}
    return _union(backend_name, each, columns, using, tuple(sorted(rooms)), lock=lock)


def _union(
    backend_name: str,
    each: Mapping[str, int],
    columns: tuple[Any, ...],
    using: str,
    limited: tuple[str, ...],
    *,
    lock: bool,
) -> Select:
    parts: list[str] = []
    values: list[Any] = []
    for name, count in each.items():
        sql, params = _of_queue(backend_name, name, columns, count, using, limited, lock)
        # Each a table of its own: a lock has no place in the parts of a union.
        parts.append(f"SELECT * FROM ({sql}) AS part_{len(parts)}")  # noqa: S608 (made by the ORM)
        values += params
    return " UNION ALL ".join(parts), tuple(values)


@lru_cache(maxsize=1024)
def _of_queue(
    backend_name: str,
    name: str,
    columns: tuple[Any, ...],
    most: int,
    using: str,
    limited: tuple[str, ...],
    lock: bool,
) -> Select:
    """Kept: it takes longer to build than to run."""
    jobs = claimable(backend_name, QueueFilter((name,)), using, limited)
    select = locking_select if lock else plain_select
    return select(jobs.values_list(*columns)[:most], "django_jobs_ready_in_queue")
