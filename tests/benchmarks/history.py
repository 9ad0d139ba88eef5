"""Rows that lie in the table of django_jobs while jobs are drained, made by SQL alone."""

from typing import Any

CHUNK = 100_000

SERIES = {
    "postgresql": "SELECT n FROM GENERATE_SERIES(1, {count}) AS series (n)",
    "mysql": "SELECT seq FROM seq_1_to_{count}",
    "sqlite": (
        "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series "
        "WHERE n < {count}) SELECT n FROM series"
    ),
}
# In the order of their numbers and older than any job's, as ids that hold the time are.
ID = {
    "postgresql": "CAST(LPAD(TO_HEX({base} + n), 12, '0') || '{rest}' AS uuid)",
    "mysql": "CONCAT(LPAD(HEX({base} + seq), 12, '0'), '{rest}')",
    "sqlite": "PRINTF('%%012x', {base} + n) || '{rest}'",
}
# So that what the filling has left to write isn't written while jobs are drained.
SETTLE = {
    "postgresql": ["CHECKPOINT"],
    "mysql": ["FLUSH TABLES django_jobs_job FOR EXPORT", "UNLOCK TABLES"],
    "sqlite": ["PRAGMA wal_checkpoint(TRUNCATE)"],
}
FIRST = 1_700_000_000_000
REST = "70008000000000000000"


def fill(kind: str, count: int) -> None:
    """Copy one finished or scheduled job `count` times; each copy has an id of its own."""
    from django.db import connection

    from django_jobs.models import Job

    model = _model(kind)
    columns = [field.column for field in Job._meta.concrete_fields if not field.primary_key]
    names = ", ".join(columns)
    series = SERIES[connection.vendor]
    with connection.cursor() as cursor:
        for start in range(0, count, CHUNK):
            rows = series.format(count=min(CHUNK, count - start))
            new_id = ID[connection.vendor].format(base=FIRST + start, rest=REST)
            cursor.execute(
                f"INSERT INTO django_jobs_job (id, {names}) "
                f"SELECT {new_id}, {names} FROM django_jobs_job "
                f"CROSS JOIN ({rows}) AS numbers WHERE id = %s",
                [Job._meta.pk.get_db_prep_value(model.pk, connection)],
            )
        for sql in SETTLE[connection.vendor]:
            cursor.execute(sql)


def _model(kind: str) -> Any:
    from datetime import timedelta

    from django.utils import timezone

    from django_jobs.models import Job, Status

    now = timezone.now()
    times = {
        "finished": {
            "status": Status.SUCCESSFUL,
            "run_after": now,
            "started_at": now,
            "last_attempted_at": now,
            "finished_at": now,
        },
        "scheduled": {"status": Status.SCHEDULED, "run_after": now + timedelta(days=1)},
    }[kind]
    return Job.objects.create(
        task_path="tests.benchmarks.tasks.work",
        queue_name="default",
        backend_name="default",
        args=[0, 0],
        kwargs={},
        enqueued_at=now,
        **times,
    )
