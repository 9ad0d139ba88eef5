"""What this process has claimed and not yet recorded: the one state its threads share."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ..claim import Claim
from ..exceptions import Interrupt, LeaseLost

# Outcomes that may wait for the database before claiming pauses, beyond one per thread.
UNRECORDED_MAX: Final = 500

# Jobs are claimed ahead for so many seconds of work, so that a slot doesn't wait for the
# database; and so many at the most.
AHEAD_SECONDS: Final = 0.1
AHEAD_MAX: Final = 100
# What stands in line for longer than this was a wrong guess, and is given back.
STALE_SECONDS: Final = 0.5

Call = Callable[[], None]


class Board:
    """
    Claims wait in a line, run in a slot, and stay on the board until their outcome is
    recorded. Executors take from the line; calls that follow a record go before claims.

    The line is only as long as about 100 ms of work at the duration that jobs have had, so
    that slow jobs are never hoarded; before the first job it is empty.

    :param threads: the number of slots.
    :param lease: seconds that a renewed lease holds.
    """

    def __init__(self, threads: int, lease: float) -> None:
        self.threads = threads
        self._lease = lease
        self._lease_until = time.monotonic() + lease
        self._changed = threading.Condition()
        self._line: deque[Claim] = deque()
        self._calls: deque[Call] = deque()
        # Claims and not jobs: a job that was lost, and that still runs here, may be claimed again.
        self._running: set[Claim] = set()
        self._unrecorded: set[Claim] = set()
        self._busy_calls = 0
        self._duration: float | None = None
        self._moved = time.monotonic()
        self._woken = False
        self._closed = False

    # The claimer's side.

    def room(self) -> tuple[int, int]:
        """How many more jobs may be claimed now: to be run at once, and ahead of that."""
        with self._changed:
            return self._room()

    def _room(self) -> tuple[int, int]:
        if not self.holds_lease or len(self._unrecorded) > UNRECORDED_MAX + self.threads:
            return 0, 0
        taken = len(self._line) + len(self._running)
        slots = max(0, self.threads - taken)
        most = self._ahead()
        ahead = min(most, max(0, self.threads + most - taken))
        # While all slots are busy, the line is refilled by half of it and not one by one.
        return slots, ahead if slots or ahead >= most / 2 else 0

    def _ahead(self) -> int:
        if self._duration is None:
            return 0
        return int(min(AHEAD_MAX, self.threads * AHEAD_SECONDS / max(self._duration, 1e-6)))

    def add(self, claims: Iterable[Claim]) -> None:
        with self._changed:
            if not self._line:
                self._moved = time.monotonic()
            self._line.extend(claims)
            self._changed.notify_all()

    def stale(self) -> list[Claim]:
        """Claims that have stood in line for too long, taken off it; they are to be recorded."""
        with self._changed:
            if not self._line or time.monotonic() - self._moved < STALE_SECONDS:
                return []
            self._duration = None
            return self._withdraw(lambda claim: True)

    def wait(self, seconds: float) -> None:
        """Wait until something happened that a claimer wants to know, or ``seconds``."""
        with self._changed:
            self._changed.wait_for(lambda: self._woken or self._closed, seconds)
            self._woken = False

    def wait_for_room(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: any(self._room()) or self._closed, seconds)

    def wake(self) -> None:
        """Let the claimer look at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    # The executors' side.

    def take(self) -> Claim | Call | None:
        """The next thing to run; waits for it. None when the board is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._calls or self._line or self._closed)
            if self._calls:
                self._busy_calls += 1
                return self._calls.popleft()
            if self._line:
                claim = self._line.popleft()
                self._running.add(claim)
                self._moved = time.monotonic()
                return claim
            return None

    def ran(self, claim: Claim, *, recording: bool, seconds: float) -> None:
        """
        ``claim`` has left its slot after ``seconds``; ``recording`` says whether its outcome
        follows.
        """
        with self._changed:
            # The average of about the last ten; a slow one counts at once.
            known = seconds if self._duration is None else self._duration
            self._duration = max(seconds, known + (seconds - known) / 10)
            self._running.discard(claim)
            if recording:
                self._unrecorded.add(claim)
            self._changed.notify_all()

    def called(self) -> None:
        """A call that ``take()`` gave out has ended."""
        with self._changed:
            self._busy_calls -= 1
            self._woken = self._woken or not self._line
            self._changed.notify_all()

    # The recorder's side.

    def recorded(self, claim: Claim, then: Call | None = None) -> None:
        """``claim`` is off the board; an executor runs ``then``."""
        with self._changed:
            self._unrecorded.discard(claim)
            if then is not None:
                self._calls.append(then)
            # What ran may have enqueued more; with nothing in line it is time to look.
            self._woken = self._woken or not self._line
            self._changed.notify_all()

    # The heartbeat's side.

    def call(self, then: Call) -> None:
        """An executor runs ``then``."""
        with self._changed:
            self._calls.append(then)
            self._changed.notify_all()

    def claims(self) -> set[Claim]:
        """All claims that are not recorded yet."""
        with self._changed:
            return {*self._line, *self._unrecorded, *self._running}

    def lease_renewed(self, since: float) -> None:
        """The lease was renewed by a statement sent at ``since`` (monotonic)."""
        with self._changed:
            self._lease_until = since + self._lease
            self._changed.notify_all()

    @property
    def holds_lease(self) -> bool:
        """Whether this worker may believe that its claims are its own."""
        return time.monotonic() < self._lease_until

    def fence_off(self) -> None:
        """The lease ran out: tell every running job."""
        for claim in self.claims():
            claim.token.fire(LeaseLost)

    # The main loop's side.

    def running(self) -> list[Claim]:
        with self._changed:
            return list(self._running)

    def withdraw(self, wanted: Callable[[Claim], bool]) -> list[Claim]:
        """Take those claims off the line that have not started; they are to be recorded."""
        with self._changed:
            return self._withdraw(wanted)

    def _withdraw(self, wanted: Callable[[Claim], bool]) -> list[Claim]:
        out = [claim for claim in self._line if wanted(claim)]
        self._line = deque(claim for claim in self._line if not wanted(claim))
        self._unrecorded.update(out)
        self._changed.notify_all()
        return out

    def give_up(self) -> list[Claim]:
        """All that waits or runs, to be recorded as given back; nothing more is handed out."""
        with self._changed:
            out = [*self._line, *self._running]
            self._line.clear()
            self._calls.clear()
            self._running.clear()
            self._unrecorded.update(out)
            self._closed = True
            self._changed.notify_all()
            return out

    def interrupt(self, interrupt: type[Interrupt], wanted: Callable[[Claim], bool]) -> None:
        """Ask those running jobs to end."""
        for claim in self.running():
            if wanted(claim):
                claim.token.fire(interrupt)

    def is_empty(self) -> bool:
        """Whether nothing waits, runs, is to be recorded or called."""
        with self._changed:
            return not (
                self._line or self._running or self._unrecorded or self._calls or self._busy_calls
            )

    def close(self) -> None:
        """Let every waiting thread go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
