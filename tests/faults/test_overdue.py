"""Jobs that ignore their timeout, and the worker that makes way for another one."""

from collections.abc import Callable

from django_jobs.models import JobAttempt, Queue, Status
from tests.lifecycle.support import LEASE, assert_nothing_runs, job, outcomes
from tests.sample import slow, tasks
from tests.support.processes import Process

StartWorker = Callable[..., Process]

OPTIONS = {"TASK_MODULES": ["tests.sample.slow"]}
SHORT_LEASE = {"LEASE": LEASE, **OPTIONS}


def assert_timed_out(result: object, stack: str) -> None:
    row = job(result)
    assert (row.status, row.attempts, row.claim_no) == (Status.SCHEDULED, 1, 1)
    assert row.last_error.startswith("TimedOut")
    assert outcomes(result) == ["TIMED_OUT"]
    assert stack in JobAttempt.objects.get(job_id=row.pk).traceback, "it says where it hung"


def test_the_process_of_a_job_that_never_looks_ends_after_its_neighbours(
    start_worker: StartWorker,
) -> None:
    neighbour = slow.wait_for_queue.enqueue("go")
    stuck = slow.ignore.enqueue(60)
    worker = start_worker("--threads", "2", options=SHORT_LEASE)
    worker.wait_for("ignores its timeout: the worker is degraded")
    assert "time.sleep(0.05)" in worker.output, "its stack is logged"
    behind = tasks.add.enqueue(1, 2)
    other = start_worker("--threads", "1", "--batch", options=SHORT_LEASE)
    assert other.wait() == 0, other
    assert (job(behind).status, job(behind).attempts) == (Status.SUCCESSFUL, 1)
    # Both still run here: the lease is held for them, though it would have ended since.
    assert (job(stuck).status, job(stuck).claim_no) == (Status.RUNNING, 1)
    assert worker.running, worker
    Queue.objects.create(name="go")
    assert worker.wait() == 75, worker
    assert (job(neighbour).status, job(neighbour).attempts) == (Status.SUCCESSFUL, 1)
    assert_timed_out(stuck, "time.sleep(0.05)")
    assert worker.output.count("started: attempt") == 2, "nothing more was claimed"
    assert_nothing_runs()


def test_what_stands_in_line_behind_it_is_given_back(start_worker: StartWorker) -> None:
    stuck = slow.ignore.enqueue(60)
    worker = start_worker("--threads", "1", options=OPTIONS)
    worker.wait_for("started: attempt 1")
    behind = [tasks.add.enqueue(n, 1) for n in range(3)]
    assert worker.wait() == 75, worker
    assert_timed_out(stuck, "in ignore")
    assert {(job(each).status, job(each).attempts) for each in behind} == {(Status.READY, 0)}
    assert_nothing_runs()


def test_one_that_ends_after_all_is_recorded_as_what_it_is(start_worker: StartWorker) -> None:
    neighbour, late = tasks.sleep.enqueue(3.5), slow.ignore.enqueue(2.5)
    worker = start_worker("--threads", "2", options=OPTIONS)
    assert worker.wait() == 75, worker
    assert (job(late).status, job(late).return_value) == (Status.SUCCESSFUL, "late")
    assert job(neighbour).status == Status.SUCCESSFUL
    assert_nothing_runs()


def test_a_coroutine_that_holds_up_the_loop(start_worker: StartWorker) -> None:
    stuck = slow.ignore_async.enqueue(60)
    worker = start_worker("--threads", "1", options=OPTIONS)
    worker.wait_for("started: attempt 1")
    beside = tasks.sleep_async.enqueue(60.0)
    assert worker.wait() == 75, worker
    assert_timed_out(stuck, "in ignore")
    assert (job(beside).status, job(beside).attempts) == (Status.READY, 0)
    assert_nothing_runs()


def test_a_stop_does_not_give_its_attempt_back(start_worker: StartWorker) -> None:
    stuck = slow.ignore.enqueue(60)
    other = tasks.sleep.enqueue(60)
    worker = start_worker("--threads", "2", "--shutdown-timeout", "1", options=OPTIONS)
    worker.wait_for("ignores its timeout")
    worker.terminate()
    assert worker.wait() == 75, worker
    assert_timed_out(stuck, "in ignore")
    assert (job(other).status, job(other).attempts) == (Status.READY, 0)
    assert_nothing_runs()


def test_a_statement_of_a_coroutine_is_cut_short_too(start_worker: StartWorker) -> None:
    result = slow.in_the_database_async.enqueue()
    worker = start_worker("--threads", "1", "--batch", options=OPTIONS)
    assert worker.wait() == 0, worker
    assert outcomes(result) == ["TIMED_OUT"]


def test_a_worker_whose_statement_is_cut_short_goes_on(start_worker: StartWorker) -> None:
    result, behind = slow.in_the_database.enqueue(), slow.without_a_timeout.enqueue()
    worker = start_worker("--threads", "1", "--batch", options=OPTIONS)
    assert worker.wait() == 0, worker
    assert outcomes(result) == ["TIMED_OUT"]
    assert job(behind).return_value == slow.limit()
