"""Signal handlers, which only set and wake."""

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def handled(inbox: "queue.SimpleQueue[object]") -> Iterator[None]:
    """
    Put each TERM, INT and QUIT into ``inbox``. ``SimpleQueue.put()`` is reentrant, which
    ``Event.set()`` is not: a handler may interrupt a wait on the very same object.
    """

    def put(number: int, frame: FrameType | None) -> None:
        inbox.put(signal.Signals(number))

    numbers = [*STOP_SIGNALS]
    if hasattr(signal, "SIGQUIT"):
        numbers.append(signal.SIGQUIT)
    before = {number: signal.signal(number, put) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
