"""Coroutine tasks that do what Django users, or nobody, should do."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from asgiref.sync import sync_to_async
from django.db import transaction

from django_jobs import current_job, job
from django_jobs.models import Queue

from . import odd


@job(max_attempts=1)
async def write(name: str) -> int:
    """What Django's own asynchronous ORM does, in several calls."""
    await Queue.objects.aget_or_create(name=name)
    await Queue.objects.filter(name=name).aupdate(paused_at=None)
    return await Queue.objects.acount()


@job(max_attempts=1)
async def leave_open(how: str, name: str) -> None:
    def begin() -> None:
        if how == "atomic":
            transaction.atomic().__enter__()
        else:
            transaction.set_autocommit(False)
        Queue.objects.create(name=name)

    await sync_to_async(begin)()
    await asyncio.sleep(1)


@job(timeout=0.1, max_attempts=1)
async def overrun_in_a_thread(seconds: float, *, sensitive: bool) -> None:
    def call() -> None:
        time.sleep(seconds)
        odd.CALLS.append(time.monotonic())

    await (sync_to_async(call)() if sensitive else asyncio.to_thread(call))


@job
async def cancel_itself() -> str:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "done"


@job
async def leave_a_task_that_exits() -> str:
    async def leave() -> None:
        raise SystemExit(5)

    left = asyncio.create_task(leave())
    await asyncio.sleep(0.05)
    return type(left.exception()).__name__


@job(max_attempts=1)
async def wait_on_the_loop() -> None:
    current_job().wait(0.01)


@job
async def enqueue_from_a_coroutine() -> None:
    await odd.note.aenqueue("from a coroutine")


def _backoff(exception: BaseException, task_result: Any) -> float:
    return 1000.0 + Queue.objects.count()


@job(timeout=0.1, backoff=_backoff)
async def back_off_by_the_database_when_late() -> None:
    await asyncio.sleep(60)


@job(backoff=_backoff)
async def back_off_by_the_database() -> None:
    raise ValueError("no luck")
