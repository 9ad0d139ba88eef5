"""
``--processes N``: a parent that runs no jobs, and starts, watches and replaces the workers.

Workers are started from the command line that this process was started with, so that they
are what it would be with ``--processes 1``. Each hangs on a line, by which either side learns
that the other is gone.
"""

import logging
import os
import queue
import random
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils import autoreload

from ..ids import uuid7
from ..log import logger
from .lifeline import LINE_VARIABLE, Lifeline, longest_silence
from .signals import Received, handled
from .stop import Exit
from .undertaker import Undertaker

# Where a worker finds the id that its row is to have.
WORKER_VARIABLE: Final = "DJANGO_JOBS_WORKER_ID"
TICK: Final = 0.1
# A worker that lived for less than this is replaced later each time, up to LONGEST_PAUSE.
SHORT_LIFE: Final = 10.0
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
# What a worker gets beyond its own deadline before it is killed, and the whole stop: less than
# the second that is promised, since a process takes a moment to end.
KILL_SECONDS: Final = 0.5
END_SECONDS: Final = 0.8
# A supervisor whose round takes so long was stopped itself, and its workers may have been too.
AWAY_SECONDS: Final = 1.0


@dataclass(slots=True)
class _Place:
    """One of the N workers, over all its lives."""

    process: subprocess.Popen[bytes] | None = None
    line: Lifeline | None = None
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
    :param lease: seconds; a worker is killed before its own ends, where nothing is heard of it.
    :param undertaker: takes back what a worker that died had claimed.
    """

    def __init__(
        self,
        processes: int,
        shutdown_timeout: float,
        *,
        batch: bool,
        lease: float,
        undertaker: Undertaker,
    ) -> None:
        self.shutdown_timeout = shutdown_timeout
        self.batch = batch
        self.silence = longest_silence(lease)
        self.undertaker = undertaker
        self._places = [_Place() for _ in range(processes)]
        self._inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self._code: int = Exit.DRAINED
        self._stopping = False
        self._deadline = float("inf")  # when those that are left are killed
        self._end = float("inf")
        self._looked_at = time.monotonic()
        # Asked once: later, in a deploy, the script may be away for a moment.
        self._command = autoreload.get_child_arguments()

    def run(self) -> int:
        """Until a signal, or the end of all workers; returns the worst of their exit codes."""
        self.undertaker.start()
        with handled(self._inbox):
            while True:
                self._listen()
                for place in self._places:
                    self._look_after(place)
                if not any(p.process or (not p.done and not self._stopping) for p in self._places):
                    break
                if time.monotonic() >= self._deadline:
                    for place in self._places:
                        self._kill(place, "it is past its deadline")
                    self._deadline = float("inf")
                try:
                    received = self._inbox.get(timeout=TICK)
                except queue.Empty:
                    continue
                if isinstance(received, Received):
                    self._hand_on(received.signal)
        self.undertaker.stop(by=self._end)
        logger.info("All workers have stopped", extra={"event": "supervisor_stopped"})
        return self._code

    def _listen(self) -> None:
        """Kill those that nothing is heard of: stopped, or held up by code that keeps the GIL."""
        now = time.monotonic()
        was_away, self._looked_at = now - self._looked_at > AWAY_SECONDS, now
        for place in self._places:
            if place.line is None:
                continue
            if was_away:
                place.line.excuse(now)
            silence = place.line.silence(now)
            if silence > self.silence:
                self._kill(place, f"nothing was heard of it for {silence:.1f} s")
                place.line.excuse(now)

    def _look_after(self, place: _Place) -> None:
        now = time.monotonic()
        if place.process is not None:
            code = place.process.poll()
            if code is not None:
                self._bury(place, place.process.pid, code, now - place.started_at)
        elif not place.done and not self._stopping and now >= place.start_at:
            place.started_at, place.worker_id = now, uuid7()
            try:
                self._start(place, place.worker_id)
            except OSError as error:
                # No memory or no process to be had, as when a worker died of just that.
                self._put_off(place)
                logger.warning(
                    "A worker could not be started: %s", error, extra={"event": "process_failed"}
                )

    def _start(self, place: _Place, worker_id: UUID) -> None:
        line = Lifeline()
        number = line.other.fileno()
        try:
            process = subprocess.Popen(  # noqa: S603 (our own command line)
                self._command,
                env=os.environ | {LINE_VARIABLE: str(number), WORKER_VARIABLE: str(worker_id)},
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
            )
        except OSError:
            line.close()
            raise
        line.other.close()
        place.process, place.line = process, line
        logger.info("Worker %d started", process.pid, extra={"event": "process_started"})

    def _bury(self, place: _Place, pid: int, code: int, lived: float) -> None:
        place.process = None
        if place.line is not None:
            place.line.close()
            place.line = None
        if place.worker_id is not None:
            # Whatever it says: a job may have called os._exit(0).
            self.undertaker.bury(place.worker_id)
        if self._stopping or (self.batch and code == Exit.DRAINED):
            place.done = True
        elif code == Exit.MISCONFIGURED:
            # So would the next one be.
            place.done = True
            self._stop(signal.SIGTERM)
        elif code in (Exit.DRAINED, Exit.DEGRADED):
            # As it was told, by --max-jobs or a signal of its own; or to make way.
            place.pause = FIRST_PAUSE
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
            deadline = time.monotonic() + self.shutdown_timeout
            self._deadline, self._end = deadline + KILL_SECONDS, deadline + END_SECONDS
            logger.info("Stopping: %s", number.name, extra={"event": "supervisor_stopping"})
        for place in self._places:
            if place.process is not None:
                place.process.send_signal(number)

    def _kill(self, place: _Place, why: str) -> None:
        if place.process is not None:
            logger.warning(
                "Worker %d is killed: %s", place.process.pid, why, extra={"event": "process_killed"}
            )
            place.process.kill()


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"  # the real-time signals between the first and the last


def given_worker_id() -> UUID | None:
    """The id that the supervisor has chosen for the row of this process."""
    # The variable is not for what a job starts.
    given = os.environ.pop(WORKER_VARIABLE, None)
    return None if given is None else UUID(given)
