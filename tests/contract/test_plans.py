"""
The plans of the statements that every job passes, as they are run, whatever the statistics.

A planner that believes that few jobs are ready sorts them all for each claim; one that
believes that few are running reads all that ran since the last vacuum for each record.
"""

import os
from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_jobs import enqueue_many
from django_jobs.claim import Claim, claim
from django_jobs.look import Glance, glance
from django_jobs.models import Job, Queue, Status, Worker
from django_jobs.openings import Openings
from django_jobs.policy import SUCCEEDED
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from tests.factories import WorkerFactory
from tests.sample import tasks
from tests.support.rows import analyze, explain, fill, uses

# The whole million where there is time for it.
MANY = 1_000_000 if os.environ.get("CI") else 20_000
FEW = 20_000


def never_counted() -> None:
    fill(5000, Status.READY)


def counted_empty() -> None:
    analyze()
    fill(5000, Status.READY)
    fill(FEW, Status.SUCCESSFUL)


def counted_full() -> None:
    fill(MANY, Status.SUCCESSFUL)
    fill(5000, Status.READY)
    analyze()


def counted_drained() -> None:
    fill(FEW, Status.SUCCESSFUL)
    fill(FEW, Status.SCHEDULED)
    analyze()
    fill(5000, Status.READY)


STATISTICS: list[Callable[[], None]] = [
    never_counted,
    counted_empty,
    counted_full,
    counted_drained,
]


@pytest.fixture(params=STATISTICS, ids=lambda made: made.__name__)
def worker(request: pytest.FixtureRequest, renewed: None) -> Worker:
    made: Worker = WorkerFactory()
    request.param()
    return made


def explained_each(work: Callable[[], object]) -> list[tuple[str, str]]:
    """Each statement of ``work`` on jobs, with its plan."""
    with CaptureQueriesContext(connection) as captured:
        work()
    of_jobs = [query["sql"] for query in captured if Job._meta.db_table in query["sql"]]
    plans = [explain(statement) for statement in of_jobs]
    assert plans
    return plans


def explained(work: Callable[[], object]) -> dict[str, str]:
    """The plan of each statement of ``work`` on jobs, by its first word."""
    return {sql.split()[0]: plan for sql, plan in explained_each(work)}


def assert_found_by_key(plan: str) -> None:
    keys = {
        "postgresql": "django_jobs_job_pkey",
        "sqlite": "sqlite_autoindex_django_jobs_job_1",
        "mysql": "PRIMARY",
    }
    assert uses(keys[connection.vendor], plan, table="job"), plan
    for scan in ("Seq Scan on django_jobs_job", "SCAN job"):
        assert scan not in plan, plan


def assert_in_order(plan: str, index: str) -> None:
    assert uses(index, plan), plan
    for sort in ("Sort", "TEMP B-TREE", "filesort", "Seq Scan on django_jobs_job"):
        assert sort not in plan, plan


def test_claims_and_records_find_their_rows_by_their_index(worker: Worker) -> None:
    def claimed(queues: QueueFilter) -> tuple[dict[str, str], list[Claim]]:
        claims: list[Claim] = []
        plans = explained(lambda: claims.extend(claim(worker, queues, 10, "default", ahead=90)))
        assert len(claims) == 100
        return plans, claims

    for queues, index in (
        (QueueFilter(), "django_jobs_ready"),
        (QueueFilter(("default",)), "django_jobs_ready_in_queue"),
    ):
        plans, claims = claimed(queues)
        assert_in_order(plans["WITH" if "WITH" in plans else "SELECT"], index)
        if "UPDATE" in plans:
            assert_found_by_key(plans["UPDATE"])

        batch = [Finished(each, SUCCEEDED, return_value=n) for n, each in enumerate(claims)]
        (plan,) = explained(lambda batch=batch: record(batch, "default")).values()
        assert_found_by_key(plan)
    assert Job.objects.filter(status=Status.SUCCESSFUL, worker_id=worker.pk).count() == 200


def assert_by_an_index(plan: str) -> None:
    """Each read of the jobs is through an index that has few others."""
    table = Job._meta.db_table
    for line in plan.splitlines():
        if connection.vendor == "mysql":
            # id, select_type, table, type, possible_keys, key, …
            reads = line.split()
            assert reads[2] != table or reads[5].startswith(("django_jobs_", "PRIMARY")), plan
        elif connection.vendor == "sqlite":
            assert table not in line or "INDEX" in line, plan
        else:
            assert f"Seq Scan on {table}" not in line, plan
            assert line != "JIT:", "it takes a second to compile what takes a millisecond"


def test_where_queues_have_limits_nothing_reads_what_waits_or_ended(worker: Worker) -> None:
    fill(5000, Status.READY, queue="full")
    fill(3, Status.RUNNING, queue="full")
    fill(50, Status.READY, queue="mail")
    Queue.objects.bulk_create([Queue(name="full", limit=3), Queue(name="mail", limit=20)])
    found: list[Glance] = []
    looked = explained_each(lambda: found.append(glance(worker, QueueFilter(), "default")))
    openings = found[0].openings
    assert openings == Openings({"mail": 20}, ("default",))
    claims: list[Claim] = []
    claimed = explained_each(
        lambda: claims.extend(claim(worker, QueueFilter(), 100, "default", openings=openings))
    )
    assert len(claims) == 100
    for _sql, plan in (*looked, *claimed):
        assert_by_an_index(plan)
    # The first of each queue, in its order.
    unions = [plan for sql, plan in (*looked, *claimed) if "UNION ALL" in sql]
    assert len(unions) == 2
    for plan in unions:
        parts = [line for line in plan.splitlines() if "django_jobs_ready_in_queue" in line]
        assert len(parts) == 2, plan
    assert_found_by_key(claimed[-1][1])


@pytest.mark.usefixtures("worker")
def test_promotion_reads_the_first_that_are_due() -> None:
    enqueue_many(tasks.add.using(run_after=timezone.now()), [(n, n) for n in range(10)])
    plans = explained(lambda: promote("default"))
    assert_in_order(plans["SELECT"], "django_jobs_scheduled")
    assert not Job.objects.filter(status=Status.SCHEDULED, run_after__lte=timezone.now()).exists()


@pytest.mark.django_db(transaction=True)
def test_a_thousand_jobs_take_few_statements() -> None:
    """Enqueued, claimed and recorded in batches, as by a busy worker."""
    worker: Worker = WorkerFactory()
    with CaptureQueriesContext(connection) as captured:
        enqueue_many(tasks.add, [(n, n) for n in range(1000)])
        for _ in range(4):
            claims = claim(worker, QueueFilter(), 10, "default", ahead=240)
            assert len(claims) == 250
            assert record([Finished(each, SUCCEEDED) for each in claims], "default") == []
    assert len(captured) <= 30, [query["sql"][:80] for query in captured]
