"""One beat, in this thread."""

import time

import pytest

from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.exceptions import LeaseLost
from django_jobs.ids import uuid7
from django_jobs.models import Job, Worker
from django_jobs.record import Finished
from django_jobs.worker.board import Board
from django_jobs.worker.control import Control
from django_jobs.worker.heartbeat import Heartbeat
from tests.factories import JobFactory, WorkerFactory


def heartbeat(worker: Worker, board: Board) -> Heartbeat:
    control = Control(board, lambda claim: "", lambda received: None)
    backend = task_backends["default"]
    return Heartbeat(worker, backend, board, "default", lambda finished: None, control)


@pytest.mark.django_db
def test_a_beat_renews_the_lease() -> None:
    worker = WorkerFactory(lost=True)
    heartbeat(worker, Board(threads=1, lease=30))._beat()
    assert Worker.objects.live().get() == worker


def test_past_its_lease_a_worker_tells_its_jobs_before_it_tries_again() -> None:
    board = Board(threads=1, lease=0.01)
    claim = Claim(Job(id=uuid7(), task_path="a.b", claim_no=1), uuid7(), "here:1")
    board.add([claim])
    time.sleep(0.02)
    heartbeat(WorkerFactory.build(), board)._guarded(lambda: None)
    assert claim.token.interrupt is LeaseLost


@pytest.mark.django_db
@pytest.mark.parametrize("complete", [True, False])
def test_whose_success_is_committed_has_not_lost_its_claim(complete: bool) -> None:
    worker = WorkerFactory()
    job = JobFactory(successful=True)
    claim = Claim(job, worker.pk, "here:1", complete=complete)
    board = Board(threads=1, lease=30)
    board.add([claim])
    heartbeat(worker, board)._beat()
    assert claim.token.interrupt is (None if complete else LeaseLost)


@pytest.mark.django_db
def test_a_stray_that_was_claimed_anew_is_left_alone() -> None:
    worker = WorkerFactory()
    job = JobFactory(running=True, claim_no=2, worker_id=uuid7())
    found: list[Finished] = []
    beats = heartbeat(worker, Board(threads=1, lease=30))
    beats._record = found.append  # type: ignore[method-assign]
    for _ in range(2):
        beats._release_strays({job.pk: 1}, set())
    assert found == []
    for _ in range(2):
        beats._release_strays({job.pk: 2}, set())
    assert [finished.job.pk for finished in found] == [job.pk]
