"""One beat, in this thread."""

import time

import pytest

from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.exceptions import LeaseLost
from django_jobs.ids import uuid7
from django_jobs.models import Job, Worker
from django_jobs.worker.board import Board
from django_jobs.worker.control import Control
from django_jobs.worker.heartbeat import Heartbeat
from tests.factories import WorkerFactory


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
