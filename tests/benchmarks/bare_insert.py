"""What an INSERT costs through Django's own cursor: the columns of a job, and nothing else."""

import time
from typing import Any

ROWS = 1000  # in a statement


def run(how: str, count: int) -> float:
    """Seconds for "bare single", a statement a row, or "bare bulk", a thousand rows a statement."""
    from django.db import connection, transaction

    rows = _rows(count)  # ready beforehand
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


def _rows(count: int) -> list[list[Any]]:
    """What enqueue() writes, with an id and arguments of its own for each row."""
    from django.db import connection

    from django_jobs.models import Job
    from tests.benchmarks.tasks import work

    work.enqueue(0, 0)
    job = Job.objects.get()
    rows = []
    for number in range(count):
        job.pk, job.args = Job._meta.pk.get_default(), [number, 0]
        rows.append(
            [
                field.get_db_prep_save(getattr(job, field.attname), connection)
                for field in Job._meta.concrete_fields
            ]
        )
    return rows
