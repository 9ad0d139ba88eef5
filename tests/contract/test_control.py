"""What a worker says of itself with each beat, and what it is told there."""

import logging
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from django_jobs.capture import Log
from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.models import Command, Job, Phase, Worker
from django_jobs.worker.board import Board
from django_jobs.worker.control import LISTED, LOGS_LENGTH, STACKS_LENGTH, Control, resident_memory
from django_jobs.worker.heartbeat import Heartbeat
from django_jobs.worker.signals import Received
from tests.contract.support import claim_all, queries
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db


class Beating:
    """A worker's board and heartbeat, in this thread."""

    def __init__(self, stack: Callable[[Claim], str] = lambda claim: "", **board: Any) -> None:
        self.row = WorkerFactory(threads=2)
        self.board = Board(**{"threads": 2, "lease": 30, **board})
        self.received: list[Received] = []
        self.control = Control(self.board, stack, self.received.append)
        backend = task_backends["default"]
        self.heartbeat = Heartbeat(
            self.row, backend, self.board, "default", lambda finished: None, self.control
        )

    def beat(self) -> Worker:
        """Returns the row as it is then."""
        self.heartbeat._beat()
        return self.now()

    def now(self) -> Worker:
        return Worker.objects.get(pk=self.row.pk)

    def run(self, count: int) -> list[Job]:
        """Claim jobs and have them all run, the first of them on the loop, where it has one."""
        JobFactory.create_batch(count)
        claims = claim_all(worker=self.row, limit=count)
        on_loop = claims[: self.board.loop.most]
        self.board.loop.add(on_loop)
        self.board.loop.take()
        self.board.add(claims[len(on_loop) :])
        for _ in claims[len(on_loop) :]:
            self.board.take()
        return [claim.job for claim in claims]


class TestState:
    def test_of_an_idle_worker(self) -> None:
        row = Beating().beat()
        assert (row.phase, row.threads_busy, row.coroutines_running) == (Phase.RUNNING, 0, 0)
        assert row.running == []
        assert row.command == Command.WORK

    def test_a_thread_that_has_its_next_job_in_line_is_busy(self) -> None:
        worker = Beating()
        claims = worker.run(1)
        JobFactory.create_batch(3)
        worker.board.add(claim_all(worker=worker.row, limit=3))
        row = worker.beat()
        assert (row.threads_busy, len(row.running)) == (2, len(claims))

    def test_what_it_runs_and_for_how_long(self) -> None:
        worker = Beating(coroutines=1)
        jobs = worker.run(3)
        row = worker.beat()
        assert (row.threads_busy, row.coroutines_running) == (2, 1)
        assert {entry["job"] for entry in row.running} == {str(job.pk) for job in jobs}
        assert {entry["task"] for entry in row.running} == {"tests.sample.tasks.add"}
        assert {(entry["attempt"], entry["claim_no"]) for entry in row.running} == {(1, 1)}
        [started] = {job.last_attempted_at for job in jobs}
        assert {entry["since"] for entry in row.running} == {started.isoformat()}

    def test_it_lists_some_of_very_many(self) -> None:
        worker = Beating(threads=1, coroutines=LISTED + 20)
        worker.run(LISTED + 20)
        row = worker.beat()
        assert row.coroutines_running == LISTED + 20
        assert len(row.running) == LISTED

    def test_how_much_memory_it_holds(self, monkeypatch: Any, tmp_path: Any) -> None:
        memory = Beating().beat().memory
        assert memory is not None
        assert 10_000_000 < memory < 10_000_000_000
        # Where there is no /proc it is the most that it has held.
        monkeypatch.setattr("django_jobs.worker.control._STATM", tmp_path / "none")
        assert 10_000_000 < (resident_memory() or 0) < 10_000_000_000

    def test_a_row_of_a_release_that_says_nothing(self) -> None:
        row = WorkerFactory()
        values = (row.phase, row.threads_busy, row.memory, row.running, row.stacks)
        assert values == ("", None, None, None, None)

    def test_an_older_release_may_insert_its_row(self) -> None:
        """It knows nothing of the columns that came later."""
        known = ("id", "hostname", "pid", "version", "backend_name", "queues", "threads")
        times = ("started_at", "last_heartbeat_at", "lease_expires_at")
        old = WorkerFactory()
        columns = ", ".join(known + times)
        others = ", ".join(known[1:] + times)
        table, pk = Worker._meta.db_table, Worker._meta.pk
        Worker.objects.update(command=Command.STOP, phase=Phase.QUIET)
        with connection.cursor() as cursor:
            new = pk.get_db_prep_value(JobFactory.build().pk, connection)
            cursor.execute(
                f"INSERT INTO {table} ({columns}) SELECT %s, {others} FROM {table}", [new]
            )
        row = Worker.objects.exclude(pk=old.pk).get()
        assert (row.command, row.phase, row.threads) == (Command.WORK, "", 4)


