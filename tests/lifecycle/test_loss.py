"""Workers that die, freeze or lose their claims."""

import signal
import time
from collections.abc import Callable

import pytest
from django.db import connection  # noqa: F401 (the skipif reads it)
from django.test import Client
from django.urls import reverse

from django_jobs.models import Job, JobAttempt, Status, Worker
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

from .support import LEASE, assert_nothing_runs, job, outcomes, wait_for_status

StartWorker = Callable[..., Process]

SHORT_LEASE = {"LEASE": LEASE}
# Seconds until a running job hears that it is cancelled. Two are promised; the rest is for
# machines that are busy.
SOON = 30
STARTED = "started: attempt 1"


def test_a_killed_workers_job_is_rescued_and_costs_an_attempt(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(2)
    killed = start_worker(options=SHORT_LEASE)
    killed.wait_for("started: attempt 1")
    killed.kill()
    start_worker(options=SHORT_LEASE).wait_for("rescued from the lost worker")
    row = wait_for_status(result, Status.SUCCESSFUL)
    assert (row.attempts, row.claim_no) == (2, 2)
    assert row.crashes == 0, "it came through, and is no suspect any more"
    assert outcomes(result) == ["LOST"]
    lost = JobAttempt.objects.get(job_id=row.pk)
    assert lost.worker_name.endswith(f":{killed.pid}")


def test_rescue_takes_no_longer_than_the_lease_and_a_third(start_worker: StartWorker) -> None:
    lease = 3
    result = tasks.wait.enqueue(30)
    other = start_worker("--threads", "1", options={"LEASE": lease})
    killed = start_worker("--threads", "1", options={"LEASE": lease})
    wait_until(lambda: STARTED in other.output + killed.output, 50, lambda: f"{other}{killed}")
    owner = Worker.objects.get(pk=job(result).worker_id).pid
    runs, rescuer = (killed, other) if owner == killed.pid else (other, killed)
    runs.kill()
    started = time.monotonic()
    rescuer.wait_for("started: attempt 2")
    # The scaled-down form of 40 seconds for a lease of 30, plus what a loaded machine takes.
    assert time.monotonic() - started < lease * 4 / 3 + 15


def test_a_killed_worker_at_the_last_attempt_leaves_a_dead_job(start_worker: StartWorker) -> None:
    result = tasks.once.enqueue(60)
    killed = start_worker(options=SHORT_LEASE)
    killed.wait_for("started: attempt 1 of 1")
    killed.kill()
    start_worker(options=SHORT_LEASE)
    row = wait_for_status(result, Status.DEAD)
    assert "worker was lost" in row.last_error
    assert outcomes(result) == ["LOST"]


def test_a_frozen_worker_that_comes_back_changes_nothing(start_worker: StartWorker) -> None:
    result = tasks.sleep.enqueue(1)
    frozen = start_worker(options=SHORT_LEASE)
    frozen.wait_for("started: attempt 1")
    frozen.signal(signal.SIGSTOP)
    try:
        other = start_worker(options={"LEASE": 30})
        row = wait_for_status(result, Status.SUCCESSFUL)
        before = (row.finished_at, row.worker_id, row.attempts)
    finally:
        frozen.signal(signal.SIGCONT)
    frozen.wait_for("lost its claim (number 1)")
    row = job(result)
    assert (row.finished_at, row.worker_id, row.attempts) == before
    assert outcomes(result) == ["LOST"]
    # It is sound again and runs the next job.
    again = tasks.add.enqueue(1, 2)
    assert wait_for_status(again, Status.SUCCESSFUL).return_value == 3
    for worker in (frozen, other):
        worker.terminate()
        assert worker.wait() == 0, worker
    assert_nothing_runs()


def test_a_job_that_looks_hears_of_its_lost_lease(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(60)
    worker = start_worker(options=SHORT_LEASE)
    worker.wait_for("started: attempt 1")
    # Somebody else owns it now.
    Job.objects.filter(pk=result.id).update(claim_no=7)
    worker.wait_for("lost its claim")
    assert job(result).claim_no == 7


def test_what_is_running_in_the_table_and_nowhere_else_is_released(
    start_worker: StartWorker,
) -> None:
    """The answer to a claim's COMMIT was lost: the row is ours, and nobody runs it."""
    worker = start_worker("--queues", "default", options=SHORT_LEASE)
    worker.wait_for("woken by")
    result = tasks.wait_nicely.enqueue(0)  # a queue that this worker doesn't serve
    owner = wait_until(Worker.objects.first)
    Job.objects.filter(pk=result.id).update(
        status=Status.RUNNING, worker_id=owner.pk, claim_no=1, attempts=1
    )
    row = wait_for_status(result, Status.READY)
    assert (row.attempts, row.worker_id) == (0, None)


def test_a_cancelled_job_hears_of_it_and_ends(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(60)
    waiting = tasks.wait.enqueue(60)
    worker = start_worker("--threads", "1", options=SHORT_LEASE)
    worker.wait_for("started: attempt 1")
    assert Job.objects.filter(pk__in=[result.id, waiting.id]).cancel() == 2
    row = wait_for_status(result, Status.CANCELLED)
    assert row.finished_at is not None
    assert outcomes(result) == ["CANCELLED"]
    assert job(waiting).status == Status.CANCELLED
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="nothing tells a worker there")
def test_a_cancelled_job_hears_of_it_long_before_the_next_heartbeat(
    start_worker: StartWorker, admin_client: Client
) -> None:
    result = tasks.wait.enqueue(60)
    worker = start_worker(options={"LEASE": 180})  # a heartbeat a minute
    worker.wait_for("started: attempt 1")
    beat = wait_until(Worker.objects.first).last_heartbeat_at
    cancel = reverse("admin:django_jobs_job_cancel", args=[result.id])
    assert admin_client.post(cancel).status_code == 302
    wait_for_status(result, Status.CANCELLED, timeout=SOON)
    assert wait_until(Worker.objects.first).last_heartbeat_at == beat


def test_without_a_notify_it_hears_of_it_at_the_next_heartbeat(start_worker: StartWorker) -> None:
    result = tasks.wait.enqueue(60)
    start_worker(options={**SHORT_LEASE, "NOTIFY": False}).wait_for("started: attempt 1")
    assert Job.objects.cancel() == 1
    wait_for_status(result, Status.CANCELLED)


def test_progress_is_written_while_the_job_runs(start_worker: StartWorker) -> None:
    result = tasks.report_progress.enqueue()
    start_worker(options=SHORT_LEASE)
    wait_until(lambda: job(result).metadata.get("progress", {}).get("note") == "half")
    assert job(result).status == Status.RUNNING
    Job.objects.filter(pk=result.id).cancel()
    wait_for_status(result, Status.CANCELLED)


def test_two_workers_share_the_work(start_worker: StartWorker) -> None:
    results = [tasks.sleep.enqueue(0.05) for _ in range(60)]
    workers = [start_worker("--threads", "2", "--batch") for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    rows = [job(result) for result in results]
    assert {row.status for row in rows} == {Status.SUCCESSFUL}
    assert {row.claim_no for row in rows} == {1}
    started = sum(worker.output.count("started: attempt") for worker in workers)
    assert started == 60, "each ran once"
