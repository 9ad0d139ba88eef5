"""
Unique jobs hold their key while they wait or run: insert those whose key is free, and find the
jobs that hold the others.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

from django.db import connections, transaction

from .db.dialects import dialect
from .db.transactions import sees_commits
from .db.turns import in_turn
from .exceptions import UniqueKeyContended

if TYPE_CHECKING:
    from .insert import Prepared
    from .models import Job

TRIES: Final = 10

# What the log says of a job; its arguments may be large.
_LISTED: Final = (
    *("id", "unique_hash", "task_path", "queue_name", "attempts", "max_attempts", "claim_no"),
)


def hold(calls: Sequence[Prepared], write: Callable[[Sequence[Prepared]], int], using: str) -> None:
    """
    Insert ``calls``, which have a key. One whose key is held gets the ``id`` of the job that
    holds it, and is no longer ``is_new``; where that job was there before, it is its ``holder``.

    :param write: inserts rows, less those whose key is held, and returns how many it inserted.
    :raises UniqueKeyContended: a key was taken and given up again at each try.
    """
    firsts: dict[str, Prepared] = {}
    for call in calls:
        firsts.setdefault(call.key, call)
    # In one order everywhere, so that two statements can't wait for each other.
    left = [firsts[key] for key in sorted(firsts)]
    if dialect(connections[using]).locks_held and sees_commits(using):
        # Many callers that find one job should not wait for each other, nor the job for them.
        left = _share(left, using, current="")
    if left:
        with _transaction(using), in_turn(left[0].key, using) if len(left) == 1 else nullcontext():
            _hold(left, write, using)
    for call in calls:
        first = firsts[call.key]
        if call is not first:
            call.id, call.is_new = first.id, False


def _transaction(using: str) -> AbstractContextManager[None]:
    """
    Where a look has to tell what was inserted, nobody may run and end it before that look.
    """
    connection = connections[using]
    if dialect(connection).counts_inserted or not connection.get_autocommit():
        return nullcontext()
    return transaction.atomic(using)


def _hold(left: list[Prepared], write: Callable[[Sequence[Prepared]], int], using: str) -> None:
    speaks = dialect(connections[using])
    for _ in range(TRIES):
        if write(left) == len(left) and speaks.counts_inserted:
            return
        # What held the others has ended in between, so their keys may be free now.
        left = _share(left, using, speaks.current)
        if not left:
            return
    raise UniqueKeyContended(TRIES)


def _share(calls: list[Prepared], using: str, current: str) -> list[Prepared]:
    """
    Give those of ``calls`` whose key another job holds that one; returns those whose key none
    holds.

    :param current: what the SELECT ends with.
    """
    from .models import Job

    columns = "*" if len(calls) == 1 else ", ".join(_LISTED)
    sql = (
        f"SELECT {columns} FROM {Job._meta.db_table} "  # noqa: S608
        f"WHERE unique_hash IN ({', '.join(['%s'] * len(calls))}){current}"
    )
    rows = Job.objects.using(using).raw(sql, [call.key for call in calls])
    found = {job.unique_hash: job for job in rows}
    for call in calls:
        holder = found.get(call.key)
        if holder is not None and holder.pk != call.id:
            call.id, call.is_new, call.holder = holder.pk, False, holder
            _log(holder)
    return [call for call in calls if call.key not in found]


def _log(holder: Job) -> None:
    from .log import log_job

    log_job(logging.DEBUG, "held", holder, "is there already: enqueued again, nothing inserted")
