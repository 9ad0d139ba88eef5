"""Eight workers on one SQLite file, which takes one writer at a time."""

from collections import Counter
from collections.abc import Callable

import pytest
from django.db import connection  # noqa: F401 (the skipif reads it)

from django_jobs.models import Job, JobAttempt, Queue, Status
from tests.lifecycle.support import assert_nothing_runs
from tests.sample import atomics, tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

JOBS = 400


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="servers take many writers")
def test_eight_write_to_one_file_and_none_is_refused(start_worker: Callable[..., Process]) -> None:
    workers = [
        start_worker("--threads", "2", options={"TASK_MODULES": ["tests.sample.atomics"]})
        for _ in range(8)
    ]
    for worker in workers:
        worker.wait_for("woken by", timeout=60)
    for number in range(JOBS // 2):
        atomics.write.enqueue(f"n{number}")
        tasks.enqueue_other.enqueue(depth=0)
    wait_until(lambda: not Job.objects.exclude(status=Status.SUCCESSFUL).exists(), 120)
    assert Job.objects.count() == JOBS
    # One that stood in line for too long was given back, which costs nothing.
    assert Counter(Job.objects.values_list("attempts", flat=True)) == {1: JOBS}
    assert Queue.objects.count() == JOBS // 2, "each effect is there once"
    assert not JobAttempt.objects.exists(), "none failed"
    busy = {worker.pid for worker in workers if "succeeded" in worker.output}
    assert len(busy) >= 4, "they did it together"
    for worker in workers:
        assert "Unexpected error" not in worker.output, worker
        worker.terminate()
    for worker in workers:
        assert worker.wait() == 0, worker
    assert_nothing_runs()
