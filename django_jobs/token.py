"""The cancellation token of one attempt."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

from django.core.exceptions import SynchronousOnlyOperation

from .exceptions import Interrupt, LeaseLost, TimedOut

# How long a job may take to end after its timeout: a part of that, within these bounds, in
# seconds.
GRACE: Final = 0.1
SHORTEST_GRACE: Final = 1.0
LONGEST_GRACE: Final = 30.0


class Token:
    """
    Tells a running task that it should end, and why.

    The worker fires it; the task sees it in ``check()`` and ``wait()``. The first reason
    stays, except that a lost lease overrides any other: after it nothing counts.

    :param timeout: seconds from now after which the token fires by itself; None for never.
    """

    deadline: float | None = None  # monotonic
    # A job that runs longer ignores its timeout (monotonic).
    overdue_at: float = float("inf")

    def __init__(self, timeout: float | None = None) -> None:
        if timeout is not None:
            self.start(timeout)
        self._interrupt: type[Interrupt] | None = None
        # Made by the first wait(): most jobs never wait, and an event costs as much as a claim.
        self._fired: threading.Event | None = None
        # Called when it is fired, from the thread that fires it, and maybe again and again.
        self.on_fire: Callable[[], None] | None = None

    def start(self, timeout: float) -> None:
        """The time that the attempt may take begins now."""
        self.deadline = time.monotonic() + timeout
        self.overdue_at = self.deadline + min(max(timeout * GRACE, SHORTEST_GRACE), LONGEST_GRACE)

    def fire(self, interrupt: type[Interrupt]) -> None:
        if self._interrupt is None or interrupt is LeaseLost:
            self._interrupt = interrupt
        if self._fired is not None:
            self._fired.set()
        on_fire = self.on_fire
        if on_fire is not None:
            on_fire()

    @property
    def interrupt(self) -> type[Interrupt] | None:
        """Why the task should end; None while it may go on."""
        if self._interrupt is None and self.remaining() == 0:
            return TimedOut
        return self._interrupt

    def remaining(self) -> float | None:
        """Seconds until the deadline, 0 past it; None without one."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def check(self) -> None:
        """Raise the ``Interrupt`` if there is one."""
        interrupt = self.interrupt
        if interrupt is not None:
            raise interrupt

    def wait(self, seconds: float) -> None:
        """Sleep ``seconds``, or less: raises the ``Interrupt`` as soon as there is one."""
        _refuse_on_a_loop()
        if self._fired is None:
            self._fired = threading.Event()
        self.check()  # after the event is there: fire() sets the reason before it looks for it
        remaining = self.remaining()
        self._fired.wait(seconds if remaining is None else min(seconds, remaining))
        self.check()


def _refuse_on_a_loop() -> None:
    """As Django does for its ORM: here it would hold up every other coroutine."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise SynchronousOnlyOperation(
        "wait() would block the event loop: await asyncio.sleep() instead, which is cancelled "
        "when the job should end."
    )
