"""Take ready jobs: RUNNING, ``attempts`` + 1, ``claim_no`` + 1."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet, Subquery
from django.db.models.base import ModelState

from .db.clock import DbNow
from .db.dialects import IDENTIFIER, MOMENT, Dialect, dialect, fetch_in_order, locking_select
from .db.transactions import write_transaction
from .models import Job, Queue, Status, Worker
from .queues import QueueFilter
from .token import Token

# What a claim reads of a row; what else the row holds is loaded when somebody asks for it.
_COLUMNS: Final = (
    *("id", "task_path", "queue_name", "backend_name", "priority", "args", "kwargs"),
    *("metadata", "attempts", "max_attempts", "claim_no", "crashes", "interruptions"),
    *("run_after", "enqueued_at", "started_at"),
)
_FIELDS: Final = (*_COLUMNS, "last_attempted_at", "worker_id", "status", "finished_at")
_MOMENTS: Final = ("run_after", "enqueued_at", "started_at")
_MOMENT_PLACES: Final = tuple(map(_FIELDS.index, (*_MOMENTS, "last_attempted_at")))
_JSON_PLACES: Final = tuple(map(_FIELDS.index, ("args", "kwargs", "metadata")))
_decode: Final = json.JSONDecoder().raw_decode


@dataclass(eq=False, slots=True)
class Claim:
    """
    A job that this process owns until it has recorded an outcome.

    ``job`` is the row as claimed; ``job.claim_no`` is the fence. ``started`` tells an attempt
    from a claim that was never run; ``thread`` is the identifier of the thread that runs it.
    """

    job: Job
    worker_id: UUID | None
    worker_name: str
    token: Token = field(default_factory=Token)
    started: bool = False
    thread: int | None = None


@dataclass(frozen=True, slots=True)
class Glance:
    """
    What waits: whether a job is ready, and seconds until the next scheduled one is due
    (0 or less: it is), None where none is scheduled.
    """

    ready: bool
    due_in: float | None

    @property
    def due(self) -> bool:
        return self.due_in is not None and self.due_in <= 0


def claimable(backend_name: str, queues: QueueFilter, using: str) -> QuerySet[Job, Job]:
    """Ready jobs of ``queues`` that aren't paused, in the order in which they are claimed."""
    paused = Queue.objects.using(using).paused().values("name")
    jobs: QuerySet[Job, Job] = Job.objects.using(using).filter(
        queues.as_q(), status=Status.READY, backend_name=backend_name
    )
    return jobs.exclude(queue_name__in=paused).order_by("-priority", "run_after", "id")


def claim(
    worker: Worker,
    queues: QueueFilter,
    slots: int,
    using: str,
    ahead: int = 0,
    among: Collection[UUID] | None = None,
) -> list[Claim]:
    """
    Claim jobs for ``worker``, all or none. Rows that another worker is claiming are left to
    it.

    :param slots: how many at the most, to be run at once.
    :param ahead: how many more, to wait in line. None of them is in its last attempt: if
        the worker is lost it would be dead without having run.
    :param among: only these jobs; None for all.
    """
    take = _take_at_once if dialect(connections[using]).returns_updated else _take
    jobs = take(worker, queues, slots, slots + ahead, using, among)
    return [Claim(job, worker.pk, worker.name) for job in jobs]


def _take_at_once(
    worker: Worker,
    queues: QueueFilter,
    slots: int,
    most: int,
    using: str,
    among: Collection[UUID] | None,
) -> list[Job]:
    """One statement, where an UPDATE can return what it has changed."""
    speaks = dialect(connections[using])
    columns = ("id", "attempts", "max_attempts")
    pick, params = _pick(worker.backend_name, queues, columns, most, using, among)
    values = _assignments("%s", speaks.now)
    sets = ", ".join(f"{column} = {value}" for column, value in values.items())
    read = ", ".join(speaks.plain(f"job.{c}") if c in _MOMENTS else f"job.{c}" for c in _COLUMNS)
    # The ids come as an array, so that the rows are found by their primary key whatever the
    # statistics of a table that changes by the second make the planner believe.
    sql = f"""
        WITH picked AS MATERIALIZED ({pick}),
        placed AS (SELECT picked.*, ROW_NUMBER() OVER () AS place FROM picked)
        UPDATE {Job._meta.db_table} AS job SET {sets}
        WHERE job.id = ANY(ARRAY(
            SELECT id FROM placed WHERE place <= %s OR attempts + 1 < max_attempts
        ))
        RETURNING {read}, {speaks.plain("job.last_attempted_at")}
        """  # noqa: S608 (names and expressions of ours)
    rows = fetch_in_order(connections[using], sql, (*params, worker.pk, slots))
    jobs = [_job(row, worker, speaks) for row in rows]
    return sorted(jobs, key=lambda job: (-job.priority, job.run_after, job.pk))


