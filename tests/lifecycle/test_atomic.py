"""Atomic jobs, and steps, in workers that are killed."""

from collections.abc import Callable
from pathlib import Path

from django_jobs.models import Queue, Status
from tests.sample import atomics, stepping
from tests.support.processes import Process

from .support import LEASE, job, outcomes, wait_for_status

SHORT_LEASE = {"LEASE": LEASE, "TASK_MODULES": ["tests.sample.atomics"]}


def test_a_kill_between_effect_and_record_leaves_neither(
    start_worker: Callable[..., Process], tmp_path: Path
) -> None:
    result = atomics.write_and_die_once.enqueue("one", str(tmp_path / "marker"))
    killed = start_worker(options=SHORT_LEASE)
    killed.wait_for("started: attempt 1")
    assert killed.wait() != 0
    assert not Queue.objects.exists()
    assert job(result).status == Status.RUNNING
    start_worker(options=SHORT_LEASE)
    wait_for_status(result, Status.SUCCESSFUL)
    assert list(Queue.objects.values_list("name", flat=True)) == ["one"]
    assert outcomes(result) == ["LOST"]


def test_a_worker_runs_them_beside_others(start_worker: Callable[..., Process]) -> None:
    results = [atomics.write.enqueue(f"n{n}") for n in range(20)]
    start_worker("--threads", "4", options=SHORT_LEASE)
    for n, result in enumerate(results):
        assert wait_for_status(result, Status.SUCCESSFUL).return_value == f"n{n}"
    assert Queue.objects.count() == 20


def test_a_step_that_is_done_is_not_done_again(
    start_worker: Callable[..., Process], tmp_path: Path
) -> None:
    options = {"LEASE": LEASE, "TASK_MODULES": ["tests.sample.stepping"]}
    result = stepping.die_once.enqueue(str(tmp_path))
    killed = start_worker(options=options)
    killed.wait_for("started: attempt 1")
    assert killed.wait() != 0
    start_worker(options=options)
    assert wait_for_status(result, Status.SUCCESSFUL).return_value == [1, 2]
    assert sorted(path.name for path in tmp_path.glob("*-[12]")) == ["first-1", "second-2"]
