"""Jobs that are claimed ahead: given back where they would wait, and at a stop."""

import signal
from collections.abc import Callable

from django_jobs import enqueue_many
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.worker.line import AHEAD_MAX
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

from .support import assert_nothing_runs, job, wait_for_status

StartWorker = Callable[..., Process]


def test_jobs_do_not_wait_behind_a_slow_one_while_another_worker_is_idle(
    start_worker: StartWorker,
) -> None:
    enqueue_many(tasks.add, [(n, 1) for n in range(300)])  # so that it expects fast ones
    slow = tasks.sleep.enqueue(60)
    enqueue_many(tasks.add, [(n, 1) for n in range(30)])
    first = start_worker("--threads", "1", "--shutdown-timeout", "1")
    wait_for_status(slow, Status.RUNNING)
    second = start_worker("--threads", "1")
    rest = Job.objects.exclude(pk=slow.id)
    wait_until(lambda: set(rest.values_list("status", flat=True)) == {Status.SUCCESSFUL})
    assert job(slow).status == Status.RUNNING
    assert set(rest.values_list("attempts", flat=True)) == {1}
    assert not JobAttempt.objects.exists(), "what never started leaves no history"
    for worker in (second, first):
        worker.terminate()
        worker.wait()
    assert_nothing_runs()


def test_a_stop_gives_back_what_was_claimed_ahead(start_worker: StartWorker) -> None:
    enqueue_many(tasks.sleep, [(0.01,)] * 2000)
    worker = start_worker("--threads", "8")  # so that the line is long enough never to be empty
    worker.wait_for("succeeded", count=20)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0, worker
    assert "released before it started" in worker.output
    rows = set(Job.objects.values_list("status", "attempts"))
    assert rows == {(Status.SUCCESSFUL, 1), (Status.READY, 0)}
    assert not JobAttempt.objects.exists()
    assert_nothing_runs()


def test_max_jobs_counts_the_jobs_that_ran(start_worker: StartWorker) -> None:
    enqueue_many(tasks.add, [(n, 1) for n in range(200)])
    tasks.sleep.enqueue(1.2)  # those behind it are given back, and claimed again
    # More than are claimed until then, or there would be nothing left to claim.
    enqueue_many(tasks.add, [(n, 1) for n in range(2 * AHEAD_MAX + 300)])
    most = 2 * AHEAD_MAX + 400
    worker = start_worker("--threads", "1", "--max-jobs", str(most))
    assert worker.wait() == 0, worker
    assert "released before it started" in worker.output
    assert worker.output.count("started: attempt") == most
    assert Job.objects.filter(status=Status.SUCCESSFUL).count() == most
    assert_nothing_runs()
