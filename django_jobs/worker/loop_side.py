"""The part of the board that is for coroutine jobs."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable

from ..claim import Claim
from .line import STALE_SECONDS
from .turnstile import Turnstile


class LoopSide:
    """
    Coroutine jobs stand in a line of their own, only until the loop comes and takes all of
    them: none is claimed ahead.

    :param most: how many run at once.
    :param lock: the board's; held by whoever reads or changes the attributes.
    :param news: notified when there may be room again.
    :param unrecorded: the board's set of claims whose outcome is on its way.
    """

    def __init__(
        self,
        most: int,
        lock: Turnstile,
        news: threading.Condition,
        unrecorded: set[Claim],
    ) -> None:
        self.most = most
        # Asks the loop to come. It must not wait for the lock.
        self.call: Callable[[], None] = lambda: None
        self.called_at: float | None = None
        self.line: deque[Claim] = deque()
        self.running: set[Claim] = set()
        self._lock = lock
        self._news = news
        self._unrecorded = unrecorded
        self._closed = False

    def is_late(self) -> bool:
        """Whether the loop was asked to come, and has not for too long."""
        return self.called_at is not None and time.monotonic() - self.called_at >= STALE_SECONDS

    def room(self) -> int:
        """
        How many more fit. None while the loop has not come for the last ones: a job may be
        holding it up.
        """
        return 0 if self.called_at is not None else max(0, self.most - len(self.running))

    def add(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            self.put(claims)

    def put(self, claims: Iterable[Claim]) -> None:
        """``add()``, where the lock is held."""
        self.line.extend(claims)
        if self.line and self.called_at is None:
            self.called_at = time.monotonic()
            self.call()

    def take(self) -> list[Claim] | None:
        """All that stands in line, without waiting. None when the board is closed."""
        with self._lock:
            if self._closed:
                return None
            taken = list(self.line)
            self.line.clear()
            self.called_at = None
            self.running.update(taken)
            self._news.notify()
            return taken

    def ran(self, claim: Claim, *, recording: bool) -> bool:
        """
        ``claim`` has ended; ``recording`` says whether its outcome follows. False where it
        has been given up meanwhile, and nothing may follow.
        """
        with self._lock:
            if claim not in self.running:
                return False
            self.running.discard(claim)
            if recording:
                self._unrecorded.add(claim)
            self._news.notify()
            return True

    def close(self) -> None:
        self._closed = True
        self.call()
