"""What the admin's list of queues asks: the same answers on every database, and cheap plans."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_jobs.admin.lanes import lanes
from django_jobs.models import Job, Status
from tests.factories import JobFactory, QueueFactory, WorkerFactory
from tests.support.rows import analyze, fill

HOW = {"postgresql": "EXPLAIN", "sqlite": "EXPLAIN QUERY PLAN", "mysql": "EXPLAIN"}


@pytest.mark.django_db
def test_what_waits_in_each_queue() -> None:
    long_ago = timezone.now() - timedelta(hours=3)
    for name in ("Mail", "mail", "mail.bulk", "news", "z" * 64):
        JobFactory.create_batch(2, queue_name=name)
        JobFactory(queue_name=name, scheduled=True)
        JobFactory(queue_name=name, successful=True)
    JobFactory(queue_name="mail", run_after=long_ago, priority=-1)
    JobFactory(queue_name="news", running=True)
    JobFactory(queue_name="over", dead=True)
    QueueFactory(name="paused", paused=True)
    WorkerFactory(queues="served,other*")
    found = {lane.name: lane for lane in lanes()}
    names = ["Mail", "mail", "mail.bulk", "news", "paused", "served", "z" * 64]
    assert list(found) == names
    counts = {n: (lane.ready, lane.scheduled, lane.running) for n, lane in found.items()}
    assert counts == {
        "Mail": (2, 1, 0),
        "mail": (3, 1, 0),
        "mail.bulk": (2, 1, 0),
        "news": (2, 1, 1),
        "paused": (0, 0, 0),
        "served": (0, 0, 0),
        "z" * 64: (2, 1, 0),
    }
    oldest = found["mail"].oldest
    assert oldest is not None
    assert abs(oldest - long_ago) < timedelta(milliseconds=2)
    assert [name for name, lane in found.items() if lane.is_paused] == ["paused"]
    assert [name for name, lane in found.items() if lane.is_served] == ["served"]


@pytest.mark.django_db
def test_no_queue() -> None:
    assert lanes() == []


def plans() -> Iterator[str]:
    """The plan of each statement on jobs."""
    with CaptureQueriesContext(connection) as captured:
        found = lanes()
    assert [(lane.name, lane.ready) for lane in found] == [("default", 300), ("mail", 300)]
    for query in captured:
        if Job._meta.db_table in query["sql"]:
            with connection.cursor() as cursor:
                cursor.execute(f"{HOW[connection.vendor]} {query['sql']}")
                yield "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


@pytest.mark.usefixtures("renewed")
def test_none_of_it_reads_jobs_that_have_ended() -> None:
    for queue in ("mail", "default"):
        fill(20_000, Status.SUCCESSFUL, queue=queue)
        for status in (Status.READY, Status.SCHEDULED, Status.RUNNING, Status.DEAD):
            fill(300, status, queue=queue)
    analyze()
    found = list(plans())
    assert len(found) == 3 + len(["default", "mail", "no more"])
    for plan in found:
        found_at_once = "optimized away" in plan or "No matching min/max row" in plan
        assert found_at_once or "django_jobs_" in plan.replace(Job._meta.db_table, ""), plan
        for line in plan.splitlines():
            if connection.vendor == "mysql":
                # id, select_type, table, type, possible_keys, key, …
                reads = line.split()
                assert reads[2] != Job._meta.db_table or reads[5].startswith("django_jobs_"), plan
            elif connection.vendor == "sqlite" and Job._meta.db_table in line:
                assert "INDEX django_jobs_" in line, plan
            assert f"Seq Scan on {Job._meta.db_table}" not in line, plan
