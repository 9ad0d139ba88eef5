"""What an INSERT costs through Django's own cursor: the columns of a job, and nothing else."""

import time
from typing import Any

ROWS = 1000  # in a statement


def run(how: str, count: int) -> float:
    """Seconds for "bare single", a statement a row, or "bare bulk", a thousand rows a statement."""
    from django.db import connection, transaction

    rows = [_row(number) for number in range(count)]  # what is inserted is ready beforehand
    size = ROWS if how == "bare bulk" else 1
    with connection.cursor() as cursor:
        started = time.perf_counter()
        if size == 1:
            sql = _insert(1)
            for row in rows:
                cursor.execute(sql, row)
        else:
            with transaction.atomic():
                for start in range(0, count, size):
                    chunk = rows[start : start + size]
                    cursor.execute(_insert(len(chunk)), [value for row in chunk for value in row])
        return time.perf_counter() - started


def _insert(rows: int) -> str:
    from django_jobs.models import Job

    fields = Job._meta.concrete_fields
    columns = ", ".join(field.column for field in fields)
    marks = f"({', '.join(['%s'] * len(fields))})"
    return f"INSERT INTO {Job._meta.db_table} ({columns}) VALUES {', '.join([marks] * rows)}"


def _row(number: int) -> list[Any]:
    from django.db import connection
    from django.utils import timezone

    from django_jobs.models import Job
    from tests.benchmarks.tasks import work

    now = timezone.now()
    backend: Any = work.get_backend()
    job = backend.prepare(work, (number, 0), {})
    job.run_after = now  # for the database's own clock, which needs no parameter
    return [
        field.get_db_prep_save(getattr(job, field.attname), connection)
        for field in Job._meta.concrete_fields
    ]
