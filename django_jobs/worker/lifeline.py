"""
The line between a supervisor and one of its workers. A worker says now and then that it lives,
and sees the other end close when its supervisor is gone, however it went.

It says so from a thread of its own that asks no database: one that waits for a database is
alive, and one that is stopped, or whose threads don't get the interpreter, says nothing.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ..log import logger
from .signals import Received

# Where a worker finds the number of the line's file descriptor.
LINE_VARIABLE: Final = "DJANGO_JOBS_SUPERVISOR_LINE"
BEAT_SECONDS: Final = 0.5
# Half of a lease without a beat is too long, since the last third of it may be left: the lease
# was renewed a third of it before at the latest. But a busy machine may be silent for so long.
SHORTEST_SILENCE: Final = 2.0


def longest_silence(lease: float) -> float:
    """How long a worker may be silent, in seconds, before it counts as dead."""
    return max(lease / 2, SHORTEST_SILENCE)


class Lifeline:
    """The supervisor's end; ``other`` is the worker's, to be closed here once it has it."""

    def __init__(self) -> None:
        self._end, self.other = socket.socketpair()
        self._end.setblocking(False)
        # A worker that still starts says nothing.
        self._heard_at: float | None = None

    def silence(self, now: float) -> float:
        """Seconds since the worker was heard; 0 before the first time."""
        with suppress(BlockingIOError, ConnectionError):
            while self._end.recv(4096):
                self._heard_at = now
        return 0.0 if self._heard_at is None else now - self._heard_at

    def excuse(self, now: float) -> None:
        """The supervisor itself was away; nobody can tell who was silent."""
        if self._heard_at is not None:
            self._heard_at = now

    def close(self) -> None:
        self._end.close()
        self.other.close()


def is_supervised() -> bool:
    """Whether this process is a worker that a supervisor has started."""
    return LINE_VARIABLE in os.environ


def watch_supervisor(stop: Callable[[Received], None]) -> None:
    """
    Keep telling the supervisor that this process lives, and call ``stop`` as for a signal when
    it is gone; returns at once.
    """
    # The variable is not for what a job starts.
    line = socket.socket(fileno=int(os.environ.pop(LINE_VARIABLE)))
    os.set_inheritable(line.fileno(), False)
    line.settimeout(BEAT_SECONDS)

    def is_there() -> bool:
        try:
            line.send(b".")
            return line.recv(1) != b""  # nothing is ever said
        except TimeoutError:
            return True
        except OSError:
            return False

    def watch() -> None:
        with line:
            while is_there():
                pass
        logger.warning("The supervisor is gone", extra={"event": "supervisor_lost"})
        stop(Received(signal.SIGTERM, time.monotonic()))

    threading.Thread(target=watch, name="django_jobs-watch", daemon=True).start()
