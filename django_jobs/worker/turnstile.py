"""The lock of what the threads of a worker share."""

import threading
import time
from typing import Final

PAUSE: Final = 0.00005  # seconds


class Turnstile:
    """
    A lock that nobody is handed: who finds it taken looks again a moment later.

    ``threading.Lock`` gives itself to a waiter as soon as it is released, while that one has yet
    to get the interpreter. With many threads that take it for each short job there is always one
    that has the lock and waits for the interpreter, and another one with the interpreter that
    waits for the lock: a convoy, in which each job costs a switch of threads, and which never
    ends by itself.
    """

    def __init__(self) -> None:
        lock = threading.Lock()
        self._try = lock.acquire
        self.release = lock.release

    def acquire(self, blocking: bool = True) -> bool:
        while not self._try(False):
            if not blocking:
                return False
            time.sleep(PAUSE)
        return True

    def condition(self) -> threading.Condition:
        """A place where whoever has it may wait."""
        return threading.Condition(self)  # type: ignore[arg-type]

    def __enter__(self) -> None:
        if not self._try(False):
            self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