class TestCommands:
    def test_quiet_and_resume(self) -> None:
        worker = Beating()
        worker.beat()
        assert worker.board.room()[0] == 2
        assert Worker.objects.quiet() == 1
        assert Worker.objects.quiet() == 0
        assert worker.beat().phase == Phase.QUIET
        assert worker.board.room() == (0, 0)
        assert worker.board.coroutine_room() == 0
        assert Worker.objects.live().count() == 1
        assert Worker.objects.resume() == 1
        assert Worker.objects.resume() == 0
        assert worker.beat().phase == Phase.RUNNING
        assert worker.board.room()[0] == 2

    def test_stop_is_told_once(self) -> None:
        worker = Beating()
        Worker.objects.quiet()
        worker.beat()
        assert Worker.objects.stop() == 1
        assert Worker.objects.stop() == Worker.objects.quiet() == Worker.objects.resume() == 0
        worker.beat()
        worker.beat()
        [received] = worker.received
        assert (received.signal, received.told) == (signal.SIGTERM, True)
        assert worker.board.room() == (0, 0), "it does not begin again before it stops"

    def test_a_stop_shows_however_it_came_about(self) -> None:
        worker = Beating()
        worker.beat()
        worker.control.stopping = True
        worker.heartbeat._look(told=True)
        assert worker.now().phase == Phase.STOPPING

    def test_only_the_live_are_told(self) -> None:
        WorkerFactory(lost=True)
        stopped = WorkerFactory()
        Worker.objects.filter(pk=stopped.pk).update(stopped_at=stopped.started_at)
        told = Worker.objects.all()
        assert told.quiet() == told.stop() == told.ask_for_stacks() == 0

    def test_a_command_of_a_later_release_is_none(self) -> None:
        worker = Beating()
        Worker.objects.update(command=77)
        assert worker.beat().phase == Phase.RUNNING
        assert worker.received == []

    def test_a_row_that_somebody_has_deleted(self) -> None:
        worker = Beating()
        Worker.objects.all().delete()
        assert worker.beat().command == Command.WORK


class TestStacks:
    def test_are_written_when_asked_for(self) -> None:
        worker = Beating(stack=lambda claim: f"at {claim.job.pk}\x00\udc80")
        jobs = worker.run(2)
        assert worker.beat().stacks is None
        assert Worker.objects.ask_for_stacks() == 1
        row = worker.beat()
        assert row.stacks_asked_at is None
        assert row.stacks_at is not None
        found = {entry["job"]: entry["stack"] for entry in row.stacks}
        assert found == {str(job.pk): f"at {job.pk}\\x00\\udc80" for job in jobs}

    def test_come_with_what_was_logged_so_far(self) -> None:
        worker = Beating()
        jobs = worker.run(2)
        claim = next(each for each in worker.board.running() if each.job.pk == jobs[0].pk)
        claim.log = Log(logging.INFO)
        for n in range(2):
            claim.log.keep(logging.makeLogRecord({"msg": f"line {n}", "levelno": logging.INFO}))
        Worker.objects.ask_for_stacks()
        logs = {entry["job"]: entry["log"] for entry in worker.beat().stacks}
        assert re.fullmatch(r".* line 0\n.* line 1", logs[str(jobs[0].pk)])
        assert logs[str(jobs[1].pk)] == ""

    def test_are_cut(self) -> None:
        worker = Beating(stack=lambda claim: "x" * 10_000, coroutines=LISTED + 5)
        worker.run(LISTED + 5)
        Worker.objects.ask_for_stacks()
        stacks = worker.beat().stacks
        assert len(stacks) == LISTED
        assert sum(len(entry["stack"]) for entry in stacks) <= STACKS_LENGTH

    def test_so_are_the_logs(self) -> None:
        worker = Beating(coroutines=3)
        worker.run(3)
        for claim in worker.board.running():
            claim.log = Log(logging.INFO)
            claim.log.keep(logging.makeLogRecord({"msg": "x" * 5000, "levelno": logging.INFO}))
            for _ in range(3):
                claim.log.keep(logging.makeLogRecord({"msg": "y" * 4000}))
        Worker.objects.ask_for_stacks()
        logs = [entry["log"] for entry in worker.beat().stacks]
        assert [len(log) for log in logs] == [LOGS_LENGTH // 3] * 3
        assert all("characters left out" in log for log in logs)

    def test_of_no_job(self) -> None:
        worker = Beating()
        Worker.objects.ask_for_stacks()
        row = worker.beat()
        assert (row.stacks, row.stacks_asked_at) == ([], None)

    def test_not_of_a_job_that_has_ended_meanwhile(self) -> None:
        def end(claim: Claim) -> str:
            worker.board.ran(claim, recording=True, seconds=0)
            return "the stack of the next one"

        worker = Beating(stack=end)
        worker.run(1)
        Worker.objects.ask_for_stacks()
        assert worker.beat().stacks == []

    def test_one_that_can_not_be_had_holds_up_nothing(self) -> None:
        def fail(claim: Claim) -> str:
            raise KeyError("odd frame")

        worker = Beating(stack=fail)
        worker.run(1)
        Worker.objects.ask_for_stacks()
        [entry] = worker.beat().stacks
        assert entry["stack"] == "<no stack: KeyError>"


class TestStatements:
    def test_a_beat_takes_no_more_for_what_it_says_and_hears(self) -> None:
        worker = Beating()
        worker.run(2)
        worker.beat()
        # The lease, what is ours and told, who is lost.
        made = queries(worker.heartbeat._beat)
        assert len(made) == 3, made
        Worker.objects.quiet()
        made = queries(worker.heartbeat._beat)
        assert len(made) == 4, made

    def test_claims_that_are_lost_or_to_be_cancelled_are_told_as_before(self) -> None:
        worker = Beating(threads=3)
        jobs = worker.run(3)
        Job.objects.filter(pk=jobs[0].pk).update(claim_no=2)
        Job.objects.filter(pk=jobs[1].pk).cancel()
        worker.beat()
        reasons = {claim.job.pk: claim.token.interrupt for claim in worker.board.running()}
        names = [reason and reason.__name__ for reason in map(reasons.get, (j.pk for j in jobs))]
        assert names == ["LeaseLost", "CancelRequested", None]
