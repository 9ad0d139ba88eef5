"""Take ready jobs: RUNNING, ``attempts`` + 1, ``claim_no`` + 1."""

import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import QuerySet, Subquery

from .db.clock import DbNow
from .db.dialects import IDENTIFIER, MOMENT, Dialect, dialect
from .db.transactions import write_transaction
from .models import Job, Queue, Status, Worker
from .queues import QueueFilter
from .token import Token


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
    claimed_at: float = field(default_factory=time.monotonic)


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
    worker: Worker, queues: QueueFilter, slots: int, using: str, ahead: int = 0
) -> list[Claim]:
    """
    Claim jobs for ``worker``, all or none. Rows that another worker is claiming are left to
    it.

    :param slots: how many at the most, to be run at once.
    :param ahead: how many more, to wait in line. None of them is in its last attempt: if
        the worker is lost it would be dead without having run.
    """
    take = _take_at_once if dialect(connections[using]).returns_updated else _take
    jobs = take(worker, queues, slots, slots + ahead, using)
    return [Claim(job, worker.pk, worker.name) for job in jobs]


def _take_at_once(
    worker: Worker, queues: QueueFilter, slots: int, most: int, using: str
) -> list[Job]:
    """One statement, where an UPDATE can return what it has changed."""
    speaks = dialect(connections[using])
    pick, params = _pick(worker.backend_name, queues, most, using)
    # The ids come as an array, so that the rows are found by their primary key whatever the
    # statistics of a table that changes by the second make the planner believe.
    sets = ", ".join(f"{c} = {v}" for c, v in _assignments("%s", speaks.now).items())
    sql = f"""
        WITH picked AS MATERIALIZED ({pick}),
        placed AS (
            SELECT picked.*, ROW_NUMBER() OVER (ORDER BY priority DESC, run_after, id) AS place
            FROM picked
        )
        UPDATE {Job._meta.db_table} AS job SET {sets}
        WHERE job.id = ANY(ARRAY(
            SELECT id FROM placed WHERE place <= %s OR attempts + 1 < max_attempts
        ))
        RETURNING job.*
        """  # noqa: S608 (names and expressions of ours)
    jobs = Job.objects.using(using).raw(sql, (*params, worker.pk, slots))
    return sorted(jobs, key=lambda job: (-job.priority, job.run_after, job.pk))


def _take(worker: Worker, queues: QueueFilter, slots: int, most: int, using: str) -> list[Job]:
    """The same in a transaction of two statements."""
    connection = connections[using]
    speaks = dialect(connection)
    pick, params = _pick(worker.backend_name, queues, most, using)
    with write_transaction(using):
        found: list[Any] = list(Job.objects.using(using).raw(pick, params))
        jobs = found[:slots] + [j for j in found[slots:] if j.attempts + 1 < j.max_attempts]
        if jobs:
            rows = [(speaks.uuid(job.pk), speaks.uuid(worker.pk), str(job.now)) for job in jobs]
            with connection.cursor() as cursor:
                cursor.execute(_update(speaks), [speaks.dump(rows)])
    return [_claimed(job, worker.pk, speaks.moment(job.now)) for job in jobs]


@lru_cache(maxsize=1024)
def _pick(
    backend_name: str, queues: QueueFilter, most: int, using: str
) -> tuple[str, tuple[Any, ...]]:
    """The SELECT that locks the rows to claim. Kept: it takes longer to build than to run."""
    connection = connections[using]
    rows = claimable(backend_name, queues, using).annotate(now=DbNow())[:most]
    sql, params = rows.query.get_compiler(using).as_sql()
    features = connection.features
    if features.has_select_for_update:
        # SQLite has no rows to lock: a transaction that writes holds the whole database.
        skip_locked = features.has_select_for_update_skip_locked
        sql += f" {connection.ops.for_update_sql(skip_locked=skip_locked)}"
    return sql, tuple(params)


@cache
def _update(speaks: Dialect) -> str:
    return speaks.update(
        Job._meta.db_table,
        {"id": IDENTIFIER, "worker_id": IDENTIFIER, "now": MOMENT},
        _assignments("t.worker_id", "t.now"),
        f"job.id = t.id AND job.status = '{Status.READY}'",
    )


def glance(worker: Worker, queues: QueueFilter, using: str) -> Glance:
    """See what waits, with one cheap statement that locks nothing."""
    scheduled = Job.objects.using(using).filter(status=Status.SCHEDULED).order_by("run_after")
    # Read from the worker's own row, so that the three answers are one statement.
    row = (
        Worker.objects.using(using)
        .filter(pk=worker.pk)
        .values_list(
            # In the order of a claim, which has an index; EXISTS would let PostgreSQL scan
            # the table for the first row of any order.
            Subquery(claimable(worker.backend_name, queues, using).values("pk")[:1]),
            Subquery(scheduled.values("run_after")[:1]),
            DbNow(),
        )
        .first()
    )
    if row is None:
        # Somebody deleted the row; the next heartbeat brings it back.
        return Glance(ready=True, due_in=0)
    ready, run_after, now = row
    return Glance(ready=ready is not None, due_in=_seconds(run_after, now))


def _assignments(worker_id: str, now: str) -> dict[str, str]:
    return {
        "attempts": "job.attempts + 1",
        "claim_no": "job.claim_no + 1",
        "worker_id": worker_id,
        "started_at": f"COALESCE(job.started_at, {now})",
        "last_attempted_at": now,
        "status": f"'{Status.RUNNING}'",
    }


def _claimed(job: Job, worker_id: UUID, now: datetime) -> Job:
    """``job`` as the UPDATE has left it, without reading it again."""
    job.attempts += 1
    job.claim_no += 1
    job.worker_id = worker_id
    job.started_at = job.started_at or now
    job.last_attempted_at = now
    job.status = Status.RUNNING
    return job


def _seconds(moment: datetime | None, now: datetime) -> float | None:
    return None if moment is None else (moment - now).total_seconds()
