"""
A limit of the machine: the claims and records of django_jobs in batches of 100, by bare psycopg.

On its own table with its own indexes, durable, and nothing around it: no leases, no policy, no
retries, no cancellation. One thread claims, one records, N execute. For latency single jobs are
enqueued by a bare INSERT with a NOTIFY, which the claimer waits for.
"""

import os
import queue
import threading
import time
import uuid
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from .base import call_main
from .on_django_jobs import DjangoJobs

BATCH = 100

# Written so that no statistics of a table that changes by the second lead the planner astray:
# ids as arrays, picked rows materialised, and no index of running jobs for the records.
CLAIM = """
WITH picked AS MATERIALIZED (
    SELECT id FROM django_jobs_job WHERE status = 'READY'
    ORDER BY priority DESC, run_after, id LIMIT %s FOR UPDATE SKIP LOCKED
)
UPDATE django_jobs_job
SET status = 'RUNNING', attempts = attempts + 1, claim_no = claim_no + 1, worker_id = %s,
    started_at = COALESCE(started_at, STATEMENT_TIMESTAMP()),
    last_attempted_at = STATEMENT_TIMESTAMP()
WHERE id = ANY(ARRAY(SELECT id FROM picked))
RETURNING id, claim_no, task_path, args, kwargs, attempts, max_attempts
"""
INSERT = """
INSERT INTO django_jobs_job (
    id, task_path, queue_name, backend_name, priority, status, args, kwargs, metadata, attempts,
    max_attempts, claim_no, crashes, last_error, enqueued_at, run_after
) VALUES (
    gen_random_uuid(), '', 'default', 'default', 0, 'READY', %s, '{}', '{}', 0,
    5, 0, 0, '', STATEMENT_TIMESTAMP(), STATEMENT_TIMESTAMP()
) RETURNING (SELECT pg_notify('bare', ''))
"""
RECORD = """
UPDATE django_jobs_job AS job
SET status = 'SUCCESSFUL', finished_at = outcome.finished_at, unique_hash = NULL,
    return_value = 'null'
FROM UNNEST(%(ids)s::uuid[], %(claims)s::int[], %(times)s::timestamptz[])
    AS outcome (id, claim_no, finished_at)
WHERE job.id = ANY(%(ids)s::uuid[]) AND job.id = outcome.id
    AND COALESCE(job.status, '') = 'RUNNING' AND job.claim_no = outcome.claim_no
"""


class BarePsycopg(DjangoJobs):
    title = "bare psycopg, batches of 100"
    packages = ("psycopg",)
    settings_line = "a claimer thread, a recorder thread, N executor threads, django_jobs' table"
    databases = ("postgresql",)
    enqueues = False
    picks_up = True

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots)] * processes

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        self._connection.execute(INSERT, [f"[{number}, {milliseconds}]"])

    @cached_property
    def _connection(self) -> Any:
        return _connect()


def main(slots: int) -> None:
    waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
    done: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threads = [threading.Thread(target=_execute, args=(waiting, done)) for _ in range(slots)]
    threads += [
        threading.Thread(target=_claim, args=(waiting,)),
        threading.Thread(target=_record, args=(done,)),
    ]
    for thread in threads:
        thread.start()


def _connect() -> Any:
    import psycopg

    return psycopg.connect(os.environ["DATABASE_URL"], autocommit=True, prepare_threshold=1)


def _claim(waiting: "queue.SimpleQueue[Any]") -> None:
    connection, worker = _connect(), uuid.uuid4()
    connection.execute("SET enable_sort = off")  # the order of the index, never all that is ready
    connection.execute("LISTEN bare")
    while True:
        if waiting.qsize() >= BATCH:
            time.sleep(0.002)
            continue
        rows = connection.execute(CLAIM, [BATCH, worker]).fetchall()
        for row in rows:
            waiting.put(row)
        if not rows:
            for _ in connection.notifies(timeout=0.1, stop_after=1):
                pass


def _execute(waiting: "queue.SimpleQueue[Any]", done: "queue.SimpleQueue[Any]") -> None:
    from tests.benchmarks.work import work

    while True:
        job = waiting.get()
        work(*job[3], **job[4])
        done.put((job[0], job[1], datetime.now(UTC)))


def _record(done: "queue.SimpleQueue[Any]") -> None:
    connection = _connect()
    while True:
        outcomes = [done.get()]
        while len(outcomes) < BATCH and not done.empty():
            outcomes.append(done.get())
        ids, claims, times = map(list, zip(*outcomes, strict=True))
        connection.execute(RECORD, {"ids": ids, "claims": claims, "times": times})


CONTENDER = BarePsycopg
