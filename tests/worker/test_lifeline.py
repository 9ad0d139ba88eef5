"""The line between a supervisor and a worker, both ends in this process."""

import os
import queue
import signal
import time
from collections.abc import Iterator

import pytest

from django_jobs.worker.lifeline import LINE_VARIABLE, Lifeline, is_supervised, watch_supervisor
from django_jobs.worker.signals import Received
from tests.support.waiting import wait_until


@pytest.fixture
def line() -> Iterator[Lifeline]:
    line = Lifeline()
    yield line
    line.close()


def test_a_worker_that_still_starts_is_not_silent(line: Lifeline) -> None:
    line.excuse(1000)
    assert line.silence(2000) == 0


def test_silence_lasts_since_the_last_beat(line: Lifeline) -> None:
    line.other.send(b".")
    assert line.silence(1000) == 0
    assert line.silence(1003) == 3
    line.other.send(b"..")
    assert line.silence(1004) == 0
    assert line.silence(1006) == 2


def test_a_worker_that_is_gone_is_silent(line: Lifeline) -> None:
    line.other.send(b".")
    line.other.close()
    assert line.silence(1000) == 0
    assert line.silence(1003) == 3


def test_what_the_supervisor_slept_through_is_no_silence(line: Lifeline) -> None:
    line.other.send(b".")
    line.silence(1000)
    line.excuse(5000)
    assert line.silence(5001) == 1


def test_a_worker_beats_until_its_supervisor_is_gone(
    line: Lifeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LINE_VARIABLE, str(os.dup(line.other.fileno())))
    received: queue.SimpleQueue[Received] = queue.SimpleQueue()
    watch_supervisor(received.put)
    assert not is_supervised(), "what a job starts has no supervisor"
    wait_until(lambda: line.silence(time.monotonic()) > 0, 50, "the first beat")
    assert received.empty()
    line.close()
    assert received.get(timeout=20).signal == signal.SIGTERM
