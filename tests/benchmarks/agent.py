"""
One contender on one database, asked by the harness in lines of JSON on stdin.

A process of its own for each, since each has Django settings of its own. Every request is the
name of a method below and its arguments; every answer is {"result": …} or {"error": …}.
"""

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import ledger
from .contenders import DJANGO_JOBS, load
from .contenders.base import Contender

LOOK = 0.001  # seconds between two looks for the last outcome


class Agent:
    def __init__(self, contender: Contender) -> None:
        self.contender = contender
        self.ledger = ledger.Ledger(Path(os.environ[ledger.VARIABLE]))

    def install(self) -> dict[str, Any]:
        self.contender.install()
        contender = self.contender
        return {
            "title": contender.title,
            "settings": contender.settings_line,
            "bulk": contender.bulk,
            "transactional": contender.transactional,
            "enqueues": contender.enqueues,
            "picks_up": contender.picks_up,
            "in_agent": contender.in_agent,
            "versions": _versions(contender.packages),
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return self.contender.commands(slots, processes)

    def runners(self, slots: int, processes: int) -> int:
        return self.contender.runners(slots, processes)

    def clear(self) -> None:
        self.contender.clear()

    def analyse(self) -> None:
        """Fresh statistics, as a database that has run for a while would have."""
        from django.db import connection

        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("VACUUM ANALYZE")
                cursor.execute("CHECKPOINT")  # what was filled is on the disk, and not in its way
            elif connection.vendor == "sqlite":
                cursor.execute("ANALYZE")
            elif self.contender.packages == ("django-jobs",):
                cursor.execute("ANALYZE TABLE django_jobs_job")

    def is_free(self) -> bool:
        """Whether the stopped workers hold no lock on the whole database (SQLite has one)."""
        from django.db import OperationalError, connection

        if connection.vendor != "sqlite":
            return True
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA busy_timeout = 50")
            try:
                cursor.execute("BEGIN IMMEDIATE")
                cursor.execute("ROLLBACK")
            except OperationalError:
                return False
            finally:
                cursor.execute("PRAGMA busy_timeout = 20000")
        return True

    def fill(self, count: int, milliseconds: int = 0) -> None:
        """Enqueue the jobs 0 … count - 1, and begin a new part of the ledger."""
        self.ledger.mark()
        self.count = count
        for start in range(0, count, 10_000):
            numbers = range(start, min(start + 10_000, count))
            self.contender.enqueue_many(numbers, milliseconds)

    def run_here(self, slots: int) -> None:
        run: Any = self.contender
        run.run(slots)

    def finish(self, timeout: float) -> dict[str, Any]:
        """
        Wait until the last outcome is recorded, and check that each job ran once.

        :returns: "seconds" from the first start of a job to then, and the "pids" that ran them.
        """
        deadline = time.monotonic() + timeout
        while len(self.ledger) < self.count:
            _within(deadline, f"{len(self.ledger)} of {self.count} jobs have run")
        while left := self.contender.left():
            _within(deadline, f"{left} outcomes are missing")
        ended = time.time()
        runs = self.ledger.runs()
        ledger.check_once(runs, range(self.count))
        started = min(run.started for run in runs)
        return {"seconds": ended - started, "pids": len({run.pid for run in runs})}

    def latency(self, samples: int) -> list[float]:
        """Seconds from the call of enqueue to the first line of the task, one at a time."""
        self.ledger.mark()
        self.count = samples
        enqueued = []
        for number in range(samples):
            time.sleep(random.uniform(0.02, 0.08))
            enqueued.append(time.time())
            self.contender.enqueue(number)
        self.finish(30)
        return [run.started - enqueued[run.number] for run in self.ledger.runs()]

    def enqueue(self, how: str, count: int) -> float:
        """Seconds to enqueue so many: "single", "transaction" or "bulk", or bare INSERTs."""
        from django.db import transaction

        from . import bare_insert

        contender = self.contender
        contender.clear()
        if how.startswith("bare"):
            return bare_insert.run(how, count)
        started = time.perf_counter()
        if how == "bulk":
            contender.enqueue_many(range(count))
        elif how == "transaction":
            with transaction.atomic():
                for number in range(count):
                    contender.enqueue(number)
        else:
            for number in range(count):
                contender.enqueue(number)
        return time.perf_counter() - started

    def history(self, kind: str, count: int) -> float:
        """Put so many finished or scheduled rows beside the jobs, by SQL."""
        from . import history

        assert self.contender.title == DJANGO_JOBS
        started = time.perf_counter()
        history.fill(kind, count)
        return time.perf_counter() - started


def _within(deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError(f"in time, only {what}")
    time.sleep(LOOK)


def _versions(packages: Sequence[str]) -> dict[str, str]:
    from importlib.metadata import version

    return {package: version(package) for package in packages}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever is printed belongs to the log
    agent = None
    for line in sys.stdin:
        name, *arguments = json.loads(line)
        try:
            if agent is None:
                agent = _start()
            answer = {"result": getattr(agent, name)(*arguments)}
        except Exception as error:
            traceback.print_exc()
            text = " ".join(f"{type(error).__name__}: {error}".split())
            answer = {"error": text[:300]}
        print(json.dumps(answer), file=answers, flush=True)


def _start() -> Agent:
    import django

    django.setup()
    return Agent(load(os.environ["BENCH_CONTENDER"])(os.environ["BENCH_DATABASE"]))


if __name__ == "__main__":
    main()
