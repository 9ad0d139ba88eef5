"""
Do something to many jobs: in chunks, each a short transaction of its own, in bounded memory.

It knows no request, so that a command or a job can do the same.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.db import connections, router

from ..db.errors import is_transient
from ..db.transactions import write_transaction
from ..models import Job, JobQuerySet, Status
from .copies import enqueue_copies
from .verbs import Verb

CHUNK: Final = 1000
COPY_CHUNK: Final = 100  # arguments may be large
TIME_LIMIT: Final = 20.0  # seconds; servers commonly give up on a request after 30
TRIES: Final = 5

OnChunk = Callable[[list[Job]], None]


@dataclass(slots=True)
class Report:
    """
    What came of it.

    :param done: rows that were changed, or copies that were made.
    :param asked: those of them that run, and were asked to end.
    :param reasons: why copies could not be made, with how many of each.
    :param copies: the ids of copies.
    :param is_complete: false where the time was up before the last row.
    """

    done: int = 0
    asked: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    copies: list[UUID] = field(default_factory=list)
    is_complete: bool = True


def perform(
    verb: Verb,
    jobs: JobQuerySet,
    report: Report,
    on_chunk: OnChunk | None = None,
    time_limit: float = TIME_LIMIT,
) -> None:
    """
    Do ``verb`` to those of ``jobs`` that it is for, and leave the others alone.

    Each row's status is checked under its lock. A chunk locks its rows in the order of their
    keys, and only for as long as its one UPDATE takes.

    :param report: counts as it goes, so that it is right also where a chunk fails.
    :param on_chunk: called with the jobs that were changed, within their transaction.
    :param time_limit: seconds after which no further chunk is begun.
    """
    using = router.db_for_write(Job)
    write = _copy if verb.write is None else _change
    deadline = time.monotonic() + time_limit
    for ids in _chunks(verb, jobs.using(using)):
        if time.monotonic() > deadline:
            report.is_complete = False
            break
        _again(partial(write, verb, ids, using, report, on_chunk), using)


def _again(work: Callable[[], None], using: str) -> None:
    """``work()``, once more after a deadlock or a lock timeout, where that is possible."""
    for left in reversed(range(TRIES)):
        try:
            return work()
        except Exception as error:
            within = connections[using].in_atomic_block
            if within or not left or not is_transient(error):
                raise
            time.sleep(0.05 * (TRIES - left))


def _chunks(verb: Verb, jobs: JobQuerySet) -> Iterator[list[UUID]]:
    size = COPY_CHUNK if verb.write is None else CHUNK
    # One status after the other, so that each is found through its index. A job that moves
    # on meanwhile, from scheduled to ready to running, is met again there.
    for status in verb.statuses:
        rows: Any = jobs.filter(status=status).order_by("pk").values_list("pk", flat=True)
        last: UUID | None = None
        while True:
            ids = list((rows if last is None else rows.filter(pk__gt=last))[:size])
            if ids:
                yield ids
            if len(ids) < size:
                break
            last = ids[-1]


def _change(
    verb: Verb, ids: list[UUID], using: str, report: Report, on_chunk: OnChunk | None
) -> None:
    jobs = Job.objects.using(using)
    with write_transaction(using):
        locked = jobs.filter(pk__in=ids).order_by("pk").select_for_update()
        locked = locked.only("task_path", "status", "cancel_requested_at")
        changed = [job for job in locked if verb.applies_to(job)]
        done = verb.write(jobs.filter(pk__in=[job.pk for job in changed])) if verb.write else 0
        if changed and on_chunk is not None:
            on_chunk(changed)
    # Counted once it is certain: the transaction may be tried again.
    report.done += done
    report.asked += sum(job.status == Status.RUNNING for job in changed)


def _copy(
    verb: Verb, ids: list[UUID], using: str, report: Report, on_chunk: OnChunk | None
) -> None:
    with write_transaction(using):
        jobs = Job.objects.using(using).filter(pk__in=ids).order_by("pk")
        copies = enqueue_copies(jobs, using)
        if copies.originals and on_chunk is not None:
            on_chunk(copies.originals)
    copies.announce()
    report.done += len(copies.ids)
    report.copies += copies.ids
    report.reasons += copies.reasons
