"""Tasks for the tests."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django_jobs import Backoff, Cancel, GiveUp, JobContext, Retry, Snooze, current_job, job
from django_jobs.compat import task


class Unwanted(Exception):
    pass


@task
def plain(*args: Any, **kwargs: Any) -> list[Any]:
    return [list(args), kwargs]


@job
def add(a: int, b: int) -> int:
    return a + b


@job
async def add_async(a: int, b: int) -> int:
    return a + b


@job(max_attempts=1)
async def add_async_once(a: int, b: int) -> int:
    return a + b


@job(max_attempts=3, backoff=Backoff(base=10, maximum=600, jitter=0.2))
def fail(message: str = "no luck") -> None:
    raise ValueError(message)


@job(max_attempts=2, give_up_on=(Unwanted,))
def unwanted() -> None:
    raise Unwanted("not this one")


@job
def steer(how: str, **kwargs: Any) -> None:
    raise {"retry": Retry, "snooze": Snooze, "give_up": GiveUp, "cancel": Cancel}[how](
        "because", **kwargs
    )


@job(takes_context=True)
def context_facts(context: JobContext) -> dict[str, Any]:
    return {
        "attempt": context.attempt,
        "fence": context.fence,
        "same": current_job().fence == context.fence,
        "cancelled": context.cancelled,
        "remaining": context.remaining(),
    }


@job(takes_context=True)
def wait(context: JobContext, seconds: float) -> str:
    context.wait(seconds)
    return "waited"


@job(takes_context=True, timeout=0.05, max_attempts=2)
def overrun(context: JobContext) -> None:
    context.wait(30)


@job(tags=("words", "mail"))
def plain_words(*args: Any, **kwargs: Any) -> None:
    pass


@job
def sleep(seconds: float) -> None:
    time.sleep(seconds)


@job
def sleep_timed(seconds: float) -> list[float]:
    """When it started and ended, by the clock of this host."""
    started = time.time()
    time.sleep(seconds)
    return [started, time.time()]


@job(takes_context=True, queue_name="nice")
def wait_nicely(context: JobContext, seconds: float) -> None:
    context.wait(seconds)


@job
def enqueue_other(depth: int) -> None:
    if depth:
        enqueue_other.enqueue(depth=depth - 1)


@job(max_attempts=1)
def once(seconds: float) -> None:
    time.sleep(seconds)


@job(takes_context=True)
def report_progress(context: JobContext) -> None:
    context.progress(1, 2, "half")
    context.wait(60)


@job
def leave_a_pool_at_work(seconds: float) -> None:
    ThreadPoolExecutor(1).submit(time.sleep, seconds)


@job(takes_context=True)
async def sleep_async(context: JobContext, seconds: float) -> list[float]:
    """When it started and ended, by the clock of this host."""
    started = time.time()
    await asyncio.sleep(seconds)
    assert current_job() is context
    return [started, time.time()]


@job(queue_name="nice")
async def sleep_nicely_async(seconds: float) -> None:
    await asyncio.sleep(seconds)


@job(timeout=0.2, max_attempts=1)
async def overrun_async() -> None:
    await asyncio.sleep(60)


@job(max_attempts=2, backoff=lambda exception, task_result: 0)
async def fail_once_async() -> int:
    if current_job().attempt == 1:
        raise ValueError("no luck")
    return current_job().attempt


@job
async def swallow_async(seconds: float) -> str:
    """Runs on whatever it is asked."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
    return "ran on"


@job
async def hold_up_the_loop(seconds: float) -> None:
    time.sleep(seconds)


@job(takes_context=True)
async def report_progress_async(context: JobContext) -> None:
    context.progress(1, 2, "half")
    await asyncio.sleep(60)


@job()
def kill_the_process() -> None:
    """Like a segmentation fault, or the kernel when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@job()
def exit_with_zero() -> None:
    os._exit(0)
