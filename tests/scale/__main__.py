"""
See how the admin fares beside very many jobs:
`python -m tests.scale --database postgresql --rows 10000000`.

Each page is asked for four times, in a database of this run's own that is dropped at the end: how
many statements it takes, how long (the median of the last three), and whether the database reads
the whole table of jobs for one of them. Exit code 1: it does, or a page takes more than
30 statements.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import django

MOST_STATEMENTS = 30
TIMES = 4
# Searches look at the newest 100,000 jobs.
FEWEST = 200_000


def main() -> int:
    from tests.benchmarks.throwaway import database
    from tests.support.databases import NAMES, find

    parser = argparse.ArgumentParser(prog="python -m tests.scale", description=__doc__)
    parser.add_argument("--database", choices=NAMES, default="sqlite")
    parser.add_argument("--rows", type=int, default=1_000_000, help="at least 200,000")
    parser.add_argument("--url", help="fill this database, and leave it: to look at it yourself")
    options = parser.parse_args()
    if options.rows < FEWEST:
        parser.error(f"--rows {options.rows}: pages may read the whole of so few.")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="django-jobs-scale-")))
        url = options.url
        if url is None:
            server = find(options.database, stack).url
            url = stack.enter_context(database(options.database, server, "scale", folder))
        os.environ["DATABASE_URL"] = url
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        django.setup()
        return measure(options.rows)


def measure(rows: int) -> int:
    from django.core.management import call_command
    from django.db import connections
    from django.test import override_settings

    from tests.scale.seed import seed

    started = time.monotonic()
    call_command("migrate", verbosity=0)
    seed(rows, lambda text: print(f"\r{text}", end="", flush=True))
    print(f"\r{rows:,} jobs in {time.monotonic() - started:.0f} s")
    bad = 0
    print(f"{'page':<24} {'statements':>10} {'ms':>8}   scans")
    try:
        with override_settings(ALLOWED_HOSTS=["testserver"]):
            for name, count, seconds, scans in visits(TIMES):
                bad += bool(scans) or count > MOST_STATEMENTS
                print(f"{name:<24} {count:>10} {seconds * 1000:>8.0f}   {scans}", flush=True)
    finally:
        connections.close_all()
    return int(bad > 0)


def visits(times: int) -> Iterator[tuple[str, int, float, str]]:
    """
    Each page with its statements, its seconds (the median, less the first), and those of its
    statements that scan.
    """
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from django_jobs.models import Job
    from tests.support.rows import explain, scans_jobs

    client = Client()
    client.force_login(get_user_model().objects.create_superuser("scale"))
    for name, url in pages().items():
        seconds = []
        for _ in range(times):
            with CaptureQueriesContext(connection) as captured:
                started = time.perf_counter()
                response = client.get(url)
                seconds.append(time.perf_counter() - started)
            assert response.status_code == 200, (url, response)
        of_jobs = [query["sql"] for query in captured if Job._meta.db_table in query["sql"]]
        scans = [sql for sql, plan in map(explain, of_jobs) if scans_jobs(plan)]
        yield name, len(captured), statistics.median(seconds[1:] or seconds), "; ".join(scans)


def pages() -> dict[str, str]:
    from django.urls import reverse

    from django_jobs.models import FailureGroup, Job, Status, Worker

    def page(name: str, *args: object) -> str:
        return reverse(f"admin:django_jobs_{name}", args=args)

    def first(status: Status) -> Job:
        return Job.objects.filter(status=status).order_by("-pk")[0]

    jobs = page("job_changelist")
    oldest = Job.objects.order_by("pk")[0]
    overview = reverse("admin:app_list", args=["django_jobs"])
    return {
        "index": reverse("admin:index"),
        "overview, 15 min": overview,
        "overview, 7 d": f"{overview}?range=7d",
        "jobs": jobs,
        "jobs, page 90": f"{jobs}?p=90",
        **{f"jobs, {status.label.lower()}": f"{jobs}?status={status}" for status in Status},
        "jobs of a task": f"{jobs}?q=task:shop.tasks.task_7",
        "jobs of a queue": f"{jobs}?q=queue:reports",
        "jobs by a word": f"{jobs}?q=task_7",
        "jobs by error": f"{jobs}?q=error:%22after+17%22",
        "jobs by an argument": f"{jobs}?q=order_id={4242}",
        "dead jobs by error": f"{jobs}?status=DEAD&q=error:nothing-like-it",
        "jobs by id": f"{jobs}?q={oldest.pk}",
        **{
            f"job, {status.label.lower()}": page("job_change", first(status).pk)
            for status in Status
        },
        "failures": page("failuregroup_changelist"),
        "failure": page("failuregroup_change", FailureGroup.objects.all()[0].pk),
        "queues": page("queue_changelist"),
        "queue": page("queue_change", "mail"),
        "workers": page("worker_changelist"),
        "worker": page("worker_change", Worker.objects.all()[0].pk),
    }


if __name__ == "__main__":
    sys.exit(main())
