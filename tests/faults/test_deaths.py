"""Jobs that take their whole process along, as they do outside of tests."""

from collections.abc import Callable

import pytest

from django_jobs.models import Job, Status, Worker
from tests.lifecycle.support import assert_nothing_runs, outcomes, wait_for_status
from tests.sample import deadly, tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

OPTIONS = {"LEASE": 3, "TASK_MODULES": ["tests.sample.deadly"]}


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (deadly.segfault, "ended with SIGSEGV"),
        (deadly.hold_the_interpreter, "is killed: nothing was heard of it"),
    ],
    ids=["segmentation fault", "interpreter lock"],
)
def test_a_job_that_takes_its_process_along_is_dead_after_three(
    start_worker: Callable[..., Process], task: object, said: str
) -> None:
    result = task.enqueue()  # type: ignore[attr-defined]
    supervisor = start_worker("--processes", "2", "--threads", "2", options=OPTIONS)
    row = wait_for_status(result, Status.DEAD, timeout=90)
    assert row.last_error.startswith("the worker was lost 3 times in a row")
    assert outcomes(result) == ["LOST"] * 3
    assert supervisor.output.count(said) == 3, supervisor
    # The others are served all the while, and whoever takes the place.
    assert wait_for_status(tasks.add.enqueue(1, 2), Status.SUCCESSFUL).attempts == 1
    assert Job.objects.filter(status=Status.RUNNING).count() == 0
    wait_until(lambda: Worker.objects.live().count() == 2, 50, lambda: str(supervisor))
    supervisor.terminate()
    assert supervisor.wait() == 0, supervisor
    assert_nothing_runs()
