"""
A limit of the machine: the claims and records of django_jobs in batches of 100, by bare sqlite3.

On its own table with its own indexes, write-ahead log, `synchronous` FULL (the default), and
nothing around it. One thread claims, one records, N execute.
"""

import json
import os
import queue
import sqlite3
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from .base import call_main
from .on_django_jobs import DjangoJobs

BATCH = 100

CLAIM = """
UPDATE django_jobs_job
SET status = 'RUNNING', attempts = attempts + 1, claim_no = claim_no + 1, worker_id = ?1,
    started_at = COALESCE(started_at, ?2), last_attempted_at = ?2
WHERE id IN (
    SELECT id FROM django_jobs_job WHERE status = 'READY'
    ORDER BY priority DESC, run_after, id LIMIT ?3
)
RETURNING id, claim_no, task_path, args, kwargs, attempts, max_attempts
"""
RECORD = """
UPDATE django_jobs_job
SET status = 'SUCCESSFUL', finished_at = ?, unique_hash = NULL, return_value = 'null'
WHERE id = ? AND status = 'RUNNING' AND claim_no = ?
"""


class BareSqlite(DjangoJobs):
    title = "bare sqlite3, batches of 100"
    packages = ()
    settings_line = "a claimer thread, a recorder thread, N executor threads, django_jobs' table"
    databases = ("sqlite",)
    enqueues = False
    picks_up = False

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots)] * processes


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


def _connect() -> sqlite3.Connection:
    path = "/" + os.environ["DATABASE_URL"].removeprefix("sqlite:///").lstrip("/")
    connection = sqlite3.connect(path, timeout=20, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    return connection


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(" ")


def _claim(waiting: "queue.SimpleQueue[Any]") -> None:
    connection, worker = _connect(), uuid.uuid4().hex
    while True:
        rows = []
        if waiting.qsize() < BATCH:
            connection.execute("BEGIN IMMEDIATE")
            rows = connection.execute(CLAIM, [worker, _now(), BATCH]).fetchall()
            connection.execute("COMMIT")
        for row in rows:
            waiting.put(row)
        if not rows:
            time.sleep(0.002)


def _execute(waiting: "queue.SimpleQueue[Any]", done: "queue.SimpleQueue[Any]") -> None:
    from tests.benchmarks.work import work

    while True:
        job = waiting.get()
        work(*json.loads(job[3]), **json.loads(job[4]))
        done.put((_now(), job[0], job[1]))


def _record(done: "queue.SimpleQueue[Any]") -> None:
    connection = _connect()
    while True:
        outcomes = [done.get()]
        while len(outcomes) < BATCH and not done.empty():
            outcomes.append(done.get())
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(RECORD, outcomes)
        connection.execute("COMMIT")


CONTENDER = BareSqlite
