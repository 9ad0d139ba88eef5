"""Jobs that leave their connections in a mess, and the jobs after them."""

from collections.abc import Callable

import pytest
from django.db import connection

from django_jobs.models import Queue, Status
from tests.sample import leftovers
from tests.support.processes import Process, database_url
from tests.support.waiting import wait_until

from .support import assert_nothing_runs, wait_for_status

StartWorker = Callable[..., Process]

THREADS = 2
OPTIONS = {"TASK_MODULES": ["tests.sample.leftovers"]}
SESSIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    "mysql": "SELECT count(*) FROM information_schema.processlist"
    " WHERE db = database() AND id <> connection_id()",
}


@pytest.mark.parametrize("max_age", [0, 600])
def test_what_is_left_open_is_rolled_back_and_reaches_no_other(
    start_worker: StartWorker, max_age: int
) -> None:
    bad, good = [], []
    for n in range(4):
        bad += [leftovers.write.enqueue(how, f"{how}-{n}") for how in ("atomic", "autocommit")]
        good += [leftovers.write.enqueue(how, f"{how}-{n}") for how in ("", "closed")]
    url = f"{database_url()}?conn_max_age={max_age}"
    worker = start_worker("--threads", f"{THREADS}", options=OPTIONS, env={"DATABASE_URL": url})
    for result in bad:
        assert wait_for_status(result, Status.DEAD).last_error.startswith("LeftOpen")
    for result in good:
        assert wait_for_status(result, Status.SUCCESSFUL).return_value is True
    names = set(Queue.objects.values_list("name", flat=True))
    assert names == {f"{how}{n}" for how in ("-", "closed-") for n in range(4)}
    if connection.vendor in SESSIONS:
        # Those of the threads, the claimer, the recorder, the heartbeat and the listener; what
        # was closed a moment ago the server may still show.
        wait_until(lambda: 0 < sessions() <= THREADS + 4, 50, lambda: f"{sessions()} sessions")
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


def test_processes_that_a_job_forks_hold_up_nothing(start_worker: StartWorker) -> None:
    results = [leftovers.fork.enqueue(60), leftovers.write.enqueue("", "after")]
    env = {"DATABASE_URL": f"{database_url()}?conn_max_age=600"}
    arguments = ("--threads", "1", "--shutdown-timeout", "2")
    worker = start_worker(*arguments, options=OPTIONS, env=env)
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


def sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute(SESSIONS[connection.vendor])
        return int(cursor.fetchone()[0])
