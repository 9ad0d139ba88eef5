"""Tasks of several steps. CALLS tells what was run, and not only answered."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from django.db.models import F

from django_jobs import Backoff, JobContext, job
from django_jobs.models import Job

CALLS: list[Any] = []


def note(value: Any) -> Any:
    CALLS.append(value)
    return value


@job(takes_context=True, max_attempts=3, backoff=Backoff(base=0.001, maximum=0.001))
def charge_and_ship(context: JobContext, fail_until: int) -> list[Any]:
    charged = context.step("charge", note, {"receipt": 17})
    if context.attempt < fail_until:
        raise ValueError("between the steps")
    return [charged, context.step("ship", note, "shipped")]


@job(takes_context=True)
def loop(context: JobContext, items: list[int]) -> list[Any]:
    return [context.step(("item", item), note, item) for item in items]


@job(takes_context=True, max_attempts=1)
def odd(context: JobContext, name: Any, value: str) -> Any:
    made = {"tuple": (1, 2), "none": None, "set": {1}, "text": "text"}[value]
    return context.step(tuple(name) if isinstance(name, list) else name, note, made)


@job(takes_context=True)
def lose_the_claim(context: JobContext) -> None:
    def step() -> None:
        # As another worker would have left it.
        Job.objects.filter(pk=context.task_result.id).update(claim_no=F("claim_no") + 1)  # type: ignore[union-attr]

    context.step("lost", step)


@job(takes_context=True)
def die_once(context: JobContext, folder: str) -> list[int]:
    """SIGKILL after the first step, the first time; each run of a step leaves a file."""

    def leave(name: str) -> int:
        (Path(folder) / f"{name}-{context.attempt}").touch()
        return context.attempt

    first = context.step("first", leave, "first")
    if context.attempt == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return [first, context.step("second", leave, "second")]
