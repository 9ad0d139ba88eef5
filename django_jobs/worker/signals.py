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
    """A signal, and when it came (monotonic)."""

    signal: signal.Signals
    at: float


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
