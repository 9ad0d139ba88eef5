"""`runjobs --reload`: a parent that starts the worker anew after each change."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from django_jobs.models import Status
from tests.sample import tasks
from tests.support.processes import Process

from .support import assert_nothing_runs, wait_for_status

StartWorker = Callable[..., Process]

UP = "woken by"

# The watch looks once a second and shows nothing of it; a change before its first look is
# part of what it compares with.
WATCH_SECONDS = 2


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """A module of tasks that a test may change."""
    path = tmp_path / "changing.py"
    path.write_text("a = 1\n")
    return path


@pytest.fixture
def reloading(start_worker: StartWorker, module: Path) -> Process:
    worker = start_worker(
        "--reload",
        options={"TASK_MODULES": ["changing"]},
        env={"PYTHONPATH": f"{module.parent}:."},
    )
    worker.wait_for(UP)
    return worker


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_parent_alone_stops_the_worker(
    reloading: Process, number: signal.Signals
) -> None:
    reloading.signal(number)
    assert reloading.wait() == 0, reloading
    assert reloading.output.count("Stopping: ") == 1
    assert_nothing_runs()


def test_a_ctrl_c_reaches_both_and_counts_once(reloading: Process) -> None:
    result = tasks.sleep.enqueue(1.5)
    reloading.wait_for("started: attempt")  # what has not started is given back
    os.killpg(reloading.pid, signal.SIGINT)
    assert reloading.wait() == 0, reloading
    wait_for_status(result, Status.SUCCESSFUL)
    assert_nothing_runs()


def test_a_signal_after_a_change_stops_with_the_code_of_a_stop(
    start_worker: StartWorker, module: Path
) -> None:
    tasks.sleep.enqueue(5)
    worker = start_worker(
        "--reload",
        options={"TASK_MODULES": ["changing"]},
        env={"PYTHONPATH": f"{module.parent}:."},
    )
    worker.wait_for("started: attempt")
    time.sleep(WATCH_SECONDS)
    module.write_text("a = 2\n")
    worker.wait_for("changing.py changed")
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()


def test_a_syntax_error_is_survived(reloading: Process, module: Path) -> None:
    time.sleep(WATCH_SECONDS)
    module.write_text("def (\n")
    reloading.wait_for("waiting for a change")
    time.sleep(WATCH_SECONDS)
    module.write_text("a = 3\n")
    reloading.wait_for(UP, timeout=30, count=2)
    reloading.terminate()
    assert reloading.wait() == 0, reloading
