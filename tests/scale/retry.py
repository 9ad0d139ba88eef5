"""
Retry very many dead jobs at once from the admin while a worker is busy with others:
`python -m tests.scale.retry --database postgresql --jobs 100000`.

First that worker runs the others while there is nothing else to do, then once more while all the
dead are retried and run, by a second worker: how long the claims of the first take, and on
PostgreSQL how often a session waits for a lock of another. Exit code 1: a job that was retried was
lost, or was claimed more than once.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import django

TASK = "tests.sample.tasks.add"  # of the dead
QUEUE = "others"
OTHERS = 20_000
OTHERS_SECONDS = 0.004
CLAIMED = 5  # times, each of the dead, before it is retried
CHUNK = 5_000
LOOK = 0.004  # seconds
WORKER = ("--threads", "4", "--verbosity", "0")
PATIENCE = 600  # seconds


def main() -> int:
    from tests.benchmarks.throwaway import database
    from tests.support.databases import NAMES, find

    parser = argparse.ArgumentParser(prog="python -m tests.scale.retry", description=__doc__)
    parser.add_argument("--database", choices=NAMES, default="sqlite")
    parser.add_argument("--jobs", type=int, default=100_000, help="default: %(default)s")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="django-jobs-scale-")))
        server = find(options.database, stack).url
        url = stack.enter_context(database(options.database, server, "retry", folder))
        os.environ["DATABASE_URL"] = url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        from django.db import connections

        stack.callback(connections.close_all)
        return measure(options.jobs, folder)


def measure(count: int, folder: Path) -> int:
    from django.core.management import call_command
    from django.test.utils import setup_test_environment

    from django_jobs.models import Job, Status

    call_command("migrate", verbosity=0)
    group = _dead(count)
    print(" " * 14 + "seconds  claims  p50 ms  p99 ms  longest  sessions")
    with _workers(folder) as claims:
        _measured("others alone", claims, _others)
        setup_test_environment()  # so that a response tells which templates it is of
        _measured("and retry", claims, lambda: (_others(), _retry(group)))
    found = Job.objects.filter(task_path=TASK)
    ends = Counter(found.values_list("status", "claim_no"))
    print(f"{count:,} retried: " + ", ".join(f"{n:,} {s}, claim {c}" for (s, c), n in ends.items()))
    return int(ends != {(Status.SUCCESSFUL, CLAIMED + 1): count})


def _dead(count: int) -> str:
    """So many dead jobs of one group."""
    from django.utils import timezone

    from django_jobs.models import FailureGroup, Job
    from tests.factories import JobFactory
    from tests.support.rows import analyze

    now = timezone.now()
    group = FailureGroup.objects.create(
        fingerprint="ab" * 8,
        task_path=TASK,
        outcome="FAILED",
        exception_class="builtins.ValueError",
        place=TASK,
        message="no luck",
        job_id=JobFactory.build().pk,
        first_seen=now,
        last_seen=now,
        seen=count,
    )
    for start in range(0, count, CHUNK):
        facts = {"task_path": TASK, "claim_no": CLAIMED, "failure_group": group.pk}
        rows = JobFactory.build_batch(min(CHUNK, count - start), dead=True, **facts)
        Job.objects.bulk_create(rows, 500)
    analyze(Job._meta.db_table)
    return str(group.pk)


def _others() -> None:
    from django_jobs import enqueue_many
    from tests.sample.tasks import sleep

    enqueue_many(sleep.using(queue_name=QUEUE), [{"seconds": OTHERS_SECONDS}] * OTHERS)


def _retry(group: str) -> None:
    """As an operator does: the button, then the one of the page that asks."""
    from django.contrib.auth import get_user_model
    from django.test import Client
    from django.urls import reverse

    from tests.admin.pages import confirm

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("operator"))
    url = reverse("admin:django_jobs_failuregroup_retry", args=[group])
    answer = confirm(client, client.post(url), url)
    assert answer.status_code == 302, answer


def _measured(name: str, claims: Path, do: Any) -> None:
    from django_jobs.models import Job, Status
    from tests.support.waiting import wait_until

    waiting = (Status.READY, Status.RUNNING, Status.SCHEDULED)
    skip = len(claims.read_text().splitlines()) if claims.exists() else 0
    started = time.monotonic()
    with _watched() as waits:
        do()
        wait_until(lambda: not Job.objects.filter(status__in=waiting).exists(), PATIENCE, "all")
    seconds = time.monotonic() - started
    taken = sorted(float(line) * 1000 for line in claims.read_text().splitlines()[skip:])
    *_, p99 = statistics.quantiles(taken, n=100)
    print(
        f"{name:<12} {seconds:>8.1f} {len(taken):>7} {statistics.median(taken):>7.1f} "
        f"{p99:>7.1f} {taken[-1]:>8.1f}  {dict(waits) or 'not looked at'}",
        flush=True,
    )


@contextmanager
def _workers(folder: Path) -> Iterator[Path]:
    """
    One for the others, one for the rest, of four threads each; yields the file with the seconds
    of the claims of the first, a line each.
    """
    claims, log = folder / "claims", folder / "workers.log"
    files = {QUEUE: claims, "default": folder / "claims of the second"}
    with log.open("wb") as output:
        workers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.scale.timed", "--queues", queue, *WORKER],
                env=os.environ | {"CLAIMS": str(file)},
                stdout=output,
                stderr=output,
            )
            for queue, file in files.items()
        ]
        try:
            yield claims
        finally:
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(60)
            print(log.read_text(), end="")


@contextmanager
def _watched() -> Iterator[Counter[str]]:
    """Count how many looks at the sessions there were, and saw one that waits for a lock."""
    from django.db import connection

    seen: Counter[str] = Counter()
    if connection.vendor != "postgresql":
        yield seen
        return
    done = threading.Event()

    def look() -> None:
        with connection.cursor() as cursor:
            while not done.wait(LOOK):
                cursor.execute(
                    "SELECT COUNT(*) FROM pg_stat_activity "
                    "WHERE datname = CURRENT_DATABASE() AND wait_event_type = 'Lock'"
                )
                seen["looks"] += 1
                seen["waiting"] += cursor.fetchone()[0]
        connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
