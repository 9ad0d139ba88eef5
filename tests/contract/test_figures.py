"""What workers count, in the database: written by many, added up, pruned."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.models import QuerySet
from django.utils import timezone

from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow
from django_jobs.execute import execute
from django_jobs.figures import KEPT, Key, add_up, prune_figures, since, write
from django_jobs.ids import uuid7
from django_jobs.models import Figures, Job, Status
from django_jobs.models.figures import SPANS
from django_jobs.record import Finished
from django_jobs.tally import Tally
from django_jobs.worker import tallies as tallies_module
from django_jobs.worker.board import Board
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.process import WorkerProcess
from django_jobs.worker.recorder import Recorder
from django_jobs.worker.tallies import Tallies
from tests.contract.support import claim_all, queries
from tests.factories import JobFactory
from tests.sample import tasks
from tests.support.rows import analyze, uses

pytestmark = pytest.mark.django_db(transaction=True)

START = 1_800_000_000  # a whole hour
ADD = "tests.sample.tasks.add"


def counted(successes: int = 1, failures: int = 0, seconds: float = 0.004) -> Tally:
    tally = Tally()
    for n in range(successes + failures):
        tally.add(seconds, seconds * 2, failed=n >= successes)
    return tally


def total(span: int = 60) -> Tally:
    found = add_up(since(span, datetime.fromtimestamp(0, UTC)), "span")
    return found.get((span,), Tally())


def executed() -> list[Finished]:
    """Claim what is ready, and run it."""
    backend = task_backends["default"]
    finished = [execute(claim, backend) for claim in claim_all()]
    assert None not in finished
    return finished  # type: ignore[return-value]


class TestRows:
    KEY: Key = (60, START, ADD, "default")

    def test_a_write_may_be_done_again(self) -> None:
        worker = uuid7()
        for _ in range(2):
            write({self.KEY: counted(3, 1)}, worker, "default")
        assert (total().successes, total().failures) == (3, 1)

    def test_a_later_write_replaces_the_earlier_one(self) -> None:
        worker = uuid7()
        write({self.KEY: counted(3, seconds=0.004)}, worker, "default")
        grown = counted(3, seconds=0.004)
        grown.merge(counted(0, 2, seconds=700))
        write({self.KEY: grown}, worker, "default")
        assert total() == grown
        row = Figures.objects.get()
        assert row.start == datetime.fromtimestamp(START, UTC)
        assert (row.span, row.task_path, row.queue_name) == (60, ADD, "default")

    def test_workers_add_up(self) -> None:
        parts = [counted(2, 1, seconds=0.01), counted(5, 0, seconds=3), counted(0, 7, seconds=90)]
        whole = Tally()
        for part in parts:
            write({self.KEY: part}, uuid7(), "default")
            whole.merge(part)
        found = total()
        assert found.runs == whole.runs
        assert found.waits == whole.waits
        assert (found.run_max, found.wait_max) == (whole.run_max, whole.wait_max)
        assert found.run_sum == pytest.approx(whole.run_sum)

    def test_by_column_and_only_the_most(self) -> None:
        for n, queue in enumerate(("a", "b", "c"), 1):
            key = (60, START, f"x.{queue}", queue)
            write({key: counted(n), (3600, *key[1:]): counted(9)}, uuid7(), "default")
        rows = since(60, datetime.fromtimestamp(START, UTC))
        assert {k: t.count for k, t in add_up(rows, "queue_name").items()} == {
            ("a",): 1,
            ("b",): 2,
            ("c",): 3,
        }
        assert list(add_up(rows, "task_path", "queue_name", most=2)) == [("x.c", "c"), ("x.b", "b")]
        assert add_up(since(60, datetime.fromtimestamp(START + 1, UTC)), "span") == {}

    def test_a_write_is_one_statement_whatever_it_holds(self) -> None:
        totals = {(60, START, f"x.{n}", "default"): counted() for n in range(15)}
        made = [
            sql for sql in queries(lambda: write(totals, uuid7(), "default")) if "INSERT" in sql
        ]
        assert len(made) == 1

    def test_adding_up_is_one_statement_that_reads_its_time_only(self) -> None:
        # So many that no planner would rather read them all.
        times = [(n, m) for n in range(400) for m in range(10)]
        totals = {(60, START + 60 * n, ADD, f"q{m}"): counted() for n, m in times}
        write(totals, uuid7(), "default")
        rows = since(60, datetime.fromtimestamp(START + 60 * 398, UTC))
        assert len(queries(lambda: add_up(rows, "task_path"))) == 1
        assert add_up(rows, "task_path")[(ADD,)].count == 20
        assert_by_index(rows)

    def test_old_rows_are_pruned(self) -> None:
        now = timezone.now()
        for span, kept in KEPT.items():
            for age in (kept - timedelta(minutes=5), kept + timedelta(minutes=5)):
                start = int((now - age).timestamp())
                write({(span, start, ADD, f"{span}"): counted()}, uuid7(), "default")
        assert prune_figures("default") == len(SPANS)
        assert sorted(Figures.objects.values_list("span", flat=True)) == sorted(SPANS)
        assert prune_figures("default") == 0

    def test_pruning_is_bounded(self) -> None:
        totals = {(60, START - 10**9 + n, ADD, ""): counted() for n in range(5)}
        write(totals, uuid7(), "default")
        assert prune_figures("default", limit=3) == 3
        assert prune_figures("default", limit=3) == 2

    @pytest.mark.usefixtures("renewed")
    def test_pruning_reads_what_is_old_only(self) -> None:
        old = Figures.objects.filter(span=60, start__lt=DbNow() - timedelta(hours=2))
        times = [(n, m) for n in range(400) for m in range(10)]
        totals = {(60, START + 10**8 + n, ADD, f"q{m}"): counted() for n, m in times}
        write(totals, uuid7(), "default")
        assert_by_index(old)


def assert_by_index(rows: QuerySet[Figures]) -> None:
    table = Figures._meta.db_table
    analyze(table)
    plan = rows.explain()
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    names = [
        name
        for name, found in constraints.items()
        if found["unique"] and found["columns"][:2] == ["span", "start"]
    ]
    if connection.vendor == "sqlite":
        names.append(f"sqlite_autoindex_{table}_1")
    assert any(uses(name, plan, table=table) for name in names), plan


class TestCounting:
    def test_in_the_minute_by_the_databases_clock_and_longer_spans(self) -> None:
        tasks.add.enqueue(1, 2)
        (finished,) = executed()
        tallies = Tallies()
        tallies.count([finished])
        tallies.save(uuid7(), "default")
        now = Job.objects.annotate(now=DbNow()).values_list("now", flat=True).get()
        for span in SPANS:
            row = Figures.objects.get(span=span)
            assert timedelta() <= now - row.start < timedelta(seconds=span + 5)
            assert row.start.timestamp() % span == 0
            assert (row.successes, row.failures, row.dead) == (1, 0, 0)

    def test_what_became_of_them(self) -> None:
        tasks.add.enqueue(1, 2)
        tasks.fail.enqueue()
        Job.objects.filter(task_path__endswith=".fail").update(max_attempts=2)
        JobFactory(task_path="tests.sample.tasks.fail", args=[], max_attempts=1)
        JobFactory(task_path="no.such.task")
        tallies = Tallies()
        tallies.count(executed())
        tallies.save(uuid7(), "default")
        assert (total().successes, total().failures, total().dead) == (1, 2, 1)
        paths = add_up(since(60, datetime.fromtimestamp(0, UTC)), "task_path")
        assert set(paths) == {(ADD,), ("tests.sample.tasks.fail",)}, "what is put off is no attempt"

    def test_what_has_not_run_is_not_counted(self) -> None:
        from django_jobs.release import released

        tasks.add.enqueue(1, 2)
        tallies = Tallies()
        tallies.count([released(each) for each in claim_all()])
        assert queries(lambda: tallies.save(uuid7(), "default")) == []

    def test_how_long_it_waited_and_ran(self) -> None:
        JobFactory(args=[1, 2], run_after=DbNow() - timedelta(seconds=100))
        (claim,) = claim_all()
        claim.taken -= 20  # it stood in line
        finished = execute(claim, task_backends["default"])
        assert finished is not None
        claim.ran = 3.0
        tallies = Tallies()
        tallies.count([finished])
        tallies.save(uuid7(), "default")
        assert total().wait_sum == pytest.approx(120, abs=5)
        assert (total().run_sum, total().run_max) == (3.0, 3.0)

    def test_only_what_has_changed_is_written(self) -> None:
        tasks.add.enqueue(1, 2)
        tallies, worker = Tallies(), uuid7()
        tallies.count(executed())
        assert queries(lambda: tallies.save(worker, "default"))
        assert queries(lambda: tallies.save(worker, "default")) == []
        tasks.add.enqueue(1, 2)
        tallies.count(executed())
        tallies.save(worker, "default")
        assert total(3600).successes == 2

    def test_a_write_that_fails_is_made_up_for(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def refuse(*args: object) -> None:
            raise DatabaseError("no room")

        tasks.add.enqueue(1, 2)
        tallies, worker = Tallies(), uuid7()
        tallies.count(executed())
        caplog.clear()
        with monkeypatch.context() as patched, caplog.at_level(logging.WARNING, "django_jobs"):
            patched.setattr(tallies_module, "write", refuse)
            tallies.save(worker, "default")
        assert [r.event for r in caplog.records if hasattr(r, "event")] == ["figures_not_written"]
        assert not Figures.objects.exists()
        tallies.save(worker, "default")
        assert total().successes == 1

    def test_very_many_queues_are_counted_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tallies_module, "MOST", 3)
        for n in range(6):
            JobFactory(args=[1, 2], queue_name=f"tenant-{n}")
        tallies = Tallies()
        tallies.count(executed())
        tallies.save(uuid7(), "default")
        queues = add_up(since(60, datetime.fromtimestamp(0, UTC)), "queue_name")
        assert len(queues) == 4
        assert (queues[("",)].count, total().count) == (3, 6)

    def test_old_rows_go_about_once_an_hour(self) -> None:
        write({(60, START - 10**9, ADD, ""): counted()}, uuid7(), "default")
        tallies = Tallies()
        assert queries(lambda: tallies.save(uuid7(), "default")) == []
        tallies._prune_at = time.monotonic()
        tallies.save(uuid7(), "default")
        assert not Figures.objects.exists()
        assert 0.7 * 3600 < tallies._prune_at - time.monotonic() < 1.3 * 3600

    def test_totals_that_can_no_longer_grow_are_forgotten(self) -> None:
        tallies = Tallies()
        for minute in range(3000):
            tallies._fresh[(START + 60 * minute, ADD, "default")] = counted()
            tallies._take()
            tallies._written()
        assert len(tallies._totals) <= 2 * len(SPANS)
        hours = [t.count for (span, *_), t in tallies._totals.items() if span == 3600]
        assert max(hours) == 60


def test_a_lost_claim_is_not_counted() -> None:
    for _ in range(2):
        tasks.add.enqueue(1, 2)
    backend = task_backends["default"]
    recorder = Recorder(backend, Board(threads=2, lease=30), "default")
    batch = executed()
    Job.objects.filter(pk=batch[0].job.pk).update(claim_no=9)
    recorder._write(batch)
    recorder.tallies.save(uuid7(), "default")
    assert Job.objects.filter(status=Status.SUCCESSFUL).count() == 1
    assert total().successes == 1


@pytest.fixture
def run_worker(settings: object) -> Callable[..., None]:
    def run(**config: object) -> None:
        WorkerProcess(WorkerConfig(batch=True, **config), task_backends["default"]).run()  # type: ignore[arg-type]

    return run


def test_a_worker_leaves_its_figures_when_it_ends(run_worker: Callable[..., None]) -> None:
    for n in range(50):
        tasks.add.enqueue(n, n)
    run_worker(threads=2)
    assert Job.objects.filter(status=Status.SUCCESSFUL).count() == 50
    for span in SPANS:
        assert total(span).successes == 50
    assert sum(total().runs) == sum(total().waits) == 50


def test_a_claim_knows_how_long_it_stood_and_ran() -> None:
    tasks.add.enqueue(1, 2)
    (claim,) = claim_all()
    assert isinstance(claim, Claim)
    claim.taken -= 5
    execute(claim, task_backends["default"])
    assert claim.stood == pytest.approx(5, abs=1)
    assert 0 < claim.ran < 1
