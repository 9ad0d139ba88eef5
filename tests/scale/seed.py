"""
A table of very many jobs, as a week leaves it, made by the database itself.

Of a thousand jobs ten are dead, two are tried again later, five were cancelled and five were
discarded; what failed belongs to forty groups. The newest five thousand wait, some are running.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from django_jobs.figures import KEPT, write
from django_jobs.ids import uuid7
from django_jobs.models import FailureGroup, Job, JobAttempt, Queue, Worker
from django_jobs.tally import Tally
from tests.factories import WorkerFactory
from tests.support.rows import analyze

WEEK: Final = timedelta(days=7)
CHUNK: Final = 250_000
WAITING: Final = 5_000
RUNNING: Final = 40
GROUPS: Final = 40
TASKS: Final = 20
QUEUES: Final = ("default", "mail", "reports", "imports")

# By the number n of the row, from 0 for the oldest. A row in 1,000 stands for what it was.
_STATUS: Final = """CASE
    WHEN n >= {ready} AND n < {running} THEN 'READY'
    WHEN n >= {running} THEN 'RUNNING'
    WHEN n % 1000 < 10 THEN 'DEAD'
    WHEN n % 1000 < 12 THEN 'SCHEDULED'
    WHEN n % 1000 < 17 THEN 'CANCELLED'
    WHEN n % 1000 < 22 THEN 'DISCARDED'
    ELSE 'SUCCESSFUL' END"""

# UUIDs of version 7, so that ids are in the order of time, and moments from milliseconds.
_SPEECH: Final = {
    "postgresql": {
        "id": "(lpad(to_hex({ms}), 12, '0') || '7' || lpad(to_hex(n % 4096), 3, '0') || '8' "
        "|| lpad(to_hex(n), 15, '0'))::uuid",
        "moment": "to_timestamp(({ms}) / 1000.0)",
        "ms": "({first} + n * {step}::bigint / 1000)",
        "group": "lpad(to_hex(n / 10 % {groups}), 16, 'f')",
        "text": "('{head}' || {number})",
        "json": "('{{\"order_id\": ' || n || '}}')::jsonb",
    },
    "sqlite": {
        "id": "printf('%%012x7%%03x8%%015x', {ms}, n % 4096, n)",
        "moment": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', ({ms}) / 1000.0, 'unixepoch')",
        "ms": "({first} + n * {step} / 1000)",
        "group": "printf('ffffffffffffff%%02x', n / 10 % {groups})",
        "text": "('{head}' || {number})",
        "json": "'{{\"order_id\": ' || n || '}}'",
    },
    "mysql": {
        "id": "lower(concat(lpad(hex({ms}), 12, '0'), '7', lpad(hex(n % 4096), 3, '0'), '8', "
        "lpad(hex(n), 15, '0')))",
        "moment": "timestampadd(MICROSECOND, ({ms}) * 1000, '1970-01-01')",
        "ms": "({first} + n * {step} DIV 1000)",
        "group": "lower(lpad(hex(n DIV 10 % {groups}), 16, 'f'))",
        "text": "concat('{head}', {number})",
        "json": "concat('{{\"order_id\": ', n, '}}')",
    },
}


def seed(rows: int, tell: Callable[[str], object] = lambda text: None) -> None:
    """
    Fill the tables with ``rows`` jobs and all that belongs to them.

    :param tell: is told how far it is.
    """
    workers = [WorkerFactory(hostname=f"jobs-{n}", threads_busy=4) for n in range(4)]
    for first in range(0, rows, CHUNK):
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "mysql":
                cursor.execute(f"SET SESSION max_recursive_iterations = {CHUNK + 1}")
            cursor.execute(_insert(rows, first, min(CHUNK, rows - first), workers))
        tell(f"{min(first + CHUNK, rows):,} jobs")
    _attempts()
    _failure_groups()
    _figures(workers[0])
    for name in QUEUES:
        Queue.objects.create(name=name)
    for model in (Job, JobAttempt, FailureGroup):
        analyze(model._meta.db_table)


def _insert(rows: int, first: int, count: int, workers: list[Worker]) -> str:
    now = timezone.now()
    speech = _SPEECH[connection.vendor]
    numbers = {
        "first": int((now - WEEK).timestamp() * 1000),
        "step": int(WEEK.total_seconds() * 1_000_000 / rows),  # microseconds
        "ready": rows - WAITING - RUNNING,
        "running": rows - RUNNING,
        "groups": GROUPS,
    }
    ms = speech["ms"].format(**numbers)
    moment = speech["moment"].format(ms=ms)
    status = _STATUS.format(**numbers)
    failed = "n < {ready} AND n % 1000 < 12".format(**numbers)
    divide = "DIV" if connection.vendor == "mysql" else "/"
    task = speech["text"].format(head="shop.tasks.task_", number=f"n {divide} 10 % {TASKS}")
    columns = {
        "id": speech["id"].format(ms=ms),
        "task_path": task,
        "queue_name": _one_of("n % 4", QUEUES),
        "backend_name": "'default'",
        "priority": "0",
        "status": status,
        "args": "'[]'",
        "kwargs": speech["json"].format(),
        "metadata": "'{}'",
        "attempts": f"CASE WHEN {failed} THEN 1 WHEN n >= {numbers['ready']} AND n < "
        f"{numbers['running']} THEN 0 ELSE 1 END",
        "max_attempts": "5",
        "claim_no": f"CASE WHEN {failed} THEN 1 ELSE 0 END",
        "crashes": "0",
        "last_error": f"CASE WHEN {failed} THEN "
        + speech["text"].format(head="OSError: timed out after ", number="n % 60")
        + " ELSE '' END",
        "failure_group": f"CASE WHEN {failed} THEN {speech['group'].format(**numbers)} END",
        "run_after": f"CASE WHEN n < {numbers['ready']} AND n % 1000 IN (10, 11) THEN "
        f"{speech['moment'].format(ms=int(now.timestamp() * 1000) + 3_600_000)} ELSE {moment} END",
        "enqueued_at": moment,
        "started_at": moment,
        "last_attempted_at": moment,
        "finished_at": f"CASE WHEN n < {numbers['ready']} THEN {moment} END",
        "worker_id": f"CASE WHEN n >= {numbers['running']} THEN "
        + _one_of("n % 4", [_id(worker.pk) for worker in workers])
        + " END",
    }
    if connection.vendor == "postgresql":
        columns["worker_id"] = f"({columns['worker_id']})::uuid"
    return (
        f"INSERT INTO {Job._meta.db_table} ({', '.join(columns)}) "
        f"WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers "
        f"WHERE n < {first + count - 1}) SELECT {', '.join(columns.values())} FROM numbers"
    ).replace("%%", "%")


def _one_of(number: str, values: Any) -> str:
    whens = " ".join(f"WHEN {place} THEN '{value}'" for place, value in enumerate(values))
    return f"CASE {number} {whens} END"


def _id(value: Any) -> str:
    return str(value) if connection.features.has_native_uuid_field else value.hex


def _attempts() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {JobAttempt._meta.db_table} (job_id, claim_no, number, worker_name, "
            "started_at, finished_at, outcome, exception_class, message, traceback) "
            "SELECT id, 1, 1, 'jobs-0:1', started_at, finished_at, 'FAILED', 'builtins.OSError', "
            f"last_error, 'Traceback (most recent call last):' FROM {Job._meta.db_table} "
            "WHERE failure_group IS NOT NULL"
        )


def _failure_groups() -> None:
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT failure_group, MIN(task_path), COUNT(*) FROM {Job._meta.db_table} "
            "WHERE failure_group IS NOT NULL GROUP BY failure_group"
        )
        found = cursor.fetchall()
    for place, (fingerprint, task_path, seen) in enumerate(found):
        FailureGroup.objects.create(
            fingerprint=fingerprint,
            task_path=task_path,
            outcome="FAILED",
            exception_class="builtins.OSError",
            place=f"shop.mail.send_{place}",
            message="timed out",
            job_id=Job.objects.filter(failure_group=fingerprint).values_list("pk", flat=True)[0],
            first_seen=now - WEEK,
            last_seen=now - timedelta(minutes=place),
            seen=seen,
        )


def _figures(worker: Worker) -> None:
    """A week of each task, as two workers would have written it."""
    now = int(timezone.now().timestamp())
    for writer in (worker.pk, uuid7()):
        totals = {}
        for span, kept in KEPT.items():
            for start in range(now - now % span, int(now - min(kept, WEEK).total_seconds()), -span):
                for number in range(TASKS):
                    tally = Tally()
                    tally.add(0.2 * (number + 1), 0.05, failed=number == 3, dead=number == 3)
                    queue = QUEUES[number % len(QUEUES)]
                    totals[span, start, f"shop.tasks.task_{number}", queue] = tally
        write(totals, writer, "default")
