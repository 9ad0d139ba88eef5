"""How a worker stops, in every phase: exit code, rows and time."""

import signal
import time
from collections.abc import Callable

import pytest

from django_jobs.models import Status
from django_jobs.worker.stop import ECHO_SECONDS
from tests.factories import JobFactory
from tests.sample import tasks
from tests.support.processes import Process

from .support import assert_nothing_runs, job, outcomes, wait_for_status

StartWorker = Callable[..., Process]

# What the deadline may be overrun by, as promised, and what a loaded machine may add.
SLACK = 1.0 + 14.0


def test_batch_stops_when_nothing_is_left(start_worker: StartWorker) -> None:
    results = [tasks.add.enqueue(n, 1) for n in range(20)]
    later = tasks.add.using(run_after=in_an_hour()).enqueue(1, 1)
    worker = start_worker("--batch")
    assert worker.wait() == 0, worker
    assert [job(result).return_value for result in results] == list(range(1, 21))
    assert job(later).status == Status.SCHEDULED
    assert_nothing_runs()


def test_batch_runs_what_its_jobs_enqueue(start_worker: StartWorker) -> None:
    tasks.enqueue_other.enqueue(depth=3)
    worker = start_worker("--batch")
    assert worker.wait() == 0, worker
    assert worker.output.count("succeeded") == 4


def test_max_jobs(start_worker: StartWorker) -> None:
    results = [tasks.add.enqueue(n, 1) for n in range(5)]
    worker = start_worker("--max-jobs", "3", "--threads", "2")
    assert worker.wait() == 0, worker
    statuses = [job(result).status for result in results]
    assert statuses == [Status.SUCCESSFUL] * 3 + [Status.READY] * 2
    assert_nothing_runs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle(start_worker: StartWorker, number: signal.Signals) -> None:
    worker = start_worker("--shutdown-timeout", "60")
    worker.wait_for("woken by")
    started = time.monotonic()
    worker.signal(number)
    assert worker.wait() == 0, worker
    assert time.monotonic() - started < SLACK
    assert_nothing_runs()


def test_running_jobs_are_finished_and_waiting_ones_left(start_worker: StartWorker) -> None:
    running = tasks.sleep.enqueue(1.5)
    waiting = [tasks.add.enqueue(1, 1) for _ in range(5)]
    worker = start_worker("--threads", "1", "--shutdown-timeout", "10")
    worker.wait_for("started: attempt 1")
    worker.terminate()
    assert worker.wait() == 0, worker
    assert job(running).status == Status.SUCCESSFUL
    for result in waiting:
        assert (job(result).status, job(result).attempts) == (Status.READY, 0)
    assert_nothing_runs()


def test_deadline_releases_a_job_that_does_not_look(start_worker: StartWorker) -> None:
    result = tasks.sleep.enqueue(60)
    worker = start_worker("--shutdown-timeout", "2")
    worker.wait_for("started: attempt 1")
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < 2 + SLACK
    row = job(result)
    assert (row.status, row.attempts, row.claim_no) == (Status.READY, 0, 1)
    assert outcomes(result) == ["RELEASED"]
    assert "time.sleep(seconds)" in worker.output, "its stack is logged"
    assert_nothing_runs()


