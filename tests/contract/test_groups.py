"""Failure groups: which attempts are of one, what is counted, and what it costs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from django_jobs import groups, many
from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow, db_now
from django_jobs.execute import execute, left_behind
from django_jobs.failure import fingerprint
from django_jobs.groups import Groups, count
from django_jobs.models import FailureGroup, Job, Status
from django_jobs.policy import SUCCEEDED, Kind, Next, Outcome
from django_jobs.prune import prune
from django_jobs.record import Finished, record
from django_jobs.rescue import rescue
from django_jobs.testing import run_pending
from django_jobs.worker.board import Board
from django_jobs.worker.recorder import Recorder
from tests.contract.support import claim_all, queries, row
from tests.factories import JobFactory, WorkerFactory
from tests.sample import tasks
from tests.support.rows import analyze, fill, uses
from tests.support.sessions import race
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db

FAIL = fingerprint(tasks.fail.module_path, "builtins.ValueError", "tests.sample.tasks.fail")


def run(task: Any, *args: Any) -> Finished:
    """Run one job of ``task`` and record it."""
    task.enqueue(*args)
    [claimed] = claim_all()
    return finish(claimed)


def finish(claimed: Claim) -> Finished:
    finished = execute(claimed, task_backends["default"])
    assert finished is not None
    assert record([finished], "default") == []
    count([finished], "default")
    return finished


class TestWhatIsOfAGroup:
    def test_a_failed_attempt_and_all_that_is_known_of_it(self) -> None:
        job = row(run(tasks.fail, "one\nwith <b>").job.pk)
        assert (job.status, job.failure_group) == (Status.SCHEDULED, FAIL)
        group = FailureGroup.objects.get()
        assert (group.pk, group.task_path) == (FAIL, tasks.fail.module_path)
        assert (group.outcome, group.exception_class) == ("FAILED", "builtins.ValueError")
        assert (group.place, group.message) == ("tests.sample.tasks.fail", "one\nwith <b>")
        assert (group.job_id, group.seen) == (job.pk, 1)
        assert group.first_seen == group.last_seen
        assert abs(db_now("default") - group.last_seen) < timedelta(seconds=30)
        assert str(group) == "fail: ValueError"

    def test_the_same_failure_is_one_group_whatever_it_says(self) -> None:
        first = run(tasks.fail, "one")
        FailureGroup.objects.update(first_seen=DbNow() - timedelta(hours=1))
        second = run(tasks.fail, "two")
        group = FailureGroup.objects.get()
        assert (group.seen, group.message, group.job_id) == (2, "two", second.job.pk)
        assert group.last_seen - group.first_seen > timedelta(minutes=59)
        assert row(first.job.pk).failure_group == row(second.job.pk).failure_group

    def test_other_tasks_exceptions_and_places_are_others(self) -> None:
        run(tasks.fail)
        run(tasks.unwanted)
        run(tasks.steer, "give_up")
        run(tasks.steer, "retry")
        assert FailureGroup.objects.count() == 4

    def test_a_timeout(self) -> None:
        job = row(run(tasks.overrun).job.pk)
        group = FailureGroup.objects.get(pk=job.failure_group)
        assert (group.outcome, group.place) == ("TIMED_OUT", "tests.sample.tasks.overrun")

    def test_one_that_ignores_its_timeout(self) -> None:
        tasks.overrun.enqueue()
        [claimed] = claim_all()
        finished = left_behind(claimed, task_backends["default"], "a stack")
        assert finished is not None
        record([finished], "default")
        count([finished], "default")
        group = FailureGroup.objects.get(pk=row(claimed.job.pk).failure_group)
        assert (group.outcome, group.place) == ("TIMED_OUT", "")

    def test_a_return_value_that_can_not_be_stored(self) -> None:
        from tests.sample import odd

        run(odd.return_odd, "object")
        group = FailureGroup.objects.get()
        assert group.exception_class == "django_jobs.exceptions.InvalidReturnValue"
        assert group.place == ""

    def test_a_task_that_nobody_knows_once_it_is_dead(self) -> None:
        long_ago = timezone.now() - timedelta(days=3)
        job = JobFactory(task_path="no.such.task", started_at=long_ago, last_attempted_at=long_ago)
        [claimed] = claim_all()
        finish(claimed)
        assert row(job.pk).status == Status.DEAD
        group = FailureGroup.objects.get(pk=row(job.pk).failure_group)
        assert group.error == "UnknownTask"

    def test_a_lost_worker_that_cost_an_attempt(self) -> None:
        tasks.fail.enqueue()
        claim_all(worker=WorkerFactory(lost=True))
        [rescued] = rescue("default", max_crashes=3)
        group = FailureGroup.objects.get()
        assert group.pk == row(rescued.job.pk).failure_group
        assert (group.outcome, group.exception_class, group.place) == ("LOST", "", "")
        assert (group.error, group.message) == ("Worker lost", "the worker was lost")

    def test_none_where_no_attempt_is_used_up(self) -> None:
        for _ in range(2):
            tasks.fail.enqueue()
        claim_all(worker=WorkerFactory(lost=True))
        assert len(rescue("default", max_crashes=3)) == 2  # nobody knows which it was
        Job.objects.all().cancel()
        run(tasks.steer, "cancel")
        run(tasks.add, 1, 2)
        tasks.steer.enqueue("snooze", after=60)
        run_pending()
        assert not FailureGroup.objects.exists()
        assert not Job.objects.exclude(failure_group=None).exists()

    def test_it_is_that_of_the_last_attempt(self) -> None:
        """As the last error is: a job that has succeeded at last is of none."""
        job = row(run(tasks.fail_once_async).job.pk)
        assert job.failure_group is not None
        Job.objects.update(run_after=DbNow())
        run_pending()
        again = row(job.pk)
        assert (again.status, again.failure_group) == (Status.SUCCESSFUL, None)
        assert FailureGroup.objects.get().seen == 1

    def test_a_retry_by_a_person_takes_it_out_of_what_is_dead(self) -> None:
        job = JobFactory(dead=True, failure_group="ab" * 8)
        Job.objects.retry()
        again = row(job.pk)
        assert (again.status, again.failure_group) == (Status.READY, "ab" * 8)


def failed(n: int = 1) -> list[Finished]:
    """``n`` failed attempts, claimed and not recorded."""
    tasks.fail.enqueue()
    claims = claim_all()
    outcome = Outcome(Kind.FAILED, Next.DEAD)
    return [Finished(claim, outcome) for claim in claims for _ in range(n)]


class TestSums:
    def test_a_new_group_is_written_at_once_and_a_known_one_after_a_while(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sums, batch = Groups("default"), failed()
        assert sums.due_in() is None
        sums.add(batch)
        assert sums.due_in() == 0
        assert sums.write()
        assert sums.due_in() is None
        sums.add(batch * 3)
        due = sums.due_in()
        assert due is not None
        assert 1 < due <= groups.INTERVAL
        assert FailureGroup.objects.get().seen == 1
        monkeypatch.setattr(groups, "INTERVAL", 0.0)
        assert sums.write()
        assert FailureGroup.objects.get().seen == 4

    def test_successes_are_not_counted(self) -> None:
        sums = Groups("default")
        sums.add([Finished(each.claim, SUCCEEDED) for each in failed()])
        assert sums.due_in() is None

    def test_any_number_of_groups_is_one_statement(self) -> None:
        [one] = failed()
        batch = []
        for n in range(50):
            job = JobFactory.build(task_path=f"a.task_{n}")
            batch.append(Finished(Claim(job, None, ""), one.outcome))
        made = queries(lambda: count(batch, "default"))
        assert len(made) == 1, made
        assert FailureGroup.objects.count() == 50

    def test_it_remembers_so_many_and_no_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(groups, "KNOWN", 2)
        sums, [one] = Groups("default"), failed()
        for n in range(5):
            job = JobFactory.build(task_path=f"a.task_{n}")
            sums.add([Finished(Claim(job, None, ""), one.outcome)])
        assert len(sums._known) <= 2
        sums.write()
        assert FailureGroup.objects.count() == 5


@pytest.mark.django_db(transaction=True)
class TestTrouble:
    def broken(self, error: Exception) -> Callable[..., Any]:
        def fail(run: Any, sql: str, *args: Any) -> Any:
            if "failuregroup" in sql:
                raise error
            return run(sql, *args)

        return fail

    def test_what_can_not_be_written_now_is_written_later(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        sums = Groups("default")
        sums.add(failed())
        gone = self.broken(OperationalError("the server\nis gone"))
        caplog.set_level(logging.WARNING, "django_jobs")
        with connection.execute_wrapper(gone):
            assert not sums.write()
        [line] = [r for r in caplog.records if r.__dict__.get("event") == "groups_unwritten"]
        assert "the server\\nis gone" in line.getMessage()
        assert sums.due_in() == pytest.approx(groups.INTERVAL, abs=0.5)
        assert sums.write()
        assert FailureGroup.objects.get().seen == 1

    def test_what_the_database_refuses_is_not_tried_for_ever(self) -> None:
        sums = Groups("default")
        sums.add(failed())
        with connection.execute_wrapper(self.broken(ValueError("never"))):
            assert not sums.write()
        assert sums.due_in() is None

    def test_several_that_write_the_same_groups_lose_nothing(self) -> None:
        [one] = failed()
        batch = []
        for n in range(5):
            job = JobFactory.build(task_path=f"a.task_{n}")
            batch.append(Finished(Claim(job, None, ""), one.outcome))

        def write(turned: bool) -> int:
            for _ in range(20):
                sums = Groups("default")
                sums.add(batch[::-1] if turned else batch)
                while not sums.write():
                    time.sleep(0.01)
            return 20

        assert race([lambda n=n: write(n % 2 == 0) for n in range(4)]) == [20] * 4
        assert list(FailureGroup.objects.values_list("seen", flat=True)) == [80] * 5

    def test_the_recorder_records_though_its_groups_can_not_be_written(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*args: Any) -> Any:
            raise OperationalError("no such table")

        monkeypatch.setattr(groups, "_upsert", fail)
        claims = self.recorded(3)
        statuses = Job.objects.filter(pk__in=[c.job.pk for c in claims])
        assert set(statuses.values_list("status", "failure_group")) == {(Status.SCHEDULED, FAIL)}
        assert not FailureGroup.objects.exists()

    def test_the_recorder_counts_what_it_records(self) -> None:
        self.recorded(5)
        group = FailureGroup.objects.get()
        assert (group.pk, group.seen) == (FAIL, 5)

    def test_the_recorder_writes_what_is_left_while_nothing_comes(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(groups, "INTERVAL", 0.2)
        board, recorder = self.recorder()
        try:
            for _ in range(2):
                self.put(board, recorder, 1)
                wait_until(lambda: not board.claims())
            seen = FailureGroup.objects.values_list("seen", flat=True)
            wait_until(lambda: list(seen.all()) == [2])
        finally:
            recorder.stop(time.monotonic() + 10)
            recorder.join(15)

    def recorder(self) -> tuple[Board, Recorder]:
        board = Board(threads=2, lease=30)
        recorder = Recorder(task_backends["default"], board, "default")
        recorder.start()
        return board, recorder

    def put(self, board: Board, recorder: Recorder, n: int) -> list[Claim]:
        for _ in range(n):
            tasks.fail.enqueue()
        claims = claim_all()
        board.add(claims)
        for _ in claims:
            claim = board.take()
            while not isinstance(claim, Claim):  # what is told of an outcome before
                claim = board.take()
            finished = execute(claim, task_backends["default"])
            assert finished is not None
            board.ran(claim, recording=True, seconds=0.01)
            recorder.put(finished)
        return claims

    def recorded(self, n: int) -> list[Claim]:
        board, recorder = self.recorder()
        claims = self.put(board, recorder, n)
        recorder.stop(time.monotonic() + 10)
        recorder.join(15)
        assert not recorder.is_alive()
        assert not board.claims()
        return claims


def make_group(pk: str, *, days: float = 0.0) -> FailureGroup:
    seen = timezone.now() - timedelta(days=days)
    made: FailureGroup = FailureGroup.objects.create(
        fingerprint=pk * 8,
        task_path="a.b",
        outcome="FAILED",
        exception_class="builtins.ValueError",
        job_id=JobFactory.build().pk,
        first_seen=seen,
        last_seen=seen,
        seen=1,
    )
    return made


def test_which_groups_have_jobs_that_wait() -> None:
    for pk, traits in {
        "aa": {"dead": True},
        "bb": {"scheduled": True, "attempts": 1},
        "cc": {"discarded": True},
    }.items():
        JobFactory(failure_group=make_group(pk).pk, **traits)
    JobFactory(scheduled=True, failure_group="aa" * 8)
    found = dict(FailureGroup.objects.with_waiting().values_list("pk", "waiting"))
    assert found == {"aa" * 8: "DEAD", "bb" * 8: "SCHEDULED", "cc" * 8: None}


def test_old_groups_are_pruned_once_nothing_of_them_waits() -> None:
    for pk in ("aa", "bb", "cc"):
        make_group(pk, days=30)
    make_group("dd")
    JobFactory(dead=True, failure_group="aa" * 8)
    JobFactory(scheduled=True, failure_group="bb" * 8)
    assert prune(timezone.now() - timedelta(days=14), "default") == 0
    assert set(FailureGroup.objects.values_list("pk", flat=True)) == {
        "aa" * 8,
        "bb" * 8,
        "dd" * 8,
    }


class TestPlans:
    INDEX = "django_jobs_group"
    # A group is small here. Of a large part of it PostgreSQL rather sorts the whole, and for a
    # small one MariaDB rather reads the table in order until it has so many.
    SLICE = 50 if connection.vendor == "postgresql" else 500

    @pytest.fixture(autouse=True)
    def many_rows(self, renewed: None) -> None:
        fill(20_000, Status.SUCCESSFUL)
        now = timezone.now()
        # With ids in the order of time, as they are.
        Job.objects.bulk_create(
            (
                JobFactory.build(
                    status=Status.DEAD if n % 2 else Status.SCHEDULED,
                    attempts=1,
                    run_after=now,
                    finished_at=now,
                    failure_group=("bb" if n % 10 < 8 else "aa") * 8,
                )
                for n in range(10_000)
            ),
            batch_size=500,
        )
        analyze()

    @pytest.mark.parametrize("status", [Status.DEAD, Status.SCHEDULED])
    def test_the_jobs_of_a_group_are_found_and_counted_by_their_index(self, status: Status) -> None:
        jobs = Job.objects.filter(failure_group="aa" * 8, status=status)
        assert jobs.count() == 1000
        for found in (
            jobs.order_by("pk")[: self.SLICE].explain(),
            jobs.order_by("-pk")[: self.SLICE].explain(),
        ):
            assert uses(self.INDEX, found), found
            for sort in ("Sort", "TEMP B-TREE", "filesort"):
                assert sort not in found, found

    def test_the_chunks_of_a_mass_action_are_read_in_order(self) -> None:
        which = many.Which(JobFactory().pk, db_now("default"), group="aa" * 8)
        jobs = which.jobs("retry", "default").filter(status=Status.DEAD)
        found = jobs.order_by("pk").values_list("pk", flat=True)[: self.SLICE].explain()
        assert uses(self.INDEX, found), found
        assert "Seq Scan on django_jobs_job" not in found

    def test_the_groups_with_what_waits_read_no_jobs_but_the_first(self) -> None:
        for n in range(20):
            make_group(f"{n:02}")
        analyze()
        found = FailureGroup.objects.with_waiting().order_by("waiting", "-last_seen").explain()
        table = Job._meta.db_table
        assert f"Seq Scan on {table}" not in found, found
        assert f"SCAN {table}" not in found, found
        if connection.vendor == "mysql":
            rows = [line.split() for line in found.splitlines()]
            jobs = [line for line in rows if any(cell == self.INDEX for cell in line)]
            assert len(jobs) == 2, found
        else:
            assert found.count(self.INDEX) >= 2, found

    def test_only_what_failed_is_in_the_index_where_it_can_be_so(self) -> None:
        if not connection.features.supports_partial_indexes:
            pytest.skip("no partial indexes")
        found = Job.objects.filter(failure_group=None, status=Status.DEAD)[:1].explain()
        assert self.INDEX not in found
