"""
How a worker stops: in time, and with nothing left RUNNING.

First signal: nothing more is claimed, what has not started is given back, what runs may
finish. Shortly before the deadline it is asked to end; at the deadline, at a second signal
or at QUIT it is given back and left behind.

A job that ignores its timeout stops the worker too, without a deadline. When nothing else runs
it is recorded as timed out, and left behind.
"""

import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, Final, NoReturn

from ..claim import Claim
from ..exceptions import ShuttingDown, TimedOut
from ..execute import left_behind
from ..log import log_job, logger
from ..record import Finished
from ..release import cut_short, log_released, released
from .signals import Received
from .stacks import stacks

if TYPE_CHECKING:
    from .process import WorkerProcess

# How long before the deadline running jobs are asked to end, at the most.
NOTICE_SECONDS: Final = 2.0
# What is kept of the deadline for writing what is left to write.
FLUSH_SECONDS: Final = 0.5
# The same where there is no deadline.
PATIENT_SECONDS: Final = 5.0
TICK: Final = 0.05
SIGQUIT: Final = getattr(signal, "SIGQUIT", None)
# A signal to a process group that its leader hands on as well arrives twice; the second
# within so many seconds is taken for the first.
ECHO_SECONDS: Final = 0.25


class Exit(IntEnum):
    """The exit codes of ``runjobs``."""

    DRAINED = 0
    RELEASED = 1
    MISCONFIGURED = 3
    # EX_TEMPFAIL of sysexits.h: to be started again.
    DEGRADED = 75
    UNREACHABLE = 75


class Stop:
    """
    The stop of ``process`` for ``reason``: a signal, or a text where it stops by itself.

    A worker that stops by itself waits for its running jobs without a deadline, until a
    signal sets one.
    """

    def __init__(self, process: "WorkerProcess", reason: object) -> None:
        self.process = process
        self.board = process.board
        self.reason = reason
        self.notice = float("inf")
        self.signalled_at = 0.0

    def run(self) -> int:
        """Returns the exit code, or ends the process."""
        reason = self.reason
        logger.info("Stopping: %s", reason, extra={"event": "worker_stopping"})
        self.process.control.stopping = True
        self.process.heartbeat.attend()
        if isinstance(reason, Received):
            self._show_stacks(reason)  # while every thread is still at what it does
        self.process.claimer.stop()
        if self.process.listener:
            self.process.listener.stop()
        if isinstance(reason, Received):
            self._obey(reason)
        while self.process.claimer.is_alive() or not self.board.is_empty():
            now = time.monotonic()
            if now >= self.process.deadline - FLUSH_SECONDS:
                self._leave("the deadline has come")
            if now >= self.notice:
                self.board.interrupt(ShuttingDown, lambda claim: True)
            if self.process.overdue.look():
                self._make_way()
            if self.process.deadline < float("inf"):
                self._give_back()
            try:
                again = self.process.inbox.get(timeout=TICK)
            except queue.Empty:
                continue
            if isinstance(again, Received):
                self._show_stacks(again)
                self._obey(again)
        return self._finish()

    def _show_stacks(self, received: Received) -> None:
        if received.signal == SIGQUIT:
            logger.warning(
                "QUIT received, the stacks:\n%s",
                stacks(threading.enumerate()),
                extra={"event": "stacks"},
            )

    def _obey(self, received: Received) -> None:
        if received.signal == SIGQUIT:
            self._leave("QUIT received")
        if self.signalled_at:
            if not received.told and received.at - self.signalled_at >= ECHO_SECONDS:
                self._leave("a second signal was received")
            return
        if not received.told:
            self.signalled_at = received.at
        if self.process.deadline < float("inf"):
            return  # it was told to stop before the first signal came
        timeout = self.process.config.shutdown_timeout
        self.process.deadline = time.monotonic() + timeout
        self.notice = self.process.deadline - FLUSH_SECONDS - min(NOTICE_SECONDS, timeout / 5)

    def _give_back(self) -> None:
        """
        Give back what has not started, except in a queue that says ``drain``; ask what runs
        in a queue that says ``release`` to end. Repeated, since the last claim may still be
        on its way when the signal comes.
        """
        on_stop = self.process.options.on_stop
        self._withdraw(lambda c: on_stop.get(c.job.queue_name) != "drain")
        self.board.interrupt(ShuttingDown, lambda c: on_stop.get(c.job.queue_name) == "release")

    def _withdraw(self, wanted: Callable[[Claim], bool]) -> None:
        for claim in self.board.withdraw(wanted):
            finished = released(claim)
            log_released(finished)
            self.process.recorder.put(finished)

    def _make_way(self) -> None:
        """Give back what has not started, for which there may be no thread; let the rest end."""
        self._withdraw(lambda claim: True)
        if not self.process.claimer.is_alive() and self.process.overdue.is_alone():
            left = max(FLUSH_SECONDS, self.process.deadline - time.monotonic())
            self._leave("it ignores its timeout", min(PATIENT_SECONDS, left))

    def _finish(self) -> int:
        """Everything is recorded: end the threads."""
        self.board.close()
        self.process.recorder.stop(deadline=time.monotonic() + FLUSH_SECONDS)
        self.process.heartbeat.stop()
        for thread in self.process.threads:
            thread.join(timeout=FLUSH_SECONDS)
        logger.info(
            "Stopped, %d interrupted",
            self.process.recorder.interrupted,
            extra={"event": "worker_stopped"},
        )
        return self._code(Exit.RELEASED if self.process.recorder.interrupted else Exit.DRAINED)

    def _leave(self, why: str, flush: float = FLUSH_SECONDS) -> NoReturn:
        """Give back what still waits or runs, write what can be written, and be gone."""
        left = self.board.give_up()
        for claim in left:
            stack = self.process.stack(claim)  # before a coroutine is cancelled
            finished: Finished | None
            # It may still look, or be about to start: from here on it is somebody else's.
            if claim in self.process.overdue.stacks:
                claim.token.fire(TimedOut)
                finished = left_behind(claim, self.process.backend, stack)
            else:
                finished = cut_short(claim, self.process.options.max_interruptions)
                claim.token.fire(ShuttingDown)
                if claim.started:
                    self._log_left(claim, stack, why)
                log_released(finished)
            if finished is not None:
                self.process.recorder.put(finished)
        self.process.recorder.stop(deadline=time.monotonic() + flush)
        self.process.recorder.join(timeout=flush)
        self.process.heartbeat.stop()
        self.process.heartbeat.join(timeout=FLUSH_SECONDS)
        unwritten = len(self.board.claims())
        logger.log(
            logging.WARNING if unwritten else logging.INFO,
            "Stopped at once, %d left behind%s",
            len(left),
            f", {unwritten} outcomes not written: rescued when the lease runs out"
            if unwritten
            else "",
            extra={"event": "worker_stopped"},
        )
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        # Executors may hold the process for as long as their jobs run, so there is no other
        # way out.
        os._exit(self._code(Exit.RELEASED))

    def _code(self, code: Exit) -> Exit:
        return Exit.DEGRADED if self.process.overdue.stacks else code

    def _log_left(self, claim: Claim, stack: str, why: str) -> None:
        log_job(
            logging.WARNING,
            "left_behind",
            claim.job,
            "still running, %s; its stack:\n" + stack.replace("%", "%%"),
            why,
            worker=claim.worker_name,
        )
