"""A database that has no room left for what a worker writes."""

import resource
from collections.abc import Callable

import pytest
from django.db import connection

from django_jobs.models import Job, Status
from tests.sample import tasks
from tests.support.processes import Process

from .support import assert_nothing_runs, job, wait_for_status

NO_LIMIT = resource.RLIM_INFINITY
# Bytes; the log is shorter than this, and what the test enqueues is longer.
ROOM = 100_000


@pytest.mark.skipif("connection.vendor != 'sqlite'", reason="servers have disks of their own")
@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="no limits for another process")
def test_outcomes_wait_until_there_is_room(start_worker: Callable[..., Process]) -> None:
    """The files of the worker may not grow, which SQLite takes for an error of the disk."""
    running = tasks.sleep.enqueue(1)
    worker = start_worker("--threads", "2", "--interval", "0.2")
    worker.wait_for("started: attempt 1")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the next write is at its beginning
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (ROOM, NO_LIMIT))
    waiting = [tasks.plain.enqueue("x" * 20_000) for _ in range(2 * ROOM // 20_000)]
    worker.wait_for("succeeded in 1")
    worker.wait_for("Database trouble", count=10)
    assert worker.running, worker
    assert job(running).status == Status.RUNNING, "there is no room to say that it has ended"
    assert {job(result).status for result in waiting} == {Status.READY}, "nothing is claimed"
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (NO_LIMIT, NO_LIMIT))
    for result in [running, *waiting]:
        assert wait_for_status(result, Status.SUCCESSFUL).attempts == 1
    assert Job.objects.count() == 1 + len(waiting)
    assert "Unexpected error" not in worker.output
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()
