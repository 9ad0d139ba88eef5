"""Workers whose database is behind a network that makes trouble, a proxy of the tests' own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from django_jobs.models import Job, JobAttempt, Queue, Status
from tests.lifecycle.support import assert_nothing_runs, job, outcomes, wait_for_status
from tests.sample import atomics, tasks
from tests.support.processes import Process
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

StartWorker = Callable[..., Process]

# What is promised is five seconds, which every test prints its figure for; the rest is for
# machines that are busy.
SOON = 15

CLAIM = b"job.claim_no + 1"
RECORD = b"job.attempts - t.refund"


@pytest.fixture
def start(start_worker: StartWorker, proxy: Proxy) -> StartWorker:
    """A worker behind the proxy."""

    def start(*arguments: str, options: Any = None) -> Process:
        modules = {"TASK_MODULES": ["tests.sample.atomics"]}
        return start_worker(
            *arguments, options=modules | (options or {}), env={"DATABASE_URL": proxy.url}
        )

    return start


def works_again(what: str) -> None:
    """Wait until a job that is enqueued now has run, and print how long that took."""
    healed_at = time.monotonic()
    wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL, timeout=SOON)
    print(f"{what}: working again after {time.monotonic() - healed_at:.2f} s")


def stops_well(worker: Process) -> None:
    assert worker.running, worker
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


@contextmanager
def every(seconds: float, call: Callable[[], object]) -> Iterator[None]:
    ended = threading.Event()

    def loop() -> None:
        while not ended.wait(seconds):
            call()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_connections_are_cut_every_second(start: StartWorker, proxy: Proxy) -> None:
    results = [tasks.sleep.enqueue(0.05) for _ in range(150)]
    # What was claimed in vain is found after two beats.
    worker = start("--threads", "4", options={"LEASE": 3})
    worker.wait_for("started: attempt")
    cut = []
    with every(0.5, lambda: cut.append(proxy.cut())):
        for result in results:
            wait_for_status(result, Status.SUCCESSFUL)
    assert sum(cut) >= 3, "there was something to cut"
    assert Job.objects.count() == len(results)
    # The jobs don't use the database themselves, and so don't have to be tried again, except
    # where the answer to the claim was lost.
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}
    works_again("cut every half second")
    stops_well(worker)


def test_atomic_effects_are_there_once_however_often_it_is_cut(
    start: StartWorker, proxy: Proxy
) -> None:
    results = [atomics.write_slowly.enqueue(f"n{n}") for n in range(100)]
    worker = start("--threads", "4")
    worker.wait_for("started: attempt")
    with every(0.3, proxy.cut):
        wait_until(lambda: Queue.objects.count() >= 60 or None)
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    assert Queue.objects.count() == 100
    assert JobAttempt.objects.exists(), "some were cut in the middle"
    stops_well(worker)


def test_a_server_that_is_away_for_a_while(start: StartWorker, proxy: Proxy) -> None:
    """Away for less than the lease: what ran meanwhile is recorded, and doesn't run again."""
    running = tasks.sleep.enqueue(1)
    worker = start("--threads", "2")
    worker.wait_for("started: attempt 1")
    waiting = [tasks.sleep.enqueue(0.01) for _ in range(10)]
    proxy.refuse()
    worker.wait_for("succeeded")
    worker.wait_for("Database trouble", count=5)
    assert job(running).status == Status.RUNNING, "there is nobody to tell"
    proxy.heal()
    works_again("refused")
    for result in [running, *waiting]:
        assert wait_for_status(result, Status.SUCCESSFUL).attempts == 1
    stops_well(worker)


def test_a_black_hole_is_noticed_and_survived(start: StartWorker, proxy: Proxy) -> None:
    """
    Packets disappear, for longer than the lease. A job is lost to another worker, and this
    one finds its way back.
    """
    result = tasks.wait.enqueue(600)
    worker = start("--threads", "2", options={"LEASE": 3})
    worker.wait_for("started: attempt 1")
    proxy.stall()
    # It fences itself off, without having heard anything.
    worker.wait_for("lost its claim")
    worker.wait_for("No answer from the database")
    worker.wait_for("Database trouble")
    assert worker.running, worker
    proxy.heal()
    works_again("black hole")
    Job.objects.filter(pk=result.id).cancel()
    wait_for_status(result, Status.CANCELLED)
    assert outcomes(result)[:1] != ["FAILED"]
    stops_well(worker)


def test_answers_to_records_are_lost(start: StartWorker, proxy: Proxy) -> None:
    """The server has committed, and the worker can't know: it knows its own write again."""
    worker = start("--threads", "1")
    worker.wait_for("woken by")

    lost = proxy.swallow_answer(RECORD)
    succeeds = tasks.add.enqueue(1, 2)
    assert lost.wait(20), worker
    works_again("answer to a record")
    row = job(succeeds)
    assert (row.status, row.attempts, row.return_value) == (Status.SUCCESSFUL, 1, 3)

    lost = proxy.swallow_answer(RECORD, b"COMMIT")
    fails = tasks.fail.enqueue()
    assert lost.wait(20), worker
    works_again("answer to the COMMIT of a failure")
    assert job(fails).status == Status.SCHEDULED
    assert outcomes(fails) == ["FAILED"]
    assert "lost its claim" not in worker.output

    lost = proxy.swallow_answer(RECORD, b"COMMIT")
    writes = atomics.write.enqueue("one")
    assert lost.wait(20), worker
    works_again("answer to the COMMIT of an atomic job")
    row = job(writes)
    assert (row.status, row.attempts) == (Status.SUCCESSFUL, 1)
    assert Queue.objects.count() == 1
    assert worker.output.count("Database trouble") >= 2
    stops_well(worker)


def test_the_answer_to_a_claim_is_lost(start: StartWorker, proxy: Proxy) -> None:
    """The worker can't know what it has claimed: its heartbeat finds it, and gives it back."""
    worker = start("--threads", "1", options={"LEASE": 3})
    works_again("start")
    time.sleep(0.3)  # it comes to rest: told of a job, it claims without having looked
    needles = (CLAIM,) if connection.vendor == "postgresql" else (CLAIM, b"COMMIT")
    lost = proxy.swallow_answer(*needles)
    result = tasks.sleep.enqueue(0)
    assert lost.wait(20), worker
    assert job(result).status == Status.RUNNING, "the server has done it"
    row = wait_for_status(result, Status.SUCCESSFUL)
    assert (row.attempts, row.claim_no) == (1, 2), "given back, with the attempt"
    assert outcomes(result) == [], "it was never started"
    stops_well(worker)


def test_the_database_is_read_only_for_a_while(start_worker: StartWorker, proxy: Proxy) -> None:
    """As after a failover to a replica that is not promoted yet."""
    switch = "SET SESSION tx_read_only = (SELECT COUNT(*) FROM django_jobs_queue)"
    option = f"&init_command={quote(switch)}" if connection.vendor == "mysql" else ""
    worker = start_worker(env={"DATABASE_URL": proxy.url + option})
    worker.wait_for("woken by")
    with read_only():
        proxy.cut()
        result = tasks.add.enqueue(1, 2)
        worker.wait_for("Database trouble", count=5)
        assert worker.running, worker
        assert job(result).status == Status.READY
    proxy.cut()
    works_again("read-only")
    wait_for_status(result, Status.SUCCESSFUL)
    stops_well(worker)


@contextmanager
def read_only() -> Iterator[None]:
    """So that sessions of the worker that begin in here may only read."""
    if connection.vendor == "mysql":
        row = Queue.objects.create(name="counted by init_command")
        yield
        row.delete()
        return
    name = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
