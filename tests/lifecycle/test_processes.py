"""`runjobs --processes N`: a supervisor and its workers."""

import os
import re
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction

from django_jobs import enqueue_many
from django_jobs.models import Job, Status, Worker
from django_jobs.worker.lifeline import longest_silence
from tests.lifecycle.support import LEASE, assert_nothing_runs, job, outcomes, wait_for_status
from tests.sample import slow, tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

StartWorker = Callable[..., Process]

pytestmark = pytest.mark.django_db(transaction=True)

OPTIONS = {"LEASE": LEASE}


@pytest.fixture
def two(start_worker: StartWorker) -> Process:
    process = start_worker("--processes", "2", "--threads", "2", options=OPTIONS)
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    return process


def pids() -> set[int]:
    return set(Worker.objects.filter(stopped_at=None).live().values_list("pid", flat=True))


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_both_run_jobs_and_stop_at_a_signal(two: Process) -> None:
    assert two.pid not in pids()
    results = [tasks.sleep.enqueue(0.5) for _ in range(8)]
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    assert len(set(Job.objects.values_list("worker_id", flat=True))) == 2
    last = tasks.sleep.enqueue(1)
    two.wait_for("started: attempt 1", count=9)  # what has not started is given back
    two.terminate()
    assert two.wait() == 0, two
    wait_for_status(last, Status.SUCCESSFUL)
    assert_nothing_runs()


def test_a_killed_worker_is_replaced_and_its_job_runs_again(two: Process) -> None:
    result = tasks.sleep.enqueue(2)
    two.wait_for("started: attempt 1")
    victim = Worker.objects.get(pk=job(result).worker_id)
    os.kill(victim.pid, signal.SIGKILL)
    two.wait_for("SIGKILL")
    wait_until(lambda: len(pids() - {victim.pid}) == 2, 50, lambda: str(two))
    assert wait_for_status(result, Status.SUCCESSFUL).attempts == 2
    two.terminate()
    assert two.wait() == 0, two


def test_the_jobs_of_a_killed_worker_do_not_wait_for_its_lease(start_worker: StartWorker) -> None:
    long = {"LEASE": 60}
    process = start_worker("--processes", "2", "--threads", "2", options=long)
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    result = tasks.sleep.enqueue(2)
    process.wait_for("started: attempt 1")
    victim = Worker.objects.get(pk=job(result).worker_id)
    os.kill(victim.pid, signal.SIGKILL)
    process.wait_for("rescued from the lost worker")
    assert wait_for_status(result, Status.SUCCESSFUL).attempts == 2
    victim.refresh_from_db()
    assert victim.stopped_at is not None
    process.terminate()
    assert process.wait() == 0, process


def test_what_is_killed_at_the_deadline_is_taken_back_before_the_end(
    start_worker: StartWorker,
) -> None:
    options = ("--processes", "2", "--threads", "1", "--shutdown-timeout", "1")
    process = start_worker(*options, options={"LEASE": 60})
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    result = tasks.sleep.enqueue(60)
    running = wait_for_status(result, Status.RUNNING)
    frozen = Worker.objects.get(pk=running.worker_id).pid
    os.kill(frozen, signal.SIGSTOP)  # it hears of no signal but KILL
    process.terminate()
    assert process.wait() == 1, process
    assert is_gone(frozen)
    assert job(result).status == Status.READY
    assert_nothing_runs()


def test_a_frozen_worker_is_killed_before_its_lease_ends(start_worker: StartWorker) -> None:
    process = start_worker("--processes", "2", "--threads", "1", options={"LEASE": 8})
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    result = tasks.sleep.enqueue(1)
    process.wait_for("started: attempt 1")
    victim = Worker.objects.get(pk=job(result).worker_id)
    os.kill(victim.pid, signal.SIGSTOP)
    process.wait_for("is killed: nothing was heard of it")
    assert wait_for_status(result, Status.SUCCESSFUL).attempts == 2
    buried = Worker.objects.get(pk=victim.pk)
    assert buried.stopped_at < buried.last_heartbeat_at + timedelta(seconds=8)
    wait_until(lambda: len(pids() - {victim.pid}) == 2, 50, lambda: str(process))
    process.terminate()
    assert process.wait() == 0, process


def test_a_worker_that_waits_for_the_database_is_not_killed(two: Process) -> None:
    before = pids()
    with transaction.atomic():
        # On SQLite this holds the whole database, elsewhere what a heartbeat writes to.
        list(Worker.objects.select_for_update().values_list("pk"))
        time.sleep(2 * longest_silence(LEASE))  # nothing is to happen for so long
    wait_until(lambda: pids() == before, 50, lambda: str(two))
    assert "is killed" not in two.output
    wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL)
    two.terminate()
    assert two.wait() == 0, two