def test_a_job_that_looks_is_told_shortly_before_the_deadline(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(60)
    worker = start_worker("--shutdown-timeout", "3")
    worker.wait_for("started: attempt 1")
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 1, worker
    assert 1 < time.monotonic() - started < 3 + SLACK
    assert "still running" not in worker.output, "it ended by itself"
    row = job(result)
    assert (row.status, row.attempts, row.last_error) == (Status.READY, 0, "")
    assert outcomes(result) == ["RELEASED"]
    assert_nothing_runs()


def test_a_queue_that_says_release_ends_at_the_next_check(start_worker: StartWorker) -> None:
    nice = tasks.wait_nicely.enqueue(60)
    other = tasks.sleep.enqueue(1)
    worker = start_worker("--shutdown-timeout", "30", options={"ON_STOP": {"nice": "release"}})
    worker.wait_for("started: attempt 1", count=2)
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < 1 + SLACK
    assert (job(nice).status, job(nice).attempts) == (Status.READY, 0)
    assert job(other).status == Status.SUCCESSFUL
    assert_nothing_runs()


def test_an_interruption_too_many_costs_an_attempt(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(60)
    worker = start_worker("--shutdown-timeout", "2", options={"MAX_INTERRUPTIONS": 1})
    worker.wait_for("started: attempt 1")
    worker.terminate()
    worker.wait_for("next at once")
    assert worker.wait() == 1, worker
    row = job(result)
    assert (row.status, row.attempts, row.interruptions) == (Status.READY, 1, 1)
    assert outcomes(result) == ["FAILED"]
    assert_nothing_runs()


def test_an_interruption_too_many_at_the_last_attempt_is_seen(start_worker: StartWorker) -> None:
    left = JobFactory(task_path=tasks.sleep.module_path, args=[60], max_attempts=1)
    worker = start_worker("--shutdown-timeout", "60", options={"MAX_INTERRUPTIONS": 1})
    worker.wait_for("started: attempt 1")
    worker.signal(signal.SIGQUIT)
    worker.wait_for("dead after attempt 1 of 1")
    assert worker.wait() == 1, worker
    row = job(left)
    assert (row.status, row.last_error) == (Status.DEAD, "interrupted 1 times in a row")
    assert_nothing_runs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_stops_at_once(start_worker: StartWorker, number: signal.Signals) -> None:
    result = tasks.sleep.enqueue(60)
    worker = start_worker("--shutdown-timeout", "60")
    worker.wait_for("started: attempt 1")
    worker.signal(number)
    worker.wait_for("Stopping")
    time.sleep(ECHO_SECONDS + 0.1)
    started = time.monotonic()
    worker.signal(number)
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < SLACK
    assert (job(result).status, job(result).attempts) == (Status.READY, 0)
    assert_nothing_runs()


def test_a_signal_that_arrives_twice_at_a_time_counts_once(start_worker: StartWorker) -> None:
    result = tasks.sleep.enqueue(1.5)
    worker = start_worker("--shutdown-timeout", "10")
    worker.wait_for("started: attempt 1")
    for number in (signal.SIGINT, signal.SIGTERM):  # two alike might be delivered as one
        worker.signal(number)
    assert worker.wait() == 0, worker
    assert job(result).status == Status.SUCCESSFUL
    assert_nothing_runs()


def test_quit_shows_the_stacks_of_all_threads(start_worker: StartWorker) -> None:
    result = tasks.sleep.enqueue(60)
    worker = start_worker("--shutdown-timeout", "60")
    worker.wait_for("started: attempt 1")
    started = time.monotonic()
    worker.signal(signal.SIGQUIT)
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < SLACK
    for name in ("MainThread", "claimer", "recorder", "heartbeat", "executor-1"):
        assert name in worker.output
    assert "time.sleep(seconds)" in worker.output
    assert (job(result).status, job(result).attempts) == (Status.READY, 0)
    assert_nothing_runs()


def test_a_pool_that_a_job_leaves_at_work_does_not_hold_up_the_stop(
    start_worker: StartWorker,
) -> None:
    result = tasks.leave_a_pool_at_work.enqueue(60)
    worker = start_worker("--shutdown-timeout", "2")
    worker.wait_for("succeeded")
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 0, worker
    assert time.monotonic() - started < 2 + SLACK
    assert job(result).status == Status.SUCCESSFUL
    assert_nothing_runs()


def test_signal_while_draining_a_batch_sets_a_deadline(start_worker: StartWorker) -> None:
    tasks.sleep.enqueue(60)
    worker = start_worker("--max-jobs", "1", "--shutdown-timeout", "1")
    worker.wait_for("Stopping: --max-jobs")
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < 1 + SLACK
    assert_nothing_runs()


def test_released_jobs_run_to_their_end_elsewhere(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(1.0)
    first = start_worker("--shutdown-timeout", "0")
    first.wait_for("started: attempt 1")
    first.terminate()
    assert first.wait() == 1, first
    second = start_worker("--batch")
    assert second.wait() == 0, second
    row = wait_for_status(result, Status.SUCCESSFUL)
    assert (row.attempts, row.claim_no) == (1, 2)


def in_an_hour() -> object:
    from datetime import timedelta

    from django.utils import timezone

    return timezone.now() + timedelta(hours=1)
