"""The supervisor's rounds, one by one, with workers that only say that they live."""

import logging
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from django_jobs.worker import supervisor as supervisor_module
from django_jobs.worker.lifeline import LINE_VARIABLE
from django_jobs.worker.supervisor import Supervisor
from tests.support.waiting import wait_until

# Beats once, and is silent from then on.
CODE = f"""
import os, time
os.write(int(os.environ[{LINE_VARIABLE!r}]), b".")
time.sleep(60)
"""
WORKER = [sys.executable, "-S", "-c", CODE]


class Undertaker:
    def __init__(self) -> None:
        self.buried: list[UUID] = []

    def bury(self, worker_id: UUID) -> None:
        self.buried.append(worker_id)


@pytest.fixture
def supervisor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    monkeypatch.setattr(supervisor_module.autoreload, "get_child_arguments", lambda: WORKER)
    undertaker: Any = Undertaker()
    supervisor = Supervisor(1, 5, batch=False, lease=60, undertaker=undertaker)
    yield supervisor
    for place in supervisor._places:
        if place.process is not None:
            place.process.kill()
            place.process.wait()
        if place.line is not None:
            place.line.close()


def start(supervisor: Supervisor) -> Any:
    """The place of a worker that has been heard."""
    [place] = supervisor._places
    supervisor._look_after(place)

    def is_heard() -> bool:
        supervisor._listen()
        return place.line is not None and place.line.silence(time.monotonic()) > 0

    wait_until(is_heard, 50, "the worker's first beat")
    return place


def test_a_silent_worker_is_killed_and_buried(supervisor: Supervisor) -> None:
    place = start(supervisor)
    worker_id = place.worker_id
    supervisor.silence = 0.1

    def is_buried() -> bool:
        supervisor._listen()
        supervisor._look_after(place)
        return place.process is None

    wait_until(is_buried, 50, "its end")
    assert place.line is None
    undertaker: Any = supervisor.undertaker
    assert undertaker.buried == [worker_id]
    assert supervisor._code == 1, "what ran was cut short"
    assert place.start_at > time.monotonic() - 20, "it is replaced after a pause"


def test_a_supervisor_that_was_away_kills_nobody(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    place = start(supervisor)
    # As if the machine had slept for an hour.
    supervisor._looked_at -= 3600
    place.line._heard_at -= 3600
    supervisor._listen()
    assert "is killed" not in caplog.text
    assert place.line.silence(time.monotonic()) < 60
    place.line._heard_at -= 3600  # this time it was here
    supervisor._listen()
    assert "is killed: nothing was heard of it for 3600" in caplog.text
    assert place.process.wait(20) == -signal.SIGKILL


def test_a_worker_that_can_not_be_started_is_tried_again(
    supervisor: Supervisor, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor._command = ["/nowhere/python"]
    [place] = supervisor._places
    supervisor._look_after(place)
    assert (place.process, place.line, place.done) == (None, None, False)
    [said] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert said.getMessage().startswith("A worker could not be started: [Errno 2]")
    soon = place.start_at - time.monotonic()
    assert 0 < soon <= 2 * supervisor_module.FIRST_PAUSE
    supervisor._command = WORKER
    supervisor._look_after(place)
    assert place.process is None, "not before its pause is over"
    place.start_at = 0.0
    supervisor._look_after(place)
    assert place.process is not None


def test_one_that_fails_again_and_again_is_started_less_and_less_often(
    supervisor: Supervisor,
) -> None:
    [place] = supervisor._places
    for _ in range(20):
        supervisor._put_off(place)
    assert place.pause == supervisor_module.LONGEST_PAUSE
    assert place.start_at - time.monotonic() > supervisor_module.LONGEST_PAUSE / 2 - 1
    supervisor._put_off(place, lived=supervisor_module.SHORT_LIFE)
    assert place.pause == supervisor_module.FIRST_PAUSE
