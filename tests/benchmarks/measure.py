"""The measurements on one database, in a database of their own."""

import logging
import os
import statistics
import sys
import time
from collections.abc import Callable

import django
from django.db import connection, transaction


def main(jobs: int, rounds: int) -> None:
    django.setup()
    for name in ("django_jobs", "django.tasks", "django_tasks"):
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).setLevel(logging.CRITICAL)
    old = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = f"bench_django_jobs_{os.getpid()}"
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = f"{old}.bench"
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        _measure(jobs, rounds)
    finally:
        connection.creation.destroy_test_db(old, verbosity=0)


def _measure(jobs: int, rounds: int) -> None:
    from django_jobs import enqueue_many
    from django_jobs.compat import task_backends
    from django_jobs.models import Job, Status
    from django_jobs.worker.config import WorkerConfig
    from django_jobs.worker.process import WorkerProcess
    from tests.sample.tasks import add

    def bare_insert() -> None:
        with connection.cursor() as cursor:
            for n in range(jobs):
                cursor.execute("INSERT INTO bench_bare (id, data) VALUES (%s, %s)", [n, "[1, 2]"])

    def bare_update() -> None:
        bare_insert()
        with connection.cursor() as cursor:
            for n in range(0, jobs, 100):
                done = [list(range(n, n + 100))] * 2
                for status, ids in zip(("RUNNING", "SUCCESSFUL"), done, strict=True):
                    marks = ", ".join(["%s"] * len(ids))
                    with transaction.atomic():
                        cursor.execute(
                            f"UPDATE bench_bare SET data = %s WHERE id IN ({marks})",
                            [status, *ids],
                        )

    def enqueue() -> None:
        for n in range(jobs):
            add.enqueue(n, 1)

    def drain(threads: int) -> Callable[[], None]:
        def run() -> None:
            config = WorkerConfig(threads=threads, batch=True)
            WorkerProcess(config, task_backends["default"]).run()
            assert Job.objects.filter(status=Status.SUCCESSFUL).count() == jobs

        return run

    def clear() -> None:
        Job.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM bench_bare")

    def fill() -> None:
        clear()
        enqueue_many(add, [(n, 1) for n in range(jobs)])

    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench_bare (id INTEGER PRIMARY KEY, data VARCHAR(64))")
    contenders: dict[str, tuple[Callable[[], None], Callable[[], None]]] = {
        "bare INSERT, one by one": (clear, bare_insert),
        "enqueue, one by one": (clear, enqueue),
        "enqueue_many": (clear, lambda: fill()),
        "bare INSERT, then two UPDATEs in hundreds": (clear, bare_update),
        "drain, 1 thread": (fill, drain(1)),
        "drain, 10 threads": (fill, drain(10)),
    }
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):  # in turn, so that noise hits all alike
        for name, (prepare, work) in contenders.items():
            prepare()
            connection.close()
            started = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - started)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    base = medians["bare INSERT, one by one"]
    for name, seconds in medians.items():
        print(f"  {name:42} {jobs / seconds:9,.0f} a second  {base / seconds:6.2f} ×")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
