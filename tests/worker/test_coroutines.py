"""Coroutine jobs in a worker within the test's own process."""

import asyncio
import contextvars
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from django_jobs.claim import claim
from django_jobs.compat import task_backends, task_started
from django_jobs.ids import uuid7
from django_jobs.look import Waiting
from django_jobs.models import Job, JobAttempt, Queue, Status
from django_jobs.queues import QueueFilter
from django_jobs.token import Token
from django_jobs.worker import process as process_module
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.coroutines import Coroutines
from django_jobs.worker.fit import Room
from django_jobs.worker.offload import Calls, Threads
from django_jobs.worker.process import WorkerProcess
from tests.sample import coroutines, odd, tasks
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def run_worker(threads: int = 1) -> WorkerProcess:
    process = WorkerProcess(WorkerConfig(threads=threads, batch=True), task_backends["default"])
    assert process.run() == 0
    return process


def row(result: Any) -> Job:
    return Job.objects.get(pk=result.id)


def test_it_runs_on_the_loop_and_no_executor(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    real = Coroutines._run

    async def spy(self: Any, claim: Any) -> None:
        ran.append(claim.job.task_name)
        await real(self, claim)

    monkeypatch.setattr(Coroutines, "_run", spy)
    results = [tasks.add_async.enqueue(1, 2), tasks.add.enqueue(1, 2)]
    run_worker()
    assert [row(result).return_value for result in results] == [3, 3]
    assert ran == ["add_async"]


def test_a_project_without_coroutine_tasks_has_no_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "known_tasks", lambda: ["tests.sample.tasks.add"])
    late = tasks.add_async.enqueue(1, 2)  # of a module that was imported later
    process = run_worker()
    assert process.coroutines not in process.threads
    assert process.board.coroutine_room() == 0
    assert row(late).return_value == 3, "it runs in a thread"


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"]
)
def test_whatever_it_raises_ends_that_job_only(name: str) -> None:
    result, neighbour = odd.raise_base_async.enqueue(name), tasks.add_async.enqueue(1, 2)
    run_worker()
    assert row(result).status == Status.DEAD
    attempt = JobAttempt.objects.get(job_id=result.id)
    assert (attempt.outcome, attempt.exception_class.rpartition(".")[2]) == ("FAILED", name)
    assert row(neighbour).status == Status.SUCCESSFUL


def test_the_next_one_sees_no_variable_language_or_time_zone_of_this_one() -> None:
    results = [odd.leave_traces_async.enqueue() for _ in range(3)]
    run_worker()
    clean = ["untouched", "en-us", "UTC"]
    assert [row(result).return_value for result in results] == [clean] * 3


def test_one_that_cancels_itself_and_returns_has_returned() -> None:
    result = coroutines.cancel_itself.enqueue()
    run_worker()
    assert (row(result).status, row(result).return_value) == (Status.SUCCESSFUL, "done")


def test_a_task_left_behind_that_exits_does_not_end_the_loop(
    caplog: pytest.LogCaptureFixture,
) -> None:
    result = coroutines.leave_a_task_that_exits.enqueue()
    with caplog.at_level(logging.ERROR, "django_jobs"):
        run_worker()
    assert row(result).return_value == "SystemExit"
    assert "Unexpected error" in caplog.text


def test_wait_refuses_to_hold_up_the_loop() -> None:
    result = coroutines.wait_on_the_loop.enqueue()
    run_worker()
    assert row(result).last_error.startswith("SynchronousOnlyOperation: wait() would block")


def test_it_enqueues() -> None:
    odd.CALLS.clear()
    coroutines.enqueue_from_a_coroutine.enqueue()
    run_worker()
    assert odd.CALLS == ["from a coroutine"]


def test_the_backoff_of_one_that_was_late_may_use_the_database() -> None:
    result = coroutines.back_off_by_the_database_when_late.enqueue()
    run_worker()
    attempt = JobAttempt.objects.get(job_id=result.id)
    assert attempt.outcome == "TIMED_OUT"
    assert attempt.delay is not None
    assert 999 < attempt.delay < 1002


def test_an_attempt_does_not_wait_for_the_calls_of_others() -> None:
    threads = Threads(1)
    done = threading.Event()

    async def neighbours() -> None:
        loop = asyncio.get_running_loop()
        async with Calls(Token()):
            await loop.run_in_executor(threads, int)
            # By now another job has the thread.
            others = contextvars.Context().run(threads.submit, done.wait, 30)
        assert not others.done()

    async def run() -> None:
        try:
            await neighbours()
        finally:
            done.set()
            threads.end(asyncio.get_running_loop())

    asyncio.run(run())


def test_receivers_and_backoffs_may_use_the_database() -> None:
    heard: list[int] = []

    def receiver(**kwargs: Any) -> None:
        heard.append(Queue.objects.count())

    Queue.objects.create(name="one")
    result = coroutines.back_off_by_the_database.enqueue()
    task_started.connect(receiver)
    try:
        run_worker()
    finally:
        task_started.disconnect(receiver)
    assert heard == [1]
    delay = JobAttempt.objects.get(job_id=result.id).delay
    assert delay is not None
    assert 1000 < delay < 1002


