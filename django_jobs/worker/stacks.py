"""What threads are doing right now, as text."""

import sys
import threading
import traceback
from collections.abc import Iterable


def stacks(threads: Iterable[threading.Thread]) -> str:
    """The stack of each of ``threads`` that is alive, innermost frame last."""
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name}:\n{''.join(traceback.format_stack(frame)).rstrip()}"
        for thread in threads
        if (frame := frames.get(thread.ident or 0)) is not None
    )
