"""
Start the worker anew when code changes, for development.

A parent process runs the worker as its child, and starts the next one whenever a child exits
with ``RELOAD``. Django's own reloader would run the worker outside of the main thread, where
no signals arrive, and end it in the middle of its jobs.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from django.utils import autoreload

from ..log import logger
from .process import WorkerProcess
from .signals import SIGNALS

RELOAD: Final = 64
_CHILD: Final = "DJANGO_JOBS_RELOAD_CHILD"


def watch_and_run(process: WorkerProcess, run: Callable[[], int]) -> int:
    """Run the worker under a watch; returns its exit code."""
    if os.environ.get(_CHILD) != "1":
        return _parent()
    changed = threading.Event()

    def on_change(sender: object, file_path: Path, **kwargs: Any) -> bool:
        if not changed.is_set():
            changed.set()
            process.inbox.put(f"{file_path.name} changed")
        return True  # Django's own answer would end this process at once

    autoreload.file_changed.connect(on_change)
    reloader = autoreload.get_reloader()
    threading.Thread(target=reloader.run_loop, name="django_jobs-reloader", daemon=True).start()
    code = run()
    return RELOAD if changed.is_set() else code


def _parent() -> int:
    """Start a worker, and another one after each change."""
    stopping = False
    while True:
        child = subprocess.Popen(  # noqa: S603 (this very command)
            autoreload.get_child_arguments(), env={**os.environ, _CHILD: "1"}
        )

        def hand_on(number: int, frame: object, child: Any = child) -> None:
            nonlocal stopping
            stopping = True
            if child.poll() is not None:
                sys.exit(child.returncode)  # it has ended; this process waits for a change
            # A Ctrl-C has reached the child already, which takes the two for one.
            child.send_signal(number)

        for number in SIGNALS:
            signal.signal(number, hand_on)
        code = child.wait()
        if code == RELOAD:
            if stopping:
                return 0  # it drained for a change, and the signal came then
            continue
        if code == 0 or stopping:
            return code
        logger.warning("The worker exited with code %d; waiting for a change", code)
        _wait_for_change()


def _wait_for_change() -> None:
    class Changed(Exception):
        pass

    def on_change(**kwargs: Any) -> None:
        raise Changed

    autoreload.file_changed.connect(on_change, weak=False)
    try:
        for _ in autoreload.get_reloader().tick():
            pass
    except Changed:
        pass
    finally:
        autoreload.file_changed.disconnect(on_change)
