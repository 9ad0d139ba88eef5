"""Delete old finished rows."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import Q

from .db.transactions import lock_rows, write_transaction
from .ids import first_uuid7
from .models import FailureGroup, Job, Status, Worker

BATCH: Final = 1000

# Dead jobs wait for a person, so they are only deleted when that is asked for.
PRUNED: Final = (Status.SUCCESSFUL, Status.CANCELLED, Status.DISCARDED)


def prune(before: datetime, using: str, statuses: Iterable[Status] = PRUNED) -> int:
    """
    Delete the jobs that finished before ``before`` (aware), with their history, the rows of
    workers that ended before it, and the groups of failures last seen before it of which no job
    is dead or to be tried again; returns how many jobs were deleted.

    Goes in steps of a thousand, each a transaction of its own, along the primary key: ids
    are ordered by time, so that what is too young isn't even looked at.
    """
    old = Job.objects.using(using).filter(
        pk__lt=first_uuid7(before), status__in=tuple(statuses), finished_at__lt=before
    )
    deleted = 0
    last = None
    while True:
        rest = old if last is None else old.filter(pk__gt=last)
        ids = list(rest.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not ids:
            break
        last = ids[-1]
        with write_transaction(using):
            # Checked again under a lock, in case somebody has brought one back meanwhile.
            still = list(lock_rows(old.filter(pk__in=ids)).values_list("pk", flat=True))
            rows = Job.objects.using(using).filter(pk__in=still)
            deleted += rows.delete()[1].get(Job._meta.label, 0)
    Worker.objects.using(using).filter(
        Q(stopped_at__lt=before) | Q(stopped_at=None, lease_expires_at__lt=before)
    ).delete()
    _prune_groups(before, using)
    return deleted


def _prune_groups(before: datetime, using: str) -> None:
    old: Any = FailureGroup.objects.using(using).filter(last_seen__lt=before)
    while ids := list(old.with_waiting().filter(waiting=None).values_list("pk", flat=True)[:BATCH]):
        # One that has been seen again meanwhile stays.
        old.filter(pk__in=ids).delete()