def _take(
    worker: Worker,
    queues: QueueFilter,
    slots: int,
    most: int,
    using: str,
    among: Collection[UUID] | None,
) -> list[Job]:
    """The same in a transaction of two statements."""
    speaks = dialect(connections[using])
    columns = (*_COLUMNS, DbNow())
    pick, params = _pick(worker.backend_name, queues, columns, most, using, among)
    with write_transaction(using), connections[using].cursor() as cursor:
        cursor.execute(pick, params)
        found = [_job(row, worker, speaks) for row in cursor.fetchall()]
        jobs = found[:slots] + [j for j in found[slots:] if j.attempts + 1 < j.max_attempts]
        if jobs:
            ids = [(speaks.uuid(job.pk), speaks.uuid(worker.pk)) for job in jobs]
            now: Any = jobs[0].last_attempted_at
            rows = [(*each, speaks.text(now)) for each in ids]
            cursor.execute(_update(speaks), [speaks.dump(rows)])
    for job in jobs:  # as the UPDATE has left it
        job.attempts += 1
        job.claim_no += 1
        job.started_at = job.started_at or job.last_attempted_at
    return jobs


def _pick(
    backend_name: str,
    queues: QueueFilter,
    columns: tuple[Any, ...],
    most: int,
    using: str,
    among: Collection[UUID] | None,
) -> tuple[str, tuple[Any, ...]]:
    """The SELECT that locks the rows to claim."""
    if among is None:
        return _pick_any(backend_name, queues, columns, most, using)
    jobs = claimable(backend_name, queues, using).filter(pk__in=among)
    return locking_select(jobs.values_list(*columns)[:most])


@lru_cache(maxsize=1024)
def _pick_any(
    backend_name: str, queues: QueueFilter, columns: tuple[Any, ...], most: int, using: str
) -> tuple[str, tuple[Any, ...]]:
    """Kept: it takes longer to build than to run."""
    rows = claimable(backend_name, queues, using).values_list(*columns)[:most]
    # The index that has the order of a claim; of several queues none has.
    index = "django_jobs_ready_in_queue" if queues.include else "django_jobs_ready"
    several = len(queues.include) > 1 or any(name.endswith("*") for name in queues.include)
    return locking_select(rows, None if several else index)


def _job(row: Sequence[Any], worker: Worker, speaks: Dialect) -> Job:
    """
    The job in ``row``: _COLUMNS and the time, as the cursor gives them. By hand, since what
    the ORM does for each column of each row is most of what a claim costs. Fields that aren't
    set are loaded when somebody asks for them, as those that a query defers.
    """
    values: list[Any] = list(row)
    values[0] = speaks.id(values[0])
    for place in _JSON_PLACES:
        values[place] = {} if (text := values[place]) == "{}" else _decode(text)[0]
    for place in _MOMENT_PLACES:
        if values[place] is not None:
            values[place] = speaks.moment(values[place])
    values += (worker.pk, Status.RUNNING, None)
    job = Job.__new__(Job)
    job._state = ModelState()
    job._state.adding = False
    job._state.db = worker._state.db
    job.__dict__.update(zip(_FIELDS, values, strict=True))
    return job


@cache
def _update(speaks: Dialect) -> str:
    return speaks.update(
        Job._meta.db_table,
        {"id": IDENTIFIER, "worker_id": IDENTIFIER, "now": MOMENT},
        _assignments("t.worker_id", "t.now"),
        f"job.status = '{Status.READY}'",
    )


class Waiting(NamedTuple):
    """A ready job, as far as it must be known before it is claimed."""

    pk: UUID
    task_path: str
    attempts: int
    max_attempts: int


def peek(worker: Worker, queues: QueueFilter, most: int, using: str) -> list[Waiting]:
    """The first ``most`` of the ready jobs, in the order of a claim; locks nothing."""
    jobs = claimable(worker.backend_name, queues, using)
    return list(map(Waiting._make, jobs.values_list(*Waiting._fields)[:most]))


def glance(worker: Worker, queues: QueueFilter, using: str) -> Glance:
    """See what waits, with one cheap statement that locks nothing."""
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(*_glance(worker.pk, worker.backend_name, queues, using))
        row = cursor.fetchone()
    if row is None:
        # Somebody deleted the row; the next heartbeat brings it back.
        return Glance(ready=True, due_in=0)
    ready, run_after, now = row
    if run_after is None:
        return Glance(ready=ready is not None, due_in=None)
    moment = dialect(connection).moment
    due_in = (moment(run_after) - moment(now)).total_seconds()
    return Glance(ready=ready is not None, due_in=due_in)


@lru_cache(maxsize=16)
def _glance(
    worker_id: UUID, backend_name: str, queues: QueueFilter, using: str
) -> tuple[str, tuple[Any, ...]]:
    """Kept, like the SELECT of a claim."""
    scheduled = Job.objects.using(using).filter(status=Status.SCHEDULED).order_by("run_after")
    # Read from the worker's own row, so that the three answers are one statement.
    rows = (
        Worker.objects.using(using)
        .filter(pk=worker_id)
        .values_list(
            # In the order of a claim, which has an index; EXISTS would let PostgreSQL scan
            # the table for the first row of any order.
            Subquery(claimable(backend_name, queues, using).values("pk")[:1]),
            Subquery(scheduled.values("run_after")[:1]),
            DbNow(),
        )
    )
    sql, params = rows.query.get_compiler(using).as_sql()
    return sql, tuple(params)


def _assignments(worker_id: str, now: str) -> dict[str, str]:
    return {
        "attempts": "job.attempts + 1",
        "claim_no": "job.claim_no + 1",
        "worker_id": worker_id,
        "started_at": f"COALESCE(job.started_at, {now})",
        "last_attempted_at": now,
        "status": f"'{Status.RUNNING}'",
    }
