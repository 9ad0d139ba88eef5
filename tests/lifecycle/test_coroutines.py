"""Coroutine jobs on the event loop of a real worker."""

import signal
import time
from collections.abc import Callable

import pytest
from django.db.models import Q

from django_jobs import enqueue_many
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.worker.stop import ECHO_SECONDS
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

from .support import LEASE, assert_nothing_runs, job, outcomes, wait_for_status
from .test_stop import SLACK

StartWorker = Callable[..., Process]

SHORT_LEASE = {"LEASE": LEASE}


def test_a_thousand_sleep_at_once_and_hold_up_no_thread(start_worker: StartWorker) -> None:
    enqueue_many(tasks.sleep_async, [(3.0,)] * 1000)
    others = [tasks.add.enqueue(n, 1) for n in range(20)]
    worker = start_worker("--threads", "2", "--async-concurrency", "1000", "--batch")
    assert worker.wait(60) == 0, worker
    rows = list(Job.objects.filter(task_path__endswith=".sleep_async"))
    assert {(row.status, row.attempts) for row in rows} == {(Status.SUCCESSFUL, 1)}
    spans = [row.return_value for row in rows]
    last_start, first_end = max(span[0] for span in spans), min(span[1] for span in spans)
    assert last_start < first_end, "all of them ran at one moment"
    assert {job(result).status for result in others} == {Status.SUCCESSFUL}
    assert all(job(result).finished_at.timestamp() < first_end for result in others)
    assert_nothing_runs()


def test_no_more_run_at_once_than_was_said_and_threads_are_not_held_up(
    start_worker: StartWorker,
) -> None:
    enqueue_many(tasks.sleep_async, [(60.0,)] * 30)
    worker = start_worker("--threads", "1", "--async-concurrency", "3")
    worker.wait_for("started: attempt", count=3)
    behind = tasks.add.enqueue(1, 2)  # behind 27 that wait for the loop
    wait_for_status(behind, Status.SUCCESSFUL)
    assert Job.objects.filter(status=Status.RUNNING).count() == 3, "no more than can run"
    worker.terminate()
    time.sleep(ECHO_SECONDS + 0.1)
    worker.terminate()
    assert worker.wait() == 1, worker
    assert_nothing_runs()


def test_coroutines_run_while_all_threads_are_taken(start_worker: StartWorker) -> None:
    enqueue_many(tasks.sleep, [(60,)] * 30)
    worker = start_worker("--threads", "2", "--shutdown-timeout", "1")
    worker.wait_for("started: attempt", count=2)
    behind = [tasks.add_async.enqueue(n, 1) for n in range(5)]
    for result in behind:
        wait_for_status(result, Status.SUCCESSFUL)
    assert Job.objects.filter(status=Status.RUNNING).count() == 2, "nothing is hoarded"
    worker.terminate()
    assert worker.wait() == 1, worker
    assert_nothing_runs()


def test_one_in_its_last_attempt_runs_while_all_threads_are_taken(
    start_worker: StartWorker,
) -> None:
    enqueue_many(tasks.add, [(1, 2)] * 100)  # short ones, so that others may wait in line
    long = enqueue_many(tasks.sleep, [(60,)] * 2)
    worker = start_worker("--threads", "2", "--shutdown-timeout", "1")
    for each in long:
        worker.wait_for(f"{each} started: attempt")
    wait_for_status(tasks.add_async_once.enqueue(1, 2), Status.SUCCESSFUL)
    worker.terminate()
    assert worker.wait() == 1, worker
    assert_nothing_runs()


def test_a_cancelled_one_ends_at_its_await(start_worker: StartWorker) -> None:
    result = tasks.report_progress_async.enqueue()
    worker = start_worker("--threads", "1", options=SHORT_LEASE)
    wait_until(lambda: job(result).metadata.get("progress", {}).get("note") == "half")
    Job.objects.filter(pk=result.id).cancel()
    wait_for_status(result, Status.CANCELLED)
    assert outcomes(result) == ["CANCELLED"]
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


def test_timeout(start_worker: StartWorker) -> None:
    result = tasks.overrun_async.enqueue()
    worker = start_worker("--batch")
    assert worker.wait() == 0, worker
    row = job(result)
    assert (row.status, row.last_error) == (Status.DEAD, "TimedOut")
    attempt = JobAttempt.objects.get(job_id=row.pk)
    assert attempt.outcome == "TIMED_OUT"
    assert "await asyncio.sleep(60)" in attempt.traceback, "it says where the task was"
    assert attempt.finished_at - attempt.started_at < row.finished_at - row.enqueued_at


