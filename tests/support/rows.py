"""Very many jobs, made by the database itself; and how it finds some of them."""

import re

from django.apps import apps
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


def renew() -> None:
    """
    Make empty tables of the empty ones. What was deleted before counts in MariaDB's plans until
    it is purged, and each open transaction on the server, other tests' too, puts that off.
    """
    if connection.vendor != "mysql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION foreign_key_checks = 0")
        for model in apps.get_app_config("django_jobs").get_models():
            cursor.execute(f"TRUNCATE {model._meta.db_table}")
        cursor.execute("SET SESSION foreign_key_checks = 1")


def analyze(table: str = Job._meta.db_table) -> None:
    """Let the database count what is in ``table``, which it otherwise does when it likes."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {'TABLE ' * (connection.vendor == 'mysql')}{table}")
        if connection.vendor == "mysql":
            cursor.fetchall()


def explain(statement: str) -> tuple[str, str]:
    """A captured statement without the settings before it, and its plan."""
    how = {"postgresql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN", "mysql": "EXPLAIN"}
    *settings, sql = statement.split("; ", 1)
    with connection.cursor() as cursor:
        for setting in settings:
            cursor.execute(setting.replace("LOCAL", "SESSION"))
        cursor.execute(f"{how[connection.vendor]} {sql}")
        rows = cursor.fetchall()
        if settings:
            cursor.execute("RESET ALL")
    return sql, "\n".join(" ".join(map(str, row)) for row in rows)


def scans_jobs(plan: str) -> bool:
    """Whether the whole table of jobs is read by ``plan``, the text of an EXPLAIN."""
    table = Job._meta.db_table
    if connection.vendor == "mysql":
        # id, select_type, table, type, possible_keys, key, …
        rows = [line.split() for line in plan.splitlines()]
        return any(row[2] == table and row[3] == "ALL" for row in rows)
    if connection.vendor == "postgresql":
        # Rows in any order, and no more of them than the limit.
        bounded = rf"Limit [^\n]*\n\s*->  Seq Scan on {table} [^\n]*\n(?!\s+Filter)"
        return re.search(rf"Seq Scan on {table}\b", re.sub(bounded, "", f"{plan}\n")) is not None
    return any(re.search(rf"SCAN {table}$", line) for line in plan.splitlines())


def uses(index: str, plan: str, *, table: str = Job._meta.db_table) -> bool:
    """Whether ``plan``, the text of an EXPLAIN, reads ``table`` through ``index``."""
    if connection.vendor == "mysql":
        # id, select_type, table, type, possible_keys, key, …
        rows = [line.split() for line in plan.splitlines()]
        return any(row[2] == table and row[5] == index for row in rows)
    return re.search(rf"(?:using|USING|on)(?: COVERING)?(?: INDEX)? {index}\b", plan) is not None
