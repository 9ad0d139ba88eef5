"""
SIGKILL at a named point of the worker's way, the first time that it comes there.

Imported as a module of tasks, by the worker that is to die: `FAILPOINT` names the function and
whether it dies before or after it, `FAILPOINT_MARK` a file that says that it has.
"""

from __future__ import annotations

import importlib
import os
import signal
from pathlib import Path
from typing import Any

from django_jobs import job
from django_jobs.worker.heartbeat import Heartbeat
from django_jobs.worker.stop import Stop
from tests.sample.atomics import effect

# What is wrapped: the object that holds the name which the caller looks up.
POINTS: dict[str, tuple[Any, str]] = {
    "claim": ("django_jobs.worker.claimer", "claim"),
    "execute": ("django_jobs.worker.executors", "execute"),
    "effect": (__name__, "effect"),
    "record": ("django_jobs.worker.recorder", "record"),
    "atomic record": ("django_jobs.execute", "record"),
    "rescue": ("django_jobs.worker.heartbeat", "rescue"),
    "rescue's write": ("django_jobs.rescue", "write_outcomes"),
    "heartbeat": (Heartbeat, "_renew"),
    "release": (Stop, "_give_back"),
    "end": (Stop, "_finish"),
}


@job(atomic=True, max_attempts=5)
def write(name: str) -> None:
    effect(name)


@job(max_attempts=5)
def plain(name: str) -> str:
    return name


def install(where: str, when: str, mark: Path) -> None:
    holder, name = POINTS[where]
    if isinstance(holder, str):
        holder = importlib.import_module(holder)
    real = getattr(holder, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            die()
        result = real(*args, **kwargs)
        # A claim or a rescue of nothing is no point to die at.
        if when == "after" and (result or name not in ("claim", "rescue")):
            die()
        return result

    def die() -> None:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(holder, name, wrapped)


if "FAILPOINT" in os.environ:
    install(*os.environ["FAILPOINT"].split(":"), Path(os.environ["FAILPOINT_MARK"]))