def test_a_failure_is_tried_again(start_worker: StartWorker) -> None:
    result = tasks.fail_once_async.enqueue()
    start_worker()
    row = wait_for_status(result, Status.SUCCESSFUL)
    assert (row.return_value, row.attempts) == (2, 2)
    assert outcomes(result) == ["FAILED"]


def test_a_lost_claim_ends_it_and_writes_nothing(start_worker: StartWorker) -> None:
    result = tasks.sleep_async.enqueue(60.0)
    worker = start_worker(options=SHORT_LEASE)
    worker.wait_for("started: attempt 1")
    Job.objects.filter(pk=result.id).update(claim_no=7)  # somebody else owns it now
    worker.wait_for("lost its claim")
    assert (job(result).claim_no, outcomes(result)) == (7, [])


def test_a_stop_lets_them_finish_and_then_asks_them_to_end(start_worker: StartWorker) -> None:
    short, long = tasks.sleep_async.enqueue(0.7), tasks.sleep_async.enqueue(60.0)
    nice = tasks.sleep_nicely_async.enqueue(60.0)
    worker = start_worker("--shutdown-timeout", "3", options={"ON_STOP": {"nice": "release"}})
    worker.wait_for("started: attempt 1", count=3)
    started = time.monotonic()
    worker.terminate()
    wait_for_status(nice, Status.READY)
    assert worker.wait() == 1, worker
    assert 1 < time.monotonic() - started < 3 + SLACK
    assert "still running" not in worker.output, "they ended by themselves"
    assert job(short).status == Status.SUCCESSFUL
    for result in (long, nice):
        assert (job(result).status, job(result).attempts) == (Status.READY, 0)
        assert outcomes(result) == ["RELEASED"]
    assert_nothing_runs()


def test_deadline_leaves_behind_what_swallows_its_cancellation(start_worker: StartWorker) -> None:
    result, other = tasks.swallow_async.enqueue(60), tasks.swallow_async.enqueue(0.1)
    worker = start_worker("--shutdown-timeout", "2")
    worker.wait_for("started: attempt 1", count=2)
    started = time.monotonic()
    worker.terminate()
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < 2 + SLACK
    assert (job(result).status, job(result).attempts) == (Status.READY, 0)
    assert job(other).return_value == "ran on"
    assert "await asyncio.sleep(seconds)" in worker.output, "its stack is logged"
    assert_nothing_runs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_at_once_leaves_a_thousand_behind(
    start_worker: StartWorker, number: signal.Signals
) -> None:
    enqueue_many(tasks.sleep_async, [(60.0,)] * 1000)
    worker = start_worker("--async-concurrency", "1000", "--shutdown-timeout", "60")
    worker.wait_for("started: attempt 1", count=1000)
    started = time.monotonic()
    worker.terminate()
    time.sleep(ECHO_SECONDS + 0.1)
    worker.signal(number)
    assert worker.wait() == 1, worker
    assert time.monotonic() - started < ECHO_SECONDS + 0.1 + SLACK
    assert worker.output.count("still running") == 1000
    rows = set(Job.objects.values_list("status", "attempts"))
    assert rows == {(Status.READY, 0)}, "each is given back"
    assert_nothing_runs()


def test_what_stands_behind_one_that_holds_up_the_loop_is_given_back(
    start_worker: StartWorker,
) -> None:
    blocking = tasks.hold_up_the_loop.enqueue(60)
    first = start_worker("--threads", "1", "--shutdown-timeout", "1")
    wait_for_status(blocking, Status.RUNNING)
    enqueue_many(tasks.add_async, [(n, 1) for n in range(20)])
    first.wait_for("released before it started")
    second = start_worker("--threads", "1")
    rest = Job.objects.filter(~Q(pk=blocking.id))
    wait_until(lambda: set(rest.values_list("status", flat=True)) == {Status.SUCCESSFUL})
    assert set(rest.values_list("attempts", flat=True)) == {1}
    for worker in (second, first):
        worker.terminate()
        worker.wait()
    assert "time.sleep(seconds)" in first.output, "the stack of what held up the loop is logged"
    assert_nothing_runs()
