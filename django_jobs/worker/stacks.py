"""What threads are doing right now, as text."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Any


def stacks(threads: Iterable[threading.Thread]) -> str:
    """The stack of each of ``threads`` that is alive, innermost frame last."""
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name}:\n{''.join(traceback.format_stack(frame)).rstrip()}"
        for thread in threads
        if (frame := frames.get(thread.ident or 0)) is not None
    )


def coroutine_stack(task: "asyncio.Task[Any]") -> str:
    """
    Where ``task`` waits, innermost frame last; empty where it does not wait just now.

    ``Task.get_stack()`` shows only the outermost frame of a task that waits.
    """
    frames: list[traceback.FrameSummary] = []
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        if coroutine.cr_running:
            return ""
        frames += traceback.StackSummary.extract([(frame, frame.f_lineno)])
        coroutine = coroutine.cr_await
    return "".join(traceback.format_list(frames)).rstrip()
