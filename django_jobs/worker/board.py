"""What this process has claimed and not yet recorded: the one state its threads share."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from ..claim import Claim
from ..exceptions import Interrupt, LeaseLost
from .lease import Lease
from .line import Line
from .loop_side import LoopSide
from .turnstile import Turnstile

# Outcomes that may wait for the database before claiming pauses, beyond one per thread.
UNRECORDED_MAX: Final = 1500

Call = Callable[[], None]
Wanted = Callable[[Claim], bool]
ANY: Final[Wanted] = lambda claim: True  # noqa: E731


class Board:
    """
    Claims wait in a line, run in a slot, and stay on the board until their outcome is
    recorded. Executors take from the line; calls that follow a record go before claims.
    A job that a worker was lost with runs alone, and nothing is claimed until it is recorded:
    if that worker is lost too, it is known who did it.

    :param threads: the number of slots.
    :param lease: seconds that a renewed lease holds.
    :param coroutines: how many coroutine jobs run at once beside the slots, see LoopSide.
    """

    def __init__(self, threads: int, lease: float, coroutines: int = 0) -> None:
        self.threads = threads
        self.lease = Lease(lease)
        # One lock, and a place to wait for each side, so that nobody is woken for nothing.
        self._lock = Turnstile()
        self._work = self._lock.condition()  # executors
        self._news = self._lock.condition()  # the claimer
        self._idle, self._waking = 0, False
        self._line = Line(threads)
        self._apart: deque[Claim] = deque()  # one at the most, until nothing else is here
        self._alone: Claim | None = None
        self._alone_on_loop = False
        self._calls: deque[Call] = deque()
        # Claims and not jobs: a job that was lost, and that still runs here, may be claimed again.
        self._running: set[Claim] = set()
        self._unrecorded: set[Claim] = set()
        self.loop = LoopSide(coroutines, self._lock, self._news, self._unrecorded)
        self._busy_calls = 0
        self._woken = self._closed = False
        self.quiet = False  # while it is, nothing is claimed

    # The claimer's side.

    def room(self) -> tuple[int, int]:
        """How many more jobs may be claimed now: to be run at once, and ahead of that."""
        with self._lock:
            return self._room()

    def _room(self) -> tuple[int, int]:
        if not self._may_claim():
            return 0, 0
        taken = len(self._line) + len(self._running)
        slots = max(0, self.threads - taken)
        most = self._line.most
        ahead = min(most, max(0, self.threads + most - taken))
        # While all slots are busy, the line is refilled by half of it and not one by one.
        return slots, ahead if slots or ahead >= most / 2 else 0

    def _may_claim(self) -> bool:
        if self._alone is not None:
            if self._alone in self._all():
                self._hand_out_apart()  # what ended last may have had nothing to record
                return False
            self._alone = None
        most = UNRECORDED_MAX + self.threads
        return not self.quiet and self.lease.is_held and len(self._unrecorded) <= most

    def add(self, claims: Iterable[Claim]) -> None:
        with self._lock:
            self._line.add(claims)
            self._wake_one()

    def set_apart(self, claim: Claim, *, on_loop: bool) -> None:
        """Let ``claim`` run alone, and claim nothing until it is recorded."""
        with self._lock:
            self._alone, self._alone_on_loop = claim, on_loop
            self._apart.append(claim)
            self._look_if_empty()

    def coroutine_room(self) -> int:
        """How many more coroutine jobs may be claimed now."""
        with self._lock:
            return self._coroutine_room()

    def _coroutine_room(self) -> int:
        return self.loop.room() if self._may_claim() else 0

    def refuse(self, claims: Iterable[Claim]) -> None:
        """Claims for which there is no room after all; they are to be recorded."""
        with self._lock:
            self._unrecorded.update(claims)

    def stale(self) -> list[Claim]:
        """Claims that have stood in line for too long, taken off it; they are to be recorded."""
        with self._lock:
            out = self._withdraw_from(self._line) if self._line.is_stale() else []
            return out + (self._withdraw_from(self.loop.line) if self.loop.is_late() else [])

    def wait(self, seconds: float) -> bool:
        """Wait ``seconds``, or until there may be more to claim; returns whether there may."""
        with self._lock:
            self._news.wait_for(lambda: self._woken or self._closed, self._line.patience(seconds))
            woken, self._woken = self._woken, False
            return woken

    def wait_for_room(self, seconds: float) -> None:
        with self._lock:
            self._news.wait_for(lambda: self._has_room(any) or self._closed, seconds)

    def wait_for_other_side(self, seconds: float) -> None:
        """Wait until there is room both for threads and for the loop, or something happened."""
        with self._lock:
            self._news.wait_for(lambda: self._has_room(all) or self._woken or self._closed, seconds)
            self._woken = False

    def _has_room(self, of: Callable[[Iterable[bool]], bool]) -> bool:
        return of((any(self._room()), self._coroutine_room() > 0))

    def wake(self) -> None:
        """Let the claimer look at once."""
        with self._lock:
            self._woken = True
            self._news.notify()

    # The executors' side.

    def take(self) -> Claim | Call | None:
        """The next thing to run; waits for it. None when the board is closed."""
        with self._lock:
            while not (self._calls or self._line or self._closed):
                self._idle += 1
                self._work.wait()
                self._idle -= 1
                self._waking = False
            taken: Claim | Call | None = None
            if self._calls:
                self._busy_calls += 1
                taken = self._calls.popleft()
            elif self._line:
                taken = self._line.take()
                self._running.add(taken)
            self._wake_one()
            return taken

    def _wake_one(self) -> None:
        """
        Wake one more executor where there is work for it. It will wake the next one in its
        turn: while jobs are so short that those awake are done with all of them before
        another thread has come to its feet, the others sleep on.
        """
        if self._idle and not self._waking and (self._line or self._calls):
            self._waking = True
            self._work.notify()

    def ran(self, claim: Claim, *, recording: bool, seconds: float) -> None:
        """``claim`` has left its slot after ``seconds``; ``recording``: its outcome follows."""
        with self._lock:
            self._line.ran(seconds)
            self._running.discard(claim)
            if recording:
                self._unrecorded.add(claim)
            self._news.notify()

    def called(self) -> None:
        """A call that ``take()`` gave out has ended."""
        with self._lock:
            self._busy_calls -= 1
            self._look_if_empty()

    # The recorder's side.

    def recorded(self, claims: Iterable[Claim], then: Iterable[Call] = ()) -> None:
        """``claims`` are off the board; executors run each of ``then``."""
        with self._lock:
            self._unrecorded.difference_update(claims)
            self._calls.extend(then)
            self._wake_one()
            self._look_if_empty()

    def _look_if_empty(self) -> None:
        """What ran may have enqueued more; with nothing in line it is time to look."""
        self._hand_out_apart()
        self._woken = self._woken or not self._line
        self._news.notify()

    def _hand_out_apart(self) -> None:
        if not self._apart or self._has_others():
            return
        if self._alone_on_loop:
            self.loop.put(self._apart)
        else:
            self._line.add(self._apart)
            self._wake_one()
        self._apart.clear()

    # The heartbeat's side.

    def call(self, then: Call) -> None:
        """An executor runs ``then``."""
        with self._lock:
            self._calls.append(then)
            self._wake_one()

    def claims(self) -> set[Claim]:
        """All claims that are not recorded yet."""
        with self._lock:
            return self._all()

    def _all(self) -> set[Claim]:
        waiting = (*self._line, *self._apart, *self.loop.line)
        return {*waiting, *self._unrecorded, *self._running, *self.loop.running}

    def lease_renewed(self, sent: float) -> None:
        """The lease was renewed by a statement sent at ``sent`` (monotonic)."""
        if not self.lease.renew(sent):
            self.fence_off()
        with self._lock:
            self._news.notify()

    def fence_off(self) -> None:
        """The lease ran out: tell every running job."""
        for claim in self.claims():
            claim.token.fire(LeaseLost)

    # The main loop's side.

    def running(self) -> list[Claim]:
        with self._lock:
            return [*self._running, *self.loop.running]

    def busy_threads(self) -> int:
        """How many slots are taken, or have their next job in the line."""
        with self._lock:
            return min(self.threads, len(self._line) + len(self._running))

    def withdraw(self, wanted: Wanted) -> list[Claim]:
        """Take those claims off the line that have not started; they are to be recorded."""
        with self._lock:
            lines = (self._line, self._apart, self.loop.line)
            return [claim for line in lines for claim in self._withdraw_from(line, wanted)]

    def _withdraw_from(self, line: deque[Claim], wanted: Wanted = ANY) -> list[Claim]:
        out = [claim for claim in line if wanted(claim)]
        rest = [claim for claim in line if not wanted(claim)]
        line.clear()
        line.extend(rest)
        self._unrecorded.update(out)
        self._news.notify()
        return out

    def give_up(self) -> list[Claim]:
        """All that waits or runs, to be recorded as given back; nothing more is handed out."""
        with self._lock:
            out = [*self._line, *self._apart, *self.loop.line, *self._running, *self.loop.running]
            parts = (self._line, self._apart, self.loop.line, self._calls)
            for part in (*parts, self._running, self.loop.running):
                part.clear()
            self._unrecorded.update(out)
            self._close()
            return out

    def interrupt(self, interrupt: type[Interrupt], wanted: Wanted) -> None:
        """Ask those running jobs to end."""
        for claim in self.running():
            if wanted(claim):
                claim.token.fire(interrupt)

    def is_empty(self) -> bool:
        """Whether nothing waits, runs, is to be recorded or called."""
        with self._lock:
            return not (self._apart or self._has_others())

    def _has_others(self) -> bool:
        """Whether anything is here besides what is set apart."""
        waits_or_runs = self._line or self._running or self.loop.line or self.loop.running
        return bool(waits_or_runs or self._unrecorded or self._calls or self._busy_calls)

    def close(self) -> None:
        """Let every waiting thread go."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        self._closed = True
        self.loop.close()
        self._work.notify_all()
        self._news.notify_all()
