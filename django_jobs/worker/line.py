"""The line of claims that wait for a thread, and how long it may be."""

import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from ..claim import Claim

# Jobs are claimed ahead for so many seconds of work, so that a slot doesn't wait for the
# database; and so many at the most.
AHEAD_SECONDS: Final = 0.1
AHEAD_MAX: Final = 1000
# What stands in line for longer than this was a wrong guess, and is given back.
STALE_SECONDS: Final = 0.5


class Line(deque[Claim]):
    """
    It is only as long as about 100 ms of work at the duration that jobs have had, so that slow
    jobs are never hoarded; before the first job it is empty.
    """

    def __init__(self, threads: int) -> None:
        super().__init__()
        self._threads = threads
        self._duration: float | None = None
        self._moved = time.monotonic()
        self._ended = float("-inf")

    @property
    def most(self) -> int:
        """How many may wait."""
        if self._duration is None:
            return 0
        return int(min(AHEAD_MAX, self._threads * AHEAD_SECONDS / max(self._duration, 1e-6)))

    def add(self, claims: Iterable[Claim]) -> None:
        if not self:
            self._moved = time.monotonic()
        self.extend(claims)

    def take(self) -> Claim:
        self._moved = time.monotonic()
        return self.popleft()

    def ran(self, seconds: float) -> None:
        """A job took so long, and ends now."""
        # Where many threads want the interpreter a short job may take long, since others have
        # their turn meanwhile: it counts for no more than its part of the time in which it
        # alone has ended.
        now = time.monotonic()
        seconds = min(seconds, (now - self._ended) * self._threads)
        self._ended = now
        # The average of about the last ten; a slow one counts at once.
        known = seconds if self._duration is None else self._duration
        self._duration = max(seconds, known + (seconds - known) / 10)

    def patience(self, seconds: float) -> float:
        """How much of ``seconds`` may pass before somebody has to see whether it is stale."""
        return min(seconds, STALE_SECONDS) if self else seconds

    def is_stale(self) -> bool:
        """Whether it has not moved for too long; then it was longer than it should be."""
        stale = bool(self) and time.monotonic() - self._moved >= STALE_SECONDS
        if stale:
            self._duration = None
        return stale
