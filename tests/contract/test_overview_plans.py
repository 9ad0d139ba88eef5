"""What the overview reads of jobs: through an index each, whatever the statistics."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_jobs.admin import readings
from django_jobs.admin.overview import gather
from django_jobs.figures import write
from django_jobs.ids import first_uuid7, uuid7
from django_jobs.models import Job, Phase, Status
from django_jobs.tally import Tally
from tests.contract.support import queries
from tests.contract.test_plans import STATISTICS, explained_each, fill
from tests.factories import JobFactory, WorkerFactory
from tests.support.rows import analyze, scans_jobs, uses

pytestmark = pytest.mark.django_db(transaction=True)

READINGS: dict[str, Callable[[], object]] = {
    "states": readings.count_states,
    "lines": readings.ready_lines,
    "unavailable": lambda: readings.unavailable(timezone.now()),
    "longest": lambda: readings.longest_running(5),
    "most dead": readings.most_dead,
}


def assert_scans_no_jobs(plan: str) -> None:
    assert not scans_jobs(plan), plan


@pytest.fixture(params=STATISTICS, ids=lambda made: made.__name__)
def many(request: pytest.FixtureRequest, renewed: None) -> None:
    request.param()
    for status in (Status.DEAD, Status.CANCELLED, Status.RUNNING):
        fill(100, status)


@pytest.mark.usefixtures("many")
def test_every_statement_goes_by_an_index() -> None:
    for name, work in READINGS.items():
        plans = explained_each(work)
        assert len(plans) == {"states": len(readings.COUNTED), "unavailable": 2}.get(name, 1)
        for _sql, plan in plans:
            assert_scans_no_jobs(plan)
    _lines, count = readings.ready_lines()
    assert count == 5000


@pytest.mark.usefixtures("renewed")
def test_what_came_lately_is_read_by_key() -> None:
    now = timezone.now()
    fields = {"task_path": "x.y", "queue_name": "q", "backend_name": "default", "enqueued_at": now}
    ids = [first_uuid7(now - timedelta(days=1, milliseconds=n)) for n in range(5000)]
    Job.objects.bulk_create((Job(pk=pk, **fields) for pk in ids), batch_size=500)
    JobFactory.create_batch(3)
    analyze()
    ((_sql, plan),) = explained_each(lambda: readings.arrived(now - timedelta(minutes=1)))
    keys = {
        "postgresql": "django_jobs_job_pkey",
        "sqlite": "sqlite_autoindex_django_jobs_job_1",
        "mysql": "PRIMARY",
    }
    assert uses(keys[connection.vendor], plan), plan
    assert_scans_no_jobs(plan)
    assert readings.arrived(now - timedelta(minutes=1)) == 3


class TestReadings:
    def test_ready_by_queue_the_longest_wait_first(self) -> None:
        now = timezone.now()
        for queue, minutes in (("a", 1), ("b", 9), ("b", 2), ("c", 4)):
            JobFactory(queue_name=queue, run_after=now - timedelta(minutes=minutes))
        JobFactory(scheduled=True, queue_name="d")
        lines, count = readings.ready_lines()
        assert [(line.queue, line.ready) for line in lines] == [("b", 2), ("c", 1), ("a", 1)]
        assert abs((now - lines[0].oldest) - timedelta(minutes=9)) < timedelta(seconds=1)
        assert (count, count.more) == (4, False)

    def test_it_reads_no_further_than_its_limit(self) -> None:
        JobFactory.create_batch(5)
        _lines, count = readings.ready_lines(limit=3)
        assert (count.text, count.more) == ("3+", True)

    def test_what_no_worker_knows(self) -> None:
        soon = timezone.now() + timedelta(minutes=5)
        waiting = {"status": Status.SCHEDULED, "run_after": soon}
        JobFactory.create_batch(2, task_path="x.new", last_error="UnknownTask: no x.new", **waiting)
        JobFactory(task_path="x.old", last_error="TaskChanged: x.old takes 1", **waiting)
        JobFactory(last_error="ValueError: UnknownTask: x", **waiting)
        JobFactory(**waiting)
        # Looked at again, and held up by others.
        JobFactory(task_path="x.new", last_error="UnknownTask: no x.new")
        JobFactory()
        assert readings.unavailable(timezone.now()) == [("x.new", 3), ("x.old", 1)]

    def test_the_longest_running_come_first(self) -> None:
        now = timezone.now()
        jobs = [
            JobFactory(running=True, last_attempted_at=now - timedelta(minutes=n)) for n in range(7)
        ]
        assert [job.pk for job in readings.longest_running(2)] == [jobs[6].pk, jobs[5].pk]

    def test_what_has_the_most_dead_among_the_newest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        JobFactory.create_batch(4, dead=True, failure_group="aa")
        for group, count in (("bb", 2), ("cc", 3), (None, 5)):
            JobFactory.create_batch(count, dead=True, failure_group=group)
        JobFactory.create_batch(9, discarded=True, failure_group="bb")
        assert list(readings.most_dead().items()) == [("aa", 4), ("cc", 3), ("bb", 2)]
        monkeypatch.setattr(readings, "GROUPS_RANKED", 1)
        assert readings.most_dead() == {"aa": 4}
        monkeypatch.setattr(readings, "COUNT_LIMIT", 12)
        assert readings.most_dead() == {"cc": 3}

    def test_who_is_at_work(self) -> None:
        WorkerFactory(release="a", threads=2, threads_busy=1, coroutines_running=7)
        WorkerFactory(release="a", threads=3, threads_busy=3, phase=Phase.QUIET)
        WorkerFactory(release="b", threads=4, backend_name="other")
        WorkerFactory(lost=True, threads_busy=4)
        WorkerFactory(lost=True, queues="long-gone")
        assert readings.crews() == [("default", "a", 2, 5, 2, 1, 7), ("other", "b", 1, 4, 4, 0, 0)]
        assert set(readings.last_seen()) == {"default", "other"}
        assert readings.lost_workers() == 2
        assert readings.served_queues() == ["all"]

    def test_a_release_is_new_with_its_first_worker(self) -> None:
        now = timezone.now()
        for release, hours in (("", 1), ("old", 30), ("old", 1), ("new", 3), ("new", 2)):
            WorkerFactory(release=release, started_at=now - timedelta(hours=hours))
        ((at, name),) = readings.releases_since(now - timedelta(hours=24))
        assert name == "new"
        assert abs((now - at) - timedelta(hours=3)) < timedelta(seconds=1)


def test_what_died_and_whether_it_grows() -> None:
    now = timezone.now()
    minute = int(now.timestamp()) // 60 * 60
    tally = Tally()
    for _ in range(4):
        tally.add(1, 1, failed=True, dead=True)
    write({(60, minute, "x.y", "q"): tally}, uuid7(), "default")
    write({(60, minute - 3600, "x.old", "q"): tally}, uuid7(), "default")
    assert dict(gather(now).died) == {"x.y": 4}
    assert gather(now).arrived is None, "nobody asks while there is room"
    WorkerFactory(threads=1, threads_busy=1)
    JobFactory(running=True)
    JobFactory.create_batch(3, run_after=now - timedelta(minutes=2))
    facts = gather(now)
    assert facts.is_behind
    assert (facts.arrived, facts.done) == (4, 4)


def test_the_number_of_statements_does_not_grow_with_what_there_is() -> None:
    now = timezone.now()
    WorkerFactory(threads=1)
    JobFactory(running=True)
    JobFactory(run_after=now - timedelta(minutes=9))
    few = queries(lambda: gather(now))
    for n in range(20):
        JobFactory(queue_name=f"q{n}", task_path=f"x.t{n}", run_after=now - timedelta(minutes=n))
        WorkerFactory(release=f"r{n}", backend_name=f"b{n}")
    assert len(queries(lambda: gather(now))) <= len(few)
