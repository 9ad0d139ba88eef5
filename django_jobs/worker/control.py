"""What a worker says of itself with each heartbeat, and what it is told there in return."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from ..claim import Claim
from ..db.clock import DbNow
from ..failure import cut, storable
from ..log import logger
from ..models import Command, Phase
from .board import Board
from .signals import Received

# How many of the jobs that it runs a worker lists, and how many characters all their stacks
# have together, and all their logs.
LISTED: Final = 50
STACKS_LENGTH: Final = 20_000
LOGS_LENGTH: Final = 20_000

_STATM: Final = Path("/proc/self/statm")


class Control:
    """
    :param stack: where the job of a claim is now; empty where it has not started.
    :param stop: takes the reason to stop.
    """

    def __init__(
        self, board: Board, stack: Callable[[Claim], str], stop: Callable[[Received], None]
    ) -> None:
        self.board = board
        self._stack = stack
        self._stop = stop
        self._told_to_stop = False
        self._shown: Phase | None = None
        self.stopping = False

    @property
    def phase(self) -> Phase:
        if self.stopping:
            return Phase.STOPPING
        return Phase.QUIET if self.board.quiet else Phase.RUNNING

    def state(self) -> dict[str, Any]:
        """The columns of the worker's row that each heartbeat writes."""
        running = self._running()
        on_loop = len(self.board.loop.running)
        self._shown = self.phase
        return {
            "phase": self._shown,
            "threads_busy": self.board.busy_threads(),
            "coroutines_running": on_loop,
            "memory": resident_memory(),
            "running": [_entry(claim) for claim in running[:LISTED]],
        }

    def obey(self, command: int, *, stacks: bool) -> dict[str, Any]:
        """
        Do what the worker's row says; returns what of it is to be written at once. A command
        of a later release is none.

        :param stacks: whether somebody has asked for the stacks, and the logs so far.
        """
        quiet = command in (Command.QUIET, Command.STOP)
        if quiet != self.board.quiet:
            self.board.quiet = quiet
            self.board.wake()
            _log("claims nothing more" if quiet else "claims again")
        if command == Command.STOP and not self._told_to_stop:
            self._told_to_stop = True
            _log("stops")
            self._stop(Received(signal.SIGTERM, time.monotonic(), told=True))
        changed: dict[str, Any] = {}
        if self._shown != self.phase:
            changed = self.state()
        if stacks:
            changed |= {"stacks": self._stacks(), "stacks_at": DbNow(), "stacks_asked_at": None}
        return changed

    def _running(self) -> list[Claim]:
        """The longest first."""
        return sorted(self.board.running(), key=_since)

    def _stacks(self) -> list[dict[str, Any]]:
        claims = self._running()[:LISTED]
        found = [(claim, self._stack_of(claim)) for claim in claims]
        # Where one has ended meanwhile, its thread may have been at another one.
        still = set(self.board.running())
        part = max(1, len(found))
        return [
            _entry(claim)
            | {
                "stack": cut(storable(stack), STACKS_LENGTH // part),
                "log": cut(_logged(claim), LOGS_LENGTH // part),
            }
            for claim, stack in found
            if claim in still
        ]

    def _stack_of(self, claim: Claim) -> str:
        try:
            return self._stack(claim)
        except Exception as error:  # of somebody's frames; it must not hold up the lease
            return f"<no stack: {type(error).__name__}>"


def _logged(claim: Claim) -> str:
    """What the attempt has logged so far, without what is sensitive."""
    return "" if claim.log is None else claim.log.text


def _since(claim: Claim) -> float:
    moment = claim.job.last_attempted_at
    return 0.0 if moment is None else moment.timestamp()


def _entry(claim: Claim) -> dict[str, Any]:
    job = claim.job
    since = job.last_attempted_at
    return {
        "job": str(job.pk),
        "task": storable(job.task_path),
        "attempt": job.attempts,
        "claim_no": job.claim_no,
        "since": since and since.isoformat(),
    }


def _log(what: str) -> None:
    logger.info("Told from outside: the worker %s", what, extra={"event": "worker_told"})


def resident_memory() -> int | None:
    """
    Bytes of memory that this process holds; the most that it has held where there is no
    ``/proc``; None where nothing tells.
    """
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return _peak_memory()


def _peak_memory() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # bytes there, else KiB