def test_a_degraded_worker_is_replaced(start_worker: StartWorker) -> None:
    options = {"LEASE": 30, "TASK_MODULES": ["tests.sample.slow"]}
    process = start_worker("--processes", "2", "--threads", "1", options=options)
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    result = slow.ignore.enqueue(60)
    victim = Worker.objects.get(pk=wait_for_status(result, Status.RUNNING).worker_id)
    process.wait_for(f"Worker {victim.pid} ended with 75")
    row = wait_for_status(result, Status.SCHEDULED)
    assert (row.attempts, row.crashes, outcomes(result)) == (1, 0, ["TIMED_OUT"])
    wait_until(lambda: len(pids() - {victim.pid}) == 2, 50, lambda: str(process))
    process.terminate()
    assert process.wait() == 0, process


def test_a_worker_whose_own_end_hangs_is_replaced(start_worker: StartWorker) -> None:
    options = ("--threads", "1", "--max-jobs", "1", "--shutdown-timeout", "1")
    process = start_worker("--processes", "2", *options, options=OPTIONS)
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    tasks.leave_a_pool_at_work.enqueue(60)
    process.wait_for("ended with 0")
    process.terminate()
    assert process.wait() == 0, process


def test_a_second_signal_reaches_the_workers(two: Process) -> None:
    tasks.sleep.enqueue(30)
    two.wait_for("started: attempt 1")  # what has not started is given back at once
    two.terminate()
    two.wait_for("Stopping: SIGTERM", count=3)  # the supervisor, and both workers
    wait_until(lambda: Job.objects.filter(status=Status.RUNNING).count() == 1)
    two.terminate()
    assert two.wait() == 1, two
    assert not Job.objects.filter(status=Status.RUNNING).exists()


def test_workers_end_when_their_supervisor_is_killed(two: Process) -> None:
    orphans = pids()
    running = [tasks.sleep.enqueue(1) for _ in range(4)]
    two.wait_for("started: attempt 1", count=len(running))
    two.kill()
    wait_until(lambda: all(map(is_gone, orphans)), 50, lambda: str(two))
    assert {(job(r).status, job(r).attempts) for r in running} == {(Status.SUCCESSFUL, 1)}
    assert two.output.count("The supervisor is gone") == 2
    assert_nothing_runs()


def test_a_batch_ends_by_itself(start_worker: StartWorker) -> None:
    enqueue_many(tasks.add, [(n, n) for n in range(50)])
    process = start_worker("--processes", "2", "--batch", options=OPTIONS)
    assert process.wait(60) == 0, process
    assert Job.objects.filter(status=Status.SUCCESSFUL).count() == 50
    assert_nothing_runs()


def test_what_no_worker_could_start_with_is_said_once(start_worker: StartWorker) -> None:
    process = start_worker("--processes", "2", "--queues", "no queue", options=OPTIONS)
    assert process.wait() == 3, process
    assert process.output.count("--queues") == 1, process


def test_the_check_names_the_processes(start_worker: StartWorker) -> None:
    process = start_worker("--processes", "2", "--check", options=OPTIONS)
    assert process.wait() == 0, process
    assert re.search(r"4 threads and 100 coroutines in each of 2 processes", process.output)


def test_a_signal_without_a_name_ends_a_worker_and_not_the_supervisor(two: Process) -> None:
    victim = min(pids())
    os.kill(victim, signal.SIGRTMIN + 3)
    two.wait_for("ended with signal")
    wait_until(lambda: len(pids() - {victim}) == 2, 50, lambda: str(two))
    two.terminate()
    assert two.wait() == 0, two


def test_a_stop_while_the_workers_still_start_cuts_nothing_short(start_worker: StartWorker) -> None:
    process = start_worker("--processes", "2", options=OPTIONS)
    process.wait_for("started", count=2)
    process.terminate()
    assert process.wait() == 0, process
    assert_nothing_runs()


def test_a_job_that_ends_its_process_as_if_all_was_well_waits_for_no_lease(
    start_worker: StartWorker,
) -> None:
    process = start_worker("--processes", "2", "--threads", "2", options={"LEASE": 60})
    result = tasks.exit_with_zero.enqueue()
    row = wait_for_status(result, Status.DEAD)
    assert row.last_error.startswith("the worker was lost 3 times in a row")
    process.terminate()
    assert process.wait() == 0, process


def test_a_job_that_kills_its_process_dies_and_its_neighbours_pay_nothing(two: Process) -> None:
    neighbours = [tasks.sleep.enqueue(0.5) for _ in range(6)]
    killer = tasks.kill_the_process.enqueue()
    neighbours += [tasks.sleep.enqueue(0.5) for _ in range(6)]
    row = wait_for_status(killer, Status.DEAD, timeout=60)
    assert row.last_error.startswith("the worker was lost 3 times in a row")
    for result in neighbours:
        found = wait_for_status(result, Status.SUCCESSFUL, timeout=60)
        assert (found.attempts, found.crashes) == (1, 0)
    two.terminate()
    assert two.wait() == 0, two
    assert_nothing_runs()
