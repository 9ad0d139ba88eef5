"""
``--processes N``: a parent that runs no jobs, and starts, watches and replaces the workers.

Workers are started from the command line that this process was started with, so that they
are what it would be with ``--processes 1``. They are told their parent by a pipe, which
closes when it is gone, however it went.
"""

import logging
import os
import queue
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils import autoreload

from ..ids import uuid7
from ..log import logger
from .signals import Received, handled
from .stop import Exit
from .undertaker import Undertaker

# Where a worker finds the number of the pipe's file descriptor.
PIPE_VARIABLE: Final = "DJANGO_JOBS_SUPERVISOR_PIPE"
# And where the id that its row is to have.
WORKER_VARIABLE: Final = "DJANGO_JOBS_WORKER_ID"
TICK: Final = 0.1
# A worker that lived for less than this is replaced later each time, up to LONGEST_PAUSE.
SHORT_LIFE: Final = 10.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# What a worker gets beyond its own deadline before it is killed.
KILL_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Place:
    """One of the N workers, over all its lives."""

    process: subprocess.Popen[bytes] | None = None
    worker_id: UUID | None = None
    started_at: float = 0.0
    start_at: float = 0.0
    pause: float = FIRST_PAUSE
    done: bool = False


class Supervisor:
    """
    :param processes: how many workers to keep.
    :param shutdown_timeout: seconds that each of them may take to stop.
    :param batch: whether a worker that ends well has ended for good.
    :param undertaker: takes back what a worker that died had claimed.
    """

    def __init__(
        self, processes: int, shutdown_timeout: float, *, batch: bool, undertaker: Undertaker
    ) -> None:
        self.shutdown_timeout = shutdown_timeout
        self.batch = batch
        self.undertaker = undertaker
        self._places = [_Place() for _ in range(processes)]
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._code: int = Exit.DRAINED
        self._stopping = False
        self._deadline = float("inf")
        self._pipe, self._held = os.pipe()
        # Asked once: later, in a deploy, the script may be away for a moment.
        self._command = autoreload.get_child_arguments()

    def run(self) -> int:
        """Until a signal, or the end of all workers; returns the worst of their exit codes."""
        self.undertaker.start()
        with handled(self._inbox):
            while True:
                for place in self._places:
                    self._look_after(place)
                if not any(p.process or (not p.done and not self._stopping) for p in self._places):
                    break
                if time.monotonic() >= self._deadline:
                    self._kill()
                try:
                    received = self._inbox.get(timeout=TICK)
                except queue.Empty:
                    continue
                if isinstance(received, Received):
                    self._hand_on(received.signal)
        self.undertaker.stop()
        logger.info("All workers have stopped", extra={"event": "supervisor_stopped"})
        return self._code

    def _look_after(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.poll()
            if code is not None:
                self._bury(place, place.process.pid, code, now - place.started_at)
        elif not place.done and not self._stopping and now >= place.start_at:
            place.started_at, place.worker_id = now, uuid7()
            try:
                place.process = self._start(place.worker_id)
            except OSError as error:
                # No memory or no process to be had, as when a worker died of just that.
                self._put_off(place)
                logger.warning(
                    "A worker could not be started: %s", error, extra={"event": "process_failed"}
                )

    def _start(self, worker_id: UUID) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(  # noqa: S603 (our own command line)
            self._command,
            env=os.environ | {PIPE_VARIABLE: str(self._pipe), WORKER_VARIABLE: str(worker_id)},
            pass_fds=[self._pipe],
            stdin=subprocess.DEVNULL,
        )
        logger.info("Worker %d started", process.pid, extra={"event": "process_started"})
        return process

    def _bury(self, place: _Place, pid: int, code: int, lived: float) -> None:
        place.process = None
        if code != Exit.DRAINED and place.worker_id is not None:
            self.undertaker.bury(place.worker_id)
        if self._stopping or (self.batch and code == Exit.DRAINED):
            place.done = True
        elif code == Exit.MISCONFIGURED:
            # So would the next one be.
            place.done = True
            self._stop(signal.SIGTERM)
        elif code == Exit.DRAINED:
            place.pause = FIRST_PAUSE  # as it was told, by --max-jobs or a signal of its own
        else:
            self._put_off(place, lived)
        if not (self._stopping and code == -signal.SIGTERM):
            # Dead of TERM means that it had no handler yet, and so no job either. Another
            # signal has no exit code; what ran was cut short.
            self._code = max(self._code, code if code >= 0 else Exit.RELEASED)
        logger.log(
            logging.INFO if code == Exit.DRAINED else logging.WARNING,
            "Worker %d ended with %s after %.1f s%s",
            pid,
            code if code >= 0 else _name(-code),
            lived,
            "" if place.done else "; it is replaced",
            extra={"event": "process_exited"},
        )

    def _put_off(self, place: _Place, lived: float = 0.0) -> None:
        place.pause = min(place.pause * 2, LONGEST_PAUSE) if lived < SHORT_LIFE else FIRST_PAUSE
        place.start_at = time.monotonic() + place.pause * random.uniform(0.5, 1)  # noqa: S311

    def _hand_on(self, number: signal.Signals) -> None:
        # A worker takes INT from its terminal and TERM from here for one signal.
        self._stop(number if number != signal.SIGINT else signal.SIGTERM)

    def _stop(self, number: signal.Signals) -> None:
        if not self._stopping:
            self._stopping = True
            self._code = Exit.DRAINED if self._code != Exit.MISCONFIGURED else self._code
            self._deadline = time.monotonic() + self.shutdown_timeout + KILL_SECONDS
            logger.info("Stopping: %s", number.name, extra={"event": "supervisor_stopping"})
        for place in self._places:
            if place.process is not None:
                place.process.send_signal(number)

    def _kill(self) -> None:
        for place in self._places:
            if place.process is not None:
                logger.warning(
                    "Worker %d is killed: it is past its deadline",
                    place.process.pid,
                    extra={"event": "process_killed"},
                )
                place.process.kill()
        self._deadline = float("inf")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # the real-time signals between the first and the last


def is_supervised() -> bool:
    """Whether this process is a worker that a supervisor has started."""
    return PIPE_VARIABLE in os.environ


def given_worker_id() -> UUID | None:
    """The id that the supervisor has chosen for the row of this process."""
    # Neither this variable nor the pipe's is for what a job starts.
    given = os.environ.pop(WORKER_VARIABLE, None)
    return None if given is None else UUID(given)


def watch_supervisor(stop: Callable[[Received], None]) -> None:
    """Call ``stop`` as for a signal when the supervisor is gone; returns at once."""
    pipe = int(os.environ.pop(PIPE_VARIABLE))
    os.set_inheritable(pipe, False)

    def watch() -> None:
        os.read(pipe, 1)  # nothing is ever written
        logger.warning("The supervisor is gone", extra={"event": "supervisor_lost"})
        stop(Received(signal.SIGTERM, time.monotonic()))

    threading.Thread(target=watch, name="django_jobs-watch", daemon=True).start()
