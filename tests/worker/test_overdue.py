"""When a worker counts as degraded, and when it makes way for another one."""

import time

import pytest

from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.exceptions import TimedOut
from django_jobs.ids import uuid7
from django_jobs.models import Job
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.process import WorkerProcess


@pytest.fixture
def process() -> WorkerProcess:
    return WorkerProcess(WorkerConfig(threads=2), task_backends["default"])


def run(process: WorkerProcess, timeout: float) -> Claim:
    """A job that runs since just now; a timeout below zero has long been over."""
    claim = Claim(Job(id=uuid7(), task_path="a.b", claim_no=1), uuid7(), "here:1", thread=0)
    process.board.add([claim])
    assert process.board.take() is claim
    claim.token.start(timeout)
    return claim


def test_a_job_whose_time_is_just_over_may_still_end(process: WorkerProcess) -> None:
    late = run(process, timeout=0)
    assert late.token.interrupt is TimedOut
    assert not process.overdue.look()


def test_one_that_does_not_is_said_once(
    process: WorkerProcess, caplog: pytest.LogCaptureFixture
) -> None:
    stuck = run(process, timeout=-60)
    assert process.overdue.look()
    assert process.overdue.look()
    assert caplog.text.count("ignores its timeout: the worker is degraded") == 1
    assert list(process.overdue.stacks) == [stuck]


def test_it_is_not_left_behind_while_another_runs(process: WorkerProcess) -> None:
    run(process, timeout=-60)
    neighbour = run(process, timeout=60)
    process.overdue.look()
    assert not process.overdue.is_alone()
    process.board.ran(neighbour, recording=True, seconds=1)
    assert not process.overdue.is_alone(), "its outcome is still to be recorded"
    process.board.recorded([neighbour])
    assert process.overdue.is_alone()


def test_without_the_lease_nobody_waits_for_a_record(process: WorkerProcess) -> None:
    run(process, timeout=-60)
    neighbour = run(process, timeout=60)
    process.overdue.look()
    process.board.ran(neighbour, recording=True, seconds=1)
    process.board.lease_renewed(time.monotonic() - 3600)
    assert process.overdue.is_alone()


def test_one_that_ends_after_all_leaves_a_degraded_worker(process: WorkerProcess) -> None:
    stuck = run(process, timeout=-60)
    process.overdue.look()
    process.board.ran(stuck, recording=True, seconds=61)
    process.board.recorded([stuck])
    assert not process.overdue.is_alone(), "there is nothing to leave behind"
    assert process.overdue.look()
