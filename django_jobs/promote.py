"""Scheduled jobs whose ``run_after`` has come become ready."""

from typing import Final

from .db.clock import DbNow
from .db.transactions import lock_rows, write_transaction
from .models import Job, Status

BATCH: Final = 1000


def promote(using: str, limit: int = BATCH) -> int:
    """
    Make up to ``limit`` due jobs ready, by the database's clock; returns how many.

    Rows that another worker is promoting are left to it.
    """
    with write_transaction(using):
        due = Job.objects.using(using).filter(status=Status.SCHEDULED, run_after__lte=DbNow())
        ids = list(lock_rows(due.order_by("run_after")).values_list("pk", flat=True)[:limit])
        if not ids:
            return 0
        rows = Job.objects.using(using).filter(pk__in=ids, status=Status.SCHEDULED)
        return rows.update(status=Status.READY)
