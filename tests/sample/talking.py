"""Tasks that log, and tasks that enqueue others."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from typing import Any

from django.db import transaction

from django_jobs import JobContext, Snooze, enqueue_many, enqueue_on_commit, job
from tests.sample.tasks import add

logger = logging.getLogger(__name__)


class Nasty:
    def __str__(self) -> str:
        raise SystemExit("not for the log")


@job
def talk(text: str, *args: Any) -> str:
    logger.warning(text, *args)
    return "talked"


@job
async def talk_async(text: str) -> str:
    logger.warning("before %s", text)
    await asyncio.sleep(0)
    await asyncio.to_thread(logger.warning, "in a thread %s", text)
    return "talked"


@job
def talk_and_sleep(text: str, seconds: float) -> None:
    logger.warning(text)
    time.sleep(seconds)


@job
def talk_at_every_level() -> None:
    for level in ("debug", "info", "warning", "error", "critical"):
        getattr(logger, level)("at %s", level)


@job
def talk_nastily() -> str:
    logger.warning("%d apples", "no number")
    logger.warning("%s", Nasty())
    logger.warning("NUL \x00 and a surrogate \ud800")
    return "talked"


@job
def talk_of_an_error() -> None:
    try:
        raise KeyError("inner")
    except KeyError:
        logger.exception("caught")


@job(max_attempts=2)
def talk_and_fail(text: str) -> None:
    logger.warning("attempt with %s", text)
    raise ValueError(text)


@job
def talk_and_snooze() -> None:
    logger.warning("later")
    raise Snooze(after=60)


@job
def talk_in_threads() -> None:
    context = contextvars.copy_context()
    for target in (
        lambda: logger.warning("without the context"),
        lambda: context.run(logger.warning, "with the context"),
    ):
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()


@job(atomic=True)
def talk_atomically(fail: bool = False) -> str:
    logger.warning("within")
    transaction.on_commit(lambda: logger.warning("after the commit"))
    if fail:
        raise ValueError("rolled back")
    return "talked"


@job(takes_context=True)
def talk_and_complete(context: JobContext) -> None:
    with transaction.atomic():
        logger.warning("within")
        context.complete("done")
    logger.warning("after it was complete")


@job(sensitive=("token",))
def talk_of_a_token(token: str) -> None:
    logger.warning("calls with %s, that is %r", token, [token])
    logger.warning("%s", "x" * 4_990 + token)


@job
def beget(count: int) -> None:
    add.enqueue(1, count)
    enqueue_many(add, [(2, n) for n in range(count)])
    enqueue_on_commit(add, 3, count)


@job
async def beget_async() -> None:
    await add.aenqueue(1, 2)


@job(atomic=True)
def beget_atomically() -> None:
    add.enqueue(1, 2)
    enqueue_on_commit(add, 3, 4)
