"""The recorder, beside the worker's other threads: what is told of outcomes that it wrote."""

import logging
import time

import pytest

from django_jobs.claim import Claim
from django_jobs.compat import task_backends, task_finished, task_signals
from django_jobs.execute import execute
from django_jobs.models import Job, Status
from django_jobs.worker.board import Board
from django_jobs.worker.recorder import Recorder
from tests.contract.support import claim_all
from tests.sample import tasks

pytestmark = pytest.mark.django_db(transaction=True)


def run_and_record() -> list[object]:
    """Run what is ready; returns the calls that executors were asked for."""
    backend = task_backends["default"]
    board = Board(threads=2, lease=30)
    recorder = Recorder(backend, board, "default")
    board.add(claim_all())
    recorder.start()
    for _ in range(Job.objects.filter(status=Status.RUNNING).count()):
        claim = board.take()
        assert isinstance(claim, Claim)
        finished = execute(claim, backend)
        assert finished is not None
        board.ran(claim, recording=True, seconds=0.01)
        recorder.put(finished)
    recorder.stop(time.monotonic() + 10)
    recorder.join(15)
    assert not recorder.is_alive()
    assert not board.claims()
    board.close()
    calls = []
    while (call := board.take()) is not None:
        calls.append(call)
    return calls


def states(caplog: pytest.LogCaptureFixture) -> list[str]:
    log = task_signals.logger.name
    lines = [record.getMessage() for record in caplog.records if record.name == log]
    return sorted(line.rpartition("state=")[2] for line in lines)


def test_success_that_nobody_listens_for_is_logged_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for n in range(3):
        tasks.add.enqueue(n, n)
    with caplog.at_level(logging.INFO, task_signals.logger.name):
        assert run_and_record() == []
    assert states(caplog) == ["RUNNING"] * 3 + ["SUCCESSFUL"] * 3
    assert Job.objects.filter(status=Status.SUCCESSFUL).count() == 3


def test_success_is_told_on_an_executor_where_somebody_listens() -> None:
    heard = []

    def receiver(**kwargs: object) -> None:
        heard.append(kwargs["task_result"])

    tasks.add.enqueue(1, 2)
    task_finished.connect(receiver)
    try:
        (call,) = run_and_record()
        assert heard == [], "not on the recorder's thread, which others wait for"
        assert callable(call)
        call()
    finally:
        assert task_finished.disconnect(receiver)
    (result,) = heard
    assert getattr(result, "return_value", None) == 3


def test_a_progress_that_cannot_be_stored_costs_no_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    result = tasks.add.enqueue(1, 2)
    real = execute

    def execute_and_report(claim: Claim, backend: object) -> object:
        claim.progress = {"note": 10**5000}  # json.dumps() refuses so long a number
        return real(claim, backend)

    monkeypatch.setitem(globals(), "execute", execute_and_report)
    run_and_record()
    assert Job.objects.get(pk=result.id).status == Status.SUCCESSFUL
