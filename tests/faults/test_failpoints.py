"""Workers that are killed at the worst moments; another one finishes their work."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobs.models import Job, Queue, Status
from tests.lifecycle.support import LEASE, job, outcomes, wait_for_status
from tests.sample import failpoints, tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

StartWorker = Callable[..., Process]

OPTIONS = {"LEASE": LEASE, "TASK_MODULES": ["tests.sample.failpoints"]}
KILLED = -signal.SIGKILL


@pytest.fixture
def start_to_die(start_worker: StartWorker, tmp_path: Path) -> StartWorker:
    def start(point: str, *arguments: str) -> Process:
        mark = tmp_path / f"mark-{point}-{arguments}"
        env = {"FAILPOINT": point, "FAILPOINT_MARK": str(mark)}
        return start_worker("--threads", "1", *arguments, options=OPTIONS, env=env)

    return start


# The task; where its worker dies; and how many attempts the job then takes.
POINTS = [
    (failpoints.write, "claim:after", 2),
    (failpoints.write, "execute:before", 2),
    (failpoints.write, "effect:before", 2),
    (failpoints.write, "effect:after", 2),
    (failpoints.write, "atomic record:before", 2),
    (failpoints.write, "atomic record:after", 2),  # in a transaction that nobody commits
    (failpoints.write, "execute:after", 1),  # committed, and the board has not been told
    (failpoints.plain, "record:before", 2),
    (failpoints.plain, "record:after", 1),
]


def test_kills_on_a_jobs_way(start_worker: StartWorker, start_to_die: StartWorker) -> None:
    """Each worker has a queue of its own, so that they can die side by side."""
    cases = []
    for number, (task, point, attempts) in enumerate(POINTS):
        queue = f"point-{number}"
        result = task.using(queue_name=queue).enqueue(queue)
        cases.append((point, start_to_die(point, "--queues", queue), result, attempts))
    for _, dies, _, _ in cases:
        assert dies.wait(60) == KILLED, dies
    other = start_worker(options=OPTIONS)
    other.wait_for("woken by")
    for point, _, result, attempts in cases:
        row = wait_for_status(result, Status.SUCCESSFUL)
        assert (point, row.attempts) == (point, attempts)
        assert outcomes(result) == ["LOST"] * (attempts - 1), point
    effects = sorted(Queue.objects.values_list("name", flat=True))
    assert effects == [f"point-{n}" for n, point in enumerate(POINTS) if point[0].name == "write"]
    other.terminate()
    assert other.wait() == 0, other
    assert not Job.objects.filter(status=Status.RUNNING).exists()


@pytest.mark.parametrize("point", ["rescue:after", "rescue's write:after"])
def test_a_kill_in_the_middle_of_a_rescue(
    start_worker: StartWorker, start_to_die: StartWorker, point: str
) -> None:
    """Half of it is undone, and the next sweep does it again: the loss counts once."""
    result = tasks.sleep.enqueue(1)
    first = start_worker(options=OPTIONS)
    first.wait_for("started: attempt 1")
    first.kill()
    dies = start_to_die(point)
    assert dies.wait() == KILLED, dies
    start_worker(options=OPTIONS)
    row = wait_for_status(result, Status.SUCCESSFUL)
    # Its own lease has just begun when it dies; it may have claimed the job before that.
    assert outcomes(result) in (["LOST"], ["LOST", "LOST"])
    assert row.attempts == 1 + len(outcomes(result)), "each time it was alone"


def test_a_kill_in_a_heartbeat(start_worker: StartWorker, start_to_die: StartWorker) -> None:
    dies = start_to_die("heartbeat:after")
    assert dies.wait() == KILLED, dies
    result = failpoints.write.enqueue("one")
    start_worker(options=OPTIONS)
    wait_for_status(result, Status.SUCCESSFUL)
    assert Queue.objects.count() == 1


@pytest.mark.parametrize("point", ["release:after", "end:before"])
def test_a_kill_in_the_middle_of_a_stop(
    start_worker: StartWorker, start_to_die: StartWorker, point: str
) -> None:
    results = [tasks.sleep.enqueue(0.5) for _ in range(4)]
    dies = start_to_die(point)
    dies.wait_for("started: attempt 1")
    os.kill(dies.pid, signal.SIGTERM)
    assert dies.wait() == KILLED, dies
    other = start_worker(options=OPTIONS)
    other.wait_for("woken by")
    for result in results:
        assert wait_for_status(result, Status.SUCCESSFUL).attempts <= 2
    other.terminate()
    assert other.wait() == 0, other
    wait_until(lambda: all(job(result).status == Status.SUCCESSFUL for result in results))
