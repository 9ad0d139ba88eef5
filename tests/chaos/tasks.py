"""
The jobs of a chaos run. Each writes down when it starts and ends, in a file that is only
appended to: one line is one write, so that no crash and no other process can spoil it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from django.db import connection

from django_jobs import Backoff, JobContext, Snooze, job

EFFECTS = "chaos_effects"
# So many attempts that no job dies of the chaos around it.
MANY = 200
PAUSE = Backoff(base=0.2, maximum=0.2, jitter=0.2)


def note(event: str, key: str, context: JobContext, **more: Any) -> None:
    line = {
        "event": event,
        "key": key,
        "claim_no": context.fence,
        "attempt": context.attempt,
        "pid": os.getpid(),
        "at": time.monotonic(),  # of the host, the same for all processes
        **more,
    }
    with Path(os.environ["CHAOS_LEDGER"]).open("ab", buffering=0) as ledger:
        ledger.write(json.dumps(line).encode() + b"\n")


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def plain(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    time.sleep(seconds)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
async def coroutine(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    await asyncio.sleep(seconds)
    note("finish", key, context)


@job(atomic=True, takes_context=True, max_attempts=MANY, backoff=PAUSE)
def atomic(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {EFFECTS} VALUES (%s, %s)", [key, context.fence])
    time.sleep(seconds)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def steps(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    for step in ("one", "two", "three"):
        context.step(step, note, "step", key, context, step=step)
        time.sleep(seconds)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def flaky(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    time.sleep(seconds)
    if context.attempt < 3:
        raise ValueError("not yet")
    note("finish", key, context)


@job(takes_context=True, max_attempts=2, backoff=PAUSE)
def doomed(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    raise ValueError("never")


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def snoozing(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    if context.fence < 3:
        raise Snooze(after=0.1)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def slow(context: JobContext, key: str, seconds: float) -> None:
    note("start", key, context)
    context.wait(1 + seconds)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE, unique=("slot",))
def unique(context: JobContext, key: str, seconds: float, slot: int) -> None:
    note("start", key, context)
    time.sleep(0.3 + seconds)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def held(context: JobContext, key: str, claims: int) -> None:
    """In its first ``claims`` it waits until its worker is killed; the next ends at once."""
    note("start", key, context)
    if context.fence <= claims:
        context.wait(600)
    note("finish", key, context)


@job(takes_context=True, max_attempts=MANY, backoff=PAUSE)
def cancelled(context: JobContext, key: str, seconds: float) -> None:
    """Waits until somebody cancels it."""
    note("start", key, context)
    context.wait(600)


KINDS = {
    task.func.__name__: task
    for task in (
        *(plain, coroutine, atomic, steps, flaky, doomed),
        *(snoozing, slow, cancelled, unique),
    )
}
