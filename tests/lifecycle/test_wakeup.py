"""An idle worker hears of new jobs: long before its next poll, which is half a minute away."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from django_jobs.db.wakeup import CHANNEL, bell
from django_jobs.models import Status
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

from .support import wait_for_status

StartWorker = Callable[..., Process]

SOON = 20  # seconds; far from the interval, and enough for a machine that is busy
REST = 0.3  # seconds in which a worker that has recorded a job comes to rest

deaf = pytest.mark.skipif(
    "connection.vendor == 'mysql'", reason="nothing tells a worker there; it polls"
)
postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")


@pytest.fixture
def idle_worker(start_worker: StartWorker) -> Process:
    """Its first job was there when it looked for the first time."""
    return rested(start_worker)


def rested(start_worker: StartWorker, **arguments: Any) -> Process:
    first = tasks.add.enqueue(1, 2)
    worker = start_worker("--interval", "60", **arguments)
    wait_for_status(first, Status.SUCCESSFUL)
    time.sleep(REST)
    return worker


@deaf
def test_an_idle_worker_takes_a_job_long_before_it_polls(idle_worker: Process) -> None:
    for _ in range(3):
        wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL, timeout=SOON)
        time.sleep(REST)


def test_without_notify_it_polls_often_for_a_while(start_worker: StartWorker) -> None:
    worker = rested(start_worker, options={"NOTIFY": False})
    wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL, timeout=SOON)
    told = bell("default", notify=False)
    assert ("NOTIFY" in worker.output) is False
    assert f"woken by {told.name + ', ' if told else ''}due times and polling" in worker.output


@postgresql
def test_a_listener_that_was_cut_off_listens_again(idle_worker: Process) -> None:
    [before] = wait_until(listening)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before])
    wait_until(lambda: set(listening()) - {before})
    time.sleep(REST)  # it looks once, since it may have missed something
    wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL, timeout=SOON)
    idle_worker.terminate()
    assert idle_worker.wait() == 0, idle_worker


@postgresql
def test_what_came_while_it_did_not_listen_is_found_when_it_does(idle_worker: Process) -> None:
    [before] = wait_until(listening)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [before])
    wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL, timeout=SOON)
    assert idle_worker.running


def listening() -> list[int]:
    """The server's processes for connections that listen."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query = %s",
            [f"LISTEN {CHANNEL}"],
        )
        return [pid for (pid,) in cursor.fetchall()]


@deaf
def test_an_idle_worker_stops_at_once(idle_worker: Process) -> None:
    idle_worker.terminate()
    assert idle_worker.wait(timeout=SOON) == 0, idle_worker


def delay(result: Any, ahead: float) -> float:
    """Seconds from the time that a job was due to its start."""
    job = wait_for_status(result, Status.SUCCESSFUL, timeout=ahead + SOON)
    return (job.last_attempted_at - job.run_after).total_seconds()


def test_a_scheduled_job_starts_when_it_is_due(idle_worker: Process) -> None:
    """Also where nothing wakes the worker: once it has seen the job it knows when to get up."""
    later = tasks.add.using(run_after=timedelta(seconds=4)).enqueue(1, 2)
    assert 0 <= delay(later, ahead=4) < 1, idle_worker


@deaf
def test_a_job_that_is_due_before_the_known_ones_is_heard_of(idle_worker: Process) -> None:
    tasks.add.using(run_after=timedelta(minutes=5)).enqueue(1, 2)
    time.sleep(REST)
    sooner = tasks.add.using(run_after=timedelta(seconds=1)).enqueue(1, 2)
    assert 0 <= delay(sooner, ahead=1) < 1, idle_worker
