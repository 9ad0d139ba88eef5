"""Very many jobs, made by the database itself; and how it finds some of them."""

import re

from django.db import connection

from django_jobs.models import Job, Status

_IDS = {
    "postgresql": "gen_random_uuid()",
    "sqlite": "LOWER(HEX(RANDOMBLOB(16)))",
    "mysql": "UUID()",
}


def fill(count: int, status: Status, *, queue: str = "default") -> None:
    """Insert ``count`` jobs of five priorities; scheduled ones are due in many years."""
    columns = {
        "id": _IDS[connection.vendor],
        "task_path": "'tests.sample.tasks.add'",
        "queue_name": "%s",
        "backend_name": "'default'",
        "priority": "n %% 5",
        "status": "%s",
        "args": "'[1, 2]'",
        "kwargs": "'{}'",
        "metadata": "'{}'",
        "attempts": "0",
        "max_attempts": "5",
        "claim_no": "0",
        "crashes": "0",
        "last_error": "''",
        "enqueued_at": "'2026-01-01 00:00:00'",
        "run_after": "'2026-01-01 00:00:00'" if status != Status.SCHEDULED else "'2099-01-01'",
    }
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET SESSION max_recursive_iterations = 10000000")
        cursor.execute(
            f"INSERT INTO {Job._meta.db_table} ({', '.join(columns)}) "
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
            f"WHERE n < {count}) SELECT {', '.join(columns.values())} FROM numbers",
            [queue, status.value],
        )


def analyze() -> None:
    """Let the database count what is in the table of jobs."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' * (connection.vendor == 'mysql')}{Job._meta.db_table}")
        if connection.vendor == "mysql":
            cursor.fetchall()


def uses(index: str, plan: str, *, table: str = Job._meta.db_table) -> bool:
    """Whether ``plan``, the text of an EXPLAIN, reads ``table`` through ``index``."""
    if connection.vendor == "mysql":
        # id, select_type, table, type, possible_keys, key, …
        rows = [line.split() for line in plan.splitlines()]
        return any(row[2] == table and row[5] == index for row in rows)
    return re.search(rf"(?:using|USING|on)(?: COVERING)?(?: INDEX)? {index}\b", plan) is not None
