"""Take ready jobs: RUNNING, ``attempts`` + 1, ``claim_no`` + 1."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models.base import ModelState

from .capture import Log
from .db.clock import DbNow
from .db.dialects import IDENTIFIER, MOMENT, Dialect, dialect
from .db.parameters import dump
from .db.reading import fetch_in_order, locking_select
from .db.transactions import write_transaction
from .models import Job, Status, Worker
from .openings import Openings, claimable, locked_rooms, select_by_queue
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
# Where jobs are claimed queue by queue, each claim locks so many of each beyond those to be run.
AHEAD_OF_EACH: Final = 20

_PLACEHOLDER: Final = 2**31 - 1
_LIMIT: Final = f" LIMIT {_PLACEHOLDER}"
_NO_ROOMS: Final[Mapping[str, int]] = {}
_decode: Final = json.JSONDecoder().raw_decode


@dataclass(eq=False, slots=True)
class Claim:
    """
    A job that this process owns until it has recorded an outcome.

    ``job`` is the row as claimed; ``job.claim_no`` is the fence. ``started`` tells an attempt
    from a claim that was never run; ``thread`` is the identifier of the thread that runs it, and
    ``log`` what it has logged. ``progress`` is what it has reported and nobody has written yet.
    ``taken`` is when this process had it (monotonic), ``stood`` for how many seconds it then
    stood in line, ``ran`` for how many it ran.
    """

    job: Job
    worker_id: UUID | None
    worker_name: str
    token: Token = field(default_factory=Token)
    started: bool = False
    thread: int | None = None
    taken: float = field(default_factory=time.monotonic)
    stood: float = 0.0
    ran: float = 0.0
    log: Log | None = None
    progress: dict[str, Any] | None = None
    complete: bool = False  # its task has committed the record of its success


def claim(
    worker: Worker,
    queues: QueueFilter,
    slots: int,
    using: str,
    ahead: int = 0,
    among: Collection[UUID] | None = None,
    openings: Openings | None = None,
) -> list[Claim]:
    """
    Claim jobs for ``worker``, all or none. Rows that another worker is claiming are left to
    it.

    :param slots: how many at the most, to be run at once.
    :param ahead: how many more, to wait in line. None of them is in its last attempt: if
        the worker is lost it would be dead without having run.
    :param among: only these jobs; None for all.
    :param openings: where some queue has a limit: what may be claimed, by the last look. The
        limits are looked at anew, under a lock; without it, none of these queues is claimed of.
    """
    if openings is None and dialect(connections[using]).returns_updated:
        jobs = _take_at_once(worker, queues, slots, slots + ahead, using, among)
    else:
        ahead = ahead if openings is None else min(ahead, AHEAD_OF_EACH)
        jobs = _take(worker, queues, slots, slots + ahead, using, among, openings)
    by, name = worker.pk, worker.name
    return [Claim(job, by, name) for job in jobs]


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
    moments: dict[Any, datetime] = {}
    jobs = [_job(row, worker, speaks, moments) for row in rows]
    return sorted(jobs, key=_order)


def _take(
    worker: Worker,
    queues: QueueFilter,
    slots: int,
    most: int,
    using: str,
    among: Collection[UUID] | None,
    openings: Openings | None,
) -> list[Job]:
    """The same in a transaction of two statements, and two more where queues have a limit."""
    speaks = dialect(connections[using])
    columns = (*_COLUMNS, DbNow())
    with write_transaction(using):
        # None of a queue with a limit waits in line: there it would count as one that runs.
        rooms = locked_rooms(openings.rooms, using) if openings and slots else {}
        if openings is not None and openings.others == () and not rooms:
            return []  # they are full by now
        pick = _pick(worker.backend_name, queues, columns, most, using, among, openings, rooms)
        moments: dict[Any, datetime] = {}
        rows = fetch_in_order(connections[using], *pick)
        found = [_job(row, worker, speaks, moments) for row in rows]
        if openings is not None:  # they come queue by queue
            found = sorted(found, key=_order)[:most]
        jobs = _fitting(found, slots, rooms)
        if jobs:
            now: Any = jobs[0].last_attempted_at
            ids = dump((speaks.uuid(job.pk),) for job in jobs)
            params = [speaks.uuid(worker.pk), speaks.text(now), ids]
            with connections[using].cursor() as cursor:
                cursor.execute(_update(speaks), params)
    for job in jobs:  # as the UPDATE has left it
        job.attempts += 1
        job.claim_no += 1
        job.started_at = job.started_at or job.last_attempted_at
    return jobs


def _fitting(jobs: list[Job], slots: int, rooms: Mapping[str, int]) -> list[Job]:
    """Those of ``jobs`` that may be claimed: ``slots`` to be run at once, the others ahead."""
    kept: list[Job] = []
    left = dict(rooms)
    for job in jobs:
        is_ahead = len(kept) >= slots
        if job.queue_name in left:
            if is_ahead or not left[job.queue_name]:
                continue
            left[job.queue_name] -= 1
        elif is_ahead and job.attempts + 1 >= job.max_attempts:
            continue
        kept.append(job)
    return kept


def _order(job: Job) -> tuple[Any, ...]:
    return -job.priority, job.run_after, job.pk


def _pick(
    backend_name: str,
    queues: QueueFilter,
    columns: tuple[Any, ...],
    most: int,
    using: str,
    among: Collection[UUID] | None,
    openings: Openings | None = None,
    rooms: Mapping[str, int] = _NO_ROOMS,
) -> tuple[str, tuple[Any, ...]]:
    """The SELECT that locks the rows to claim; of queues with a limit only those in ``rooms``."""
    limited = tuple(sorted(rooms))
    if among is not None:
        jobs = claimable(backend_name, queues, using, limited).filter(pk__in=among)
        return locking_select(jobs.values_list(*columns)[:most])
    if openings is None or openings.others is None:
        sql, params = _pick_any(backend_name, queues, columns, using, limited)
        return sql.replace(_LIMIT, f" LIMIT {most}"), params
    return select_by_queue(backend_name, rooms, openings.others, columns, most, using, lock=True)


@lru_cache(maxsize=1024)
def _pick_any(
    backend_name: str,
    queues: QueueFilter,
    columns: tuple[Any, ...],
    using: str,
    limited: tuple[str, ...],
) -> tuple[str, tuple[Any, ...]]:
    """Kept, but for how many: it takes longer to build than to run."""
    rows = claimable(backend_name, queues, using, limited).values_list(*columns)[:_PLACEHOLDER]
    # The index that has the order of a claim; of several queues none has.
    index = "django_jobs_ready_in_queue" if queues.include else "django_jobs_ready"
    several = len(queues.include) > 1 or any(name.endswith("*") for name in queues.include)
    return locking_select(rows, None if several else index)


def _job(row: Sequence[Any], worker: Worker, speaks: Dialect, moments: dict[Any, datetime]) -> Job:
    """
    The job in ``row``: _COLUMNS and the time, as the cursor gives them. By hand, since what
    the ORM does for each column of each row is most of what a claim costs. Fields that aren't
    set are loaded when somebody asks for them, as those that a query defers.

    :param moments: those that were read already: most rows of a claim have the same.
    """
    values: list[Any] = list(row)
    values[0] = speaks.id(values[0])
    for place in _JSON_PLACES:
        values[place] = {} if (text := values[place]) == "{}" else _decode(text)[0]
    for place in _MOMENT_PLACES:
        if (read := values[place]) is not None:
            if (moment := moments.get(read)) is None:
                moment = moments[read] = speaks.moment(read)
            values[place] = moment
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
        # Not as a partial index has it: PostgreSQL would read all that are ready.
        f"COALESCE(job.status, '') = '{Status.READY}'",
        ("worker_id", "now"),
    )


def _assignments(worker_id: str, now: str) -> dict[str, str]:
    return {
        "attempts": "job.attempts + 1",
        "claim_no": "job.claim_no + 1",
        "worker_id": worker_id,
        "started_at": f"COALESCE(job.started_at, {now})",
        "last_attempted_at": now,
        "status": f"'{Status.RUNNING}'",
    }