@pytest.mark.parametrize("sensitive", [True, False])
def test_an_attempt_lasts_as_long_as_its_calls_in_threads(sensitive: bool) -> None:
    odd.CALLS.clear()
    result = coroutines.overrun_in_a_thread.enqueue(0.5, sensitive=sensitive)
    run_worker()
    attempt = JobAttempt.objects.get(job_id=result.id)
    assert attempt.outcome == "TIMED_OUT"
    assert len(odd.CALLS) == 1, "no other attempt can overlap with it"


@pytest.mark.parametrize("how", ["atomic", "autocommit"])
def test_a_transaction_left_open_fails_that_job_and_leaks_into_no_other(how: str) -> None:
    bad = coroutines.leave_open.enqueue(how, "bad")
    good = [coroutines.write.enqueue(f"good-{n}") for n in range(5)]
    run_worker()
    assert row(bad).status == Status.DEAD
    assert row(bad).last_error.startswith("LeftOpen")
    assert {row(result).status for result in good} == {Status.SUCCESSFUL}
    names = set(Queue.objects.values_list("name", flat=True))
    assert names == {f"good-{n}" for n in range(5)}


@pytest.mark.skipif(connection.vendor != "postgresql", reason="counts sessions of PostgreSQL")
def test_connections_are_bounded_and_not_leaked(start_worker: Callable[..., Any]) -> None:
    def sessions() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            return int(cursor.fetchone()[0])

    for n in range(50):
        coroutines.write.enqueue(f"queue-{n}")
    start_worker("--threads", "2", options={"TASK_MODULES": ["tests.sample.coroutines"]})
    seen: list[int] = []

    def all_ran() -> bool:
        seen.append(sessions())
        return not Job.objects.exclude(status=Status.SUCCESSFUL).exists()

    wait_until(all_ran)
    assert 0 < max(seen) <= 4 + 2 * 2
    wait_until(lambda: sessions() <= 4, 5, "claimer, recorder, heartbeat and listener")


def waiting(path: str, attempts: int = 0) -> Waiting:
    return Waiting(uuid7(), f"tests.sample.tasks.{path}", "default", attempts, 2)


class TestRoom:
    def test_each_side_takes_its_own_in_order(self) -> None:
        jobs = [waiting(p) for p in ("add", "add_async", "add", "add_async", "add", "add_async")]
        assert list(Room(1, 0, 2).fitting(jobs)) == [jobs[0], jobs[1], jobs[3]]
        assert list(Room(0, 0, 9).fitting(jobs)) == jobs[1::2]
        assert list(Room(9, 0, 0).fitting(jobs)) == jobs[0::2]

    def test_none_in_its_last_attempt_waits_in_line(self) -> None:
        jobs = [waiting("add", 1), waiting("add", 1), waiting("add"), waiting("add_async", 1)]
        assert list(Room(1, 5, 1).fitting(jobs)) == [jobs[0], jobs[2], jobs[3]]

    def test_an_unknown_task_is_for_a_thread(self) -> None:
        jobs = [waiting("of_the_next_release")]
        assert list(Room(1, 0, 0).fitting(jobs)) == jobs
        assert list(Room(0, 0, 1).fitting(jobs)) == []


def test_what_came_instead_of_what_was_looked_at_is_given_back() -> None:
    process = WorkerProcess(WorkerConfig(threads=1), task_backends["default"])
    process.heartbeat.register()
    for task in (tasks.add, tasks.add, tasks.add_async, tasks.add_async):
        task.enqueue(1, 2)
    claims = claim(process.worker, QueueFilter(), 4, "default")
    process.claimer._add(claims, Room(slots=1, ahead=0, coroutines=1))
    assert process.board.take() is claims[0]
    assert process.board.loop.take() == [claims[2]]
    given_back = [process.recorder._queue.get_nowait() for _ in range(2)]
    assert {finished.claim for finished in given_back if finished} == {claims[1], claims[3]}
    assert not process.board.is_empty(), "they are to be recorded"


def test_a_loop_that_does_not_come_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    process = WorkerProcess(WorkerConfig(threads=1), task_backends["default"])
    process.heartbeat.register()
    for _ in range(3):
        tasks.add_async.enqueue(1, 2)
    claims = claim(process.worker, QueueFilter(), 3, "default")
    board = process.board
    board.loop.add(claims[:2])
    assert board.coroutine_room() == 0
    assert board.stale() == []
    monkeypatch.setattr("django_jobs.worker.loop_side.STALE_SECONDS", 0.0)
    assert board.stale() == claims[:2]
    assert board.coroutine_room() == 0, "as long as it has not come"
    assert board.loop.take() == []
    assert board.coroutine_room() == 100
    board.loop.add(claims[2:])
    assert board.loop.take() == claims[2:]
    assert board.give_up() == claims[2:]
    assert not board.loop.ran(claims[2], recording=True), "its outcome is written already"
    assert board.loop.take() is None
