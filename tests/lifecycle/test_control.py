"""A worker is told from the admin what to do, and shows what it does."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from django_jobs.models import Job, Phase, Status, Worker
from tests.lifecycle.support import LEASE, assert_nothing_runs, job, wait_for_status
from tests.sample import talking, tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

StartWorker = Callable[..., Process]

SHORT_LEASE: dict[str, Any] = {"LEASE": LEASE}


def tell(client: Client, verb: str, worker: Worker) -> None:
    url = reverse(f"admin:django_jobs_worker_{verb}", args=[worker.pk])
    assert client.post(url).status_code == 302


def live() -> Worker:
    return wait_until(Worker.objects.live().first)


def until_phase(phase: Phase, timeout: float = 30) -> Worker:
    rows = Worker.objects.filter(phase=phase)
    return wait_until(rows.first, timeout, lambda: str(Worker.objects.values("phase", "command")))


def test_quiet_resume_and_stop(start_worker: StartWorker, admin_client: Client) -> None:
    running = tasks.sleep.enqueue(1.5)
    worker = start_worker("--threads", "1", options=SHORT_LEASE)
    wait_for_status(running, Status.RUNNING)
    tell(admin_client, "quiet", live())
    until_phase(Phase.QUIET)
    waiting = tasks.add.enqueue(1, 2)
    wait_for_status(running, Status.SUCCESSFUL)
    idle = wait_until(Worker.objects.filter(threads_busy=0).first)
    assert (idle.phase, idle.running, idle.stopped_at) == (Phase.QUIET, [], None)
    assert job(waiting).status == Status.READY
    tell(admin_client, "resume", live())
    wait_for_status(waiting, Status.SUCCESSFUL)
    until_phase(Phase.RUNNING)
    tell(admin_client, "stop", live())
    assert worker.wait() == 0, worker
    assert "Stopping: told from outside" in worker.output
    assert_nothing_runs()


def test_what_runs_when_it_is_told_to_stop_is_finished(
    start_worker: StartWorker, admin_client: Client
) -> None:
    running = tasks.sleep.enqueue(2)
    worker = start_worker("--threads", "1", options=SHORT_LEASE)
    worker.wait_for("started: attempt 1")
    tell(admin_client, "stop", live())
    until_phase(Phase.STOPPING)
    worker.terminate()  # the first signal, although it stops already
    assert worker.wait() == 0, worker
    assert job(running).status == Status.SUCCESSFUL
    assert_nothing_runs()


def test_a_quiet_worker_stops_at_a_signal(start_worker: StartWorker, admin_client: Client) -> None:
    worker = start_worker(options=SHORT_LEASE)
    until_phase(Phase.RUNNING)
    tell(admin_client, "quiet", live())
    until_phase(Phase.QUIET)
    worker.terminate()
    assert worker.wait() == 0, worker


def test_one_that_is_told_to_stop_is_replaced_by_its_supervisor(
    start_worker: StartWorker, admin_client: Client
) -> None:
    process = start_worker("--processes", "2", "--threads", "1", options=SHORT_LEASE)
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(process))
    victim = live()
    tell(admin_client, "stop", victim)
    process.wait_for(f"Worker {victim.pid} ended with 0")
    others = Worker.objects.live().exclude(pk=victim.pk)
    wait_until(lambda: others.count() == 2, 50, lambda: str(process))
    process.terminate()
    assert process.wait() == 0, process


def test_the_stacks_of_jobs_in_threads_and_on_the_loop(
    start_worker: StartWorker, admin_client: Client
) -> None:
    in_thread = talking.talk_and_sleep.enqueue("well begun", 60)
    on_loop = tasks.sleep_async.enqueue(60)
    options = SHORT_LEASE | {"TASK_MODULES": ["tests.sample.talking"]}
    start_worker("--threads", "2", options=options).wait_for("started: attempt", count=2)
    worker = wait_until(Worker.objects.filter(threads_busy=1, coroutines_running=1).first)
    listed = {entry["job"]: entry for entry in worker.running}
    assert listed.keys() == {str(in_thread.id), str(on_loop.id)}
    assert worker.memory is not None
    assert worker.memory > 10_000_000
    url = reverse("admin:django_jobs_job_stack", args=[in_thread.id])
    assert admin_client.post(url).status_code == 302
    found = wait_until(Worker.objects.exclude(stacks_at=None).first)
    stacks = {entry["job"]: entry["stack"] for entry in found.stacks}
    assert "time.sleep(seconds)" in stacks[str(in_thread.id)]
    assert "await asyncio.sleep(seconds)" in stacks[str(on_loop.id)]
    logs = {entry["job"]: entry["log"] for entry in found.stacks}
    assert logs[str(in_thread.id)].endswith("WARNING tests.sample.talking: well begun")
    assert logs[str(on_loop.id)] == ""
    assert found.stacks_asked_at is None
    page = admin_client.get(reverse("admin:django_jobs_job_change", args=[in_thread.id]))
    assert "time.sleep(seconds)" in page.content.decode()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="nothing tells a worker there")
def test_it_hears_long_before_the_next_heartbeat(
    start_worker: StartWorker, admin_client: Client
) -> None:
    result = tasks.sleep.enqueue(60)
    start_worker(options={"LEASE": 180}).wait_for("started: attempt")  # a heartbeat a minute
    until_phase(Phase.RUNNING)
    tell(admin_client, "stacks", live())
    found = wait_until(Worker.objects.exclude(stacks_at=None).first)
    assert [entry["job"] for entry in found.stacks] == [str(result.id)]
    tell(admin_client, "quiet", live())
    until_phase(Phase.QUIET)


def test_a_killed_worker_shows_what_it_ran(start_worker: StartWorker) -> None:
    result = tasks.sleep.enqueue(60)
    worker = start_worker(options=SHORT_LEASE)
    row = wait_until(Worker.objects.filter(threads_busy=1).first, 50, lambda: str(worker))
    assert row.pid == worker.pid != os.getpid()
    worker.kill()
    row.refresh_from_db()
    assert [entry["job"] for entry in row.running] == [str(result.id)]
    assert Job.objects.get(pk=result.id).worker_id == row.pk
