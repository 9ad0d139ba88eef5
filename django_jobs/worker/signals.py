"""Signal handlers, which only set and wake."""

import queue
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final, NamedTuple

SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    *((signal.SIGQUIT,) if hasattr(signal, "SIGQUIT") else ()),
)


class Received(NamedTuple):
    """
    A signal, and when it came (monotonic).

    :param told: whether it is none, and the worker was told in its row to act as if.
    """

    signal: signal.Signals
    at: float
    told: bool = False

    def __str__(self) -> str:
        return "told from outside" if self.told else self.signal.name


@contextmanager
def handled(inbox: "queue.SimpleQueue[object]") -> Iterator[None]:
    """
    Put each TERM, INT and QUIT into ``inbox``. ``SimpleQueue.put()`` is reentrant, which
    ``Event.set()`` is not: a handler may interrupt a wait on the very same object.
    """

    def put(number: int, frame: FrameType | None) -> None:
        inbox.put(Received(signal.Signals(number), time.monotonic()))

    before = {number: signal.signal(number, put) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
