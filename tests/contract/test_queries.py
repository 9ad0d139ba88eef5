"""How many statements each step takes, and that they find their index."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_jobs import enqueue_many
from django_jobs.claim import Claim, claim
from django_jobs.failure import Failure
from django_jobs.look import glance
from django_jobs.models import Job, Status, Worker
from django_jobs.policy import SUCCEEDED, Kind, Next, Outcome
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.rescue import abandoned
from tests.factories import WorkerFactory
from tests.sample import tasks
from tests.support.rows import analyze, uses

# BEGIN, and COMMIT: each its own statement, where the connection shows them.
TRANSACTION = 2


@pytest.fixture
def worker() -> Worker:
    return WorkerFactory()


def statements(work: Callable[[], object]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured]


def claimed(worker: Worker, count: int) -> list[Claim]:
    enqueue_many(tasks.add, [(n, n) for n in range(count)])
    claims = claim(worker, QueueFilter(), count, "default")
    assert len(claims) == count
    for each in claims:
        each.started = True
    return claims


@pytest.mark.django_db(transaction=True)
class TestCounts:
    def test_enqueue_is_one_insert(self) -> None:
        tasks.add.enqueue(1, 2)
        for task in (tasks.add, tasks.add.using(run_after=timedelta(minutes=1))):
            made = statements(lambda task=task: task.enqueue(1, 2))
            assert len(made) == 1, made
            assert made[0].startswith("INSERT INTO")

    @pytest.mark.parametrize("count", [1, 10, 100])
    def test_a_claim_is_one_transaction_whatever_its_size(self, worker: Worker, count: int) -> None:
        enqueue_many(tasks.add, [(n, n) for n in range(count)])
        made = statements(lambda: claim(worker, QueueFilter(), count, "default"))
        if connection.vendor == "postgresql":
            assert len(made) == 1, made
        else:
            assert len(made) == 2 + TRANSACTION, made
        assert Job.objects.filter(status=Status.RUNNING).count() == count

    @pytest.mark.parametrize("count", [1, 10, 100])
    def test_recording_successes_is_one_statement(self, worker: Worker, count: int) -> None:
        batch = [
            Finished(each, SUCCEEDED, return_value={"n": n} if n % 2 else None)
            for n, each in enumerate(claimed(worker, count))
        ]
        made = statements(lambda: record(batch, "default"))
        assert len(made) == 1, made
        assert Job.objects.filter(status=Status.SUCCESSFUL).count() == count

    def test_recording_is_one_transaction_for_a_mixed_batch(self, worker: Worker) -> None:
        claims = claimed(worker, 90)
        failure = Failure.of(ValueError("no"))
        batch = (
            [Finished(c, SUCCEEDED, return_value={"n": n}) for n, c in enumerate(claims[:30])]
            + [
                Finished(c, Outcome(Kind.FAILED, Next.SCHEDULED, delay=n), failure=failure)
                for n, c in enumerate(claims[30:60])
            ]
            + [Finished(c, Outcome(Kind.FAILED, Next.DEAD), failure=failure) for c in claims[60:]]
        )
        made = statements(lambda: record(batch, "default"))
        # An UPDATE for all of them, and an INSERT for the history.
        assert len(made) == 2 + TRANSACTION, made
        values = Job.objects.filter(status=Status.SUCCESSFUL).values_list("return_value")
        assert {value["n"] for (value,) in values} == set(range(30))
        assert Job.objects.filter(status=Status.SCHEDULED).count() == 30
        assert Job.objects.filter(status=Status.DEAD).count() == 30

    def test_a_look_is_one_statement(self, worker: Worker) -> None:
        tasks.add.enqueue(1, 2)
        tasks.add.using(run_after=timedelta(minutes=1)).enqueue(1, 2)
        made = statements(lambda: glance(worker, QueueFilter(), "default"))
        assert len(made) == 1, made
        seen = glance(worker, QueueFilter(), "default")
        assert seen.ready
        assert seen.due_in == pytest.approx(60, abs=5)

    def test_promotion_is_one_transaction(self) -> None:
        for _ in range(20):
            tasks.add.using(run_after=timezone.now()).enqueue(1, 2)
        made = statements(lambda: promote("default"))
        assert len(made) == 2 + TRANSACTION, made
        assert Job.objects.filter(status=Status.READY).count() == 20


def plan(rows: QuerySet[Job]) -> str:
    return rows.explain()


@pytest.fixture
def history(renewed: None) -> None:
    """Ten thousand finished jobs among a few that wait, with fresh statistics."""
    now = timezone.now()

    def rows(count: int, status: Status, queue: str = "default") -> None:
        Job.objects.bulk_create(
            [
                Job(
                    task_path="tests.sample.tasks.add",
                    queue_name=queue if n % 2 else "mail",
                    backend_name="default",
                    priority=n % 5,
                    status=status,
                    enqueued_at=now,
                    run_after=now,
                )
                for n in range(count)
            ],
            batch_size=500,
        )

    rows(10_000, Status.SUCCESSFUL)
    rows(300, Status.READY)
    rows(300, Status.SCHEDULED)
    rows(20, Status.RUNNING)
    analyze()


@pytest.mark.usefixtures("history")
class TestPlans:
    def test_rescue_reads_the_running_jobs_only(self) -> None:
        found = plan(abandoned("default").values_list("pk", flat=True)[:10])
        # MariaDB may take any index that begins with the status.
        assert uses("django_jobs_status", found) or (
            connection.vendor == "mysql" and uses("django_jobs_scheduled", found)
        ), found

    def test_the_heartbeat_reads_the_running_jobs_only(self, worker: Worker) -> None:
        found = plan(Job.objects.filter(status=Status.RUNNING, worker_id=worker.pk))
        assert uses("django_jobs_status", found) or (
            connection.vendor == "mysql" and uses("django_jobs_scheduled", found)
        ), found
