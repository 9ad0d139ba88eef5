"""
Do something to many jobs within a request: in chunks, each a short transaction of its own, in
bounded memory and time.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import UUID

from django.db import router

from ..db.transactions import write_transaction
from ..many import WRITES, again, change, chunks
from ..models import Job, JobQuerySet
from .copies import enqueue_copies
from .verbs import Verb

CHUNK: Final = 1000
COPY_CHUNK: Final = 100  # arguments may be large
TIME_LIMIT: Final = 20.0  # seconds; servers commonly give up on a request after 30

OnChunk = Callable[[list[Job]], None]


@dataclass(slots=True)
class Report:
    """
    What came of it.

    :param done: rows that were changed, or copies that were made.
    :param asked: those of them that run, and were asked to end.
    :param held: jobs that were left alone, or calls that got no copy, since another job holds
        their unique key.
    :param reasons: why copies could not be made, with how many of each.
    :param copies: the ids of copies.
    :param holders: those of the jobs that hold the keys of calls that got none.
    :param is_complete: false where the time was up before the last row.
    """

    done: int = 0
    asked: int = 0
    held: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    copies: list[UUID] = field(default_factory=list)
    holders: list[UUID] = field(default_factory=list)
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
    write, size = (_change, CHUNK) if verb.name in WRITES else (_copy, COPY_CHUNK)
    deadline = time.monotonic() + time_limit
    for ids in chunks(jobs.using(using), verb.statuses, size):
        if time.monotonic() > deadline:
            report.is_complete = False
            break
        again(partial(write, verb, ids, using, report, on_chunk), using)


def _change(
    verb: Verb, ids: list[UUID], using: str, report: Report, on_chunk: OnChunk | None
) -> None:
    changed = change(verb.name, ids, using, on_chunk)
    # Counted once it is certain: the transaction may be tried again.
    report.done += changed.done
    report.asked += changed.asked
    report.held += changed.held


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
    report.held += len(copies.holders)
    report.holders += copies.holders
    report.reasons += copies.reasons
