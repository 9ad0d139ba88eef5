"""The database goes away and comes back: workers wait, never exit, and lose nothing."""

import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction  # noqa: F401 (the skipif reads it)

from django_jobs.models import Job, Status
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.sessions import end_other_sessions
from tests.support.waiting import wait_until

from .support import assert_nothing_runs, wait_for_status

StartWorker = Callable[..., Process]


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="a file has no sessions")
def test_sessions_are_cut_again_and_again(start_worker: StartWorker) -> None:
    results = [tasks.sleep.enqueue(0.05) for _ in range(40)]
    worker = start_worker("--threads", "4", options={"LEASE": 5})
    worker.wait_for("started: attempt", count=2)
    cut = 0
    for _ in range(6):
        cut += end_other_sessions()
        time.sleep(0.3)
    assert cut >= 6, "the sessions were really cut"
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    assert worker.running, worker
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()
    # The jobs themselves don't use the database, so none of them had to be tried again.
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="a file has no sessions")
def test_an_idle_worker_survives_a_cut(start_worker: StartWorker) -> None:
    worker = start_worker()
    worker.wait_for("woken by")
    wait_until(end_other_sessions)
    cut_at = time.monotonic()
    result = tasks.add.enqueue(1, 2)
    wait_for_status(result, Status.SUCCESSFUL)
    # Within five seconds, as promised; the rest is for machines that are busy.
    assert time.monotonic() - cut_at < 20
    worker.terminate()
    assert worker.wait() == 0, worker


def test_a_locked_table_is_waited_out(start_worker: StartWorker) -> None:
    results = [tasks.sleep.enqueue(0.05) for _ in range(10)]
    worker = start_worker("--threads", "2")
    worker.wait_for("started: attempt")
    with transaction.atomic():
        # On SQLite this holds the whole database, elsewhere the rows.
        list(Job.objects.select_for_update().values_list("pk"))
        time.sleep(1.5)  # how long the lock is held, while the worker runs into it
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()
