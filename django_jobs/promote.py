"""Scheduled jobs whose ``run_after`` has come become ready."""

from typing import Final

from django.db import connections

from .db.clock import DbNow
from .db.dialects import dialect
from .db.reading import fetch_in_order, locking_select
from .db.transactions import write_transaction
from .models import Job, Status

BATCH: Final = 1000


def promote(using: str, limit: int = BATCH) -> int:
    """
    Make up to ``limit`` due jobs ready, by the database's clock; returns how many.

    Rows that another worker is promoting are left to it.
    """
    with write_transaction(using):
        due = Job.objects.using(using).filter(status=Status.SCHEDULED, run_after__lte=DbNow())
        first = due.order_by("run_after").values_list("pk")[:limit]
        select, params = locking_select(first, "django_jobs_scheduled")
        found = fetch_in_order(connections[using], select, params)
        ids = [dialect(connections[using]).id(pk) for (pk,) in found]
        if not ids:
            return 0
        rows = Job.objects.using(using).filter(pk__in=ids, status=Status.SCHEDULED)
        return rows.update(status=Status.READY)
