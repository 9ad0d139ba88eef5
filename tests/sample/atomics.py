"""Tasks whose effects are rows of queues, which any test may count."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from django.db import transaction
from django.db.models import F

from django_jobs import Backoff, JobContext, job
from django_jobs.models import Job, Queue


def effect(name: str) -> None:
    Queue.objects.create(name=name)


@job(atomic=True)
def write(name: str) -> str:
    effect(name)
    return name


@job(atomic=True, max_attempts=100, backoff=Backoff(base=0.1, maximum=0.1))
def write_slowly(name: str) -> None:
    effect(name)
    time.sleep(0.05)


@job(atomic=True, max_attempts=1)
def write_and_fail(name: str) -> None:
    effect(name)
    raise ValueError("after the effect")


@job(atomic=True, max_attempts=1)
def write_and_return(name: str, value: str) -> Any:
    effect(name)
    return {"good": 1, "bad": object()}[value]


@job(atomic=True, takes_context=True)
def write_and_lose_the_claim(context: JobContext, name: str) -> None:
    effect(name)
    # As another worker would have left it.
    Job.objects.filter(pk=context.task_result.id).update(claim_no=F("claim_no") + 1)  # type: ignore[union-attr]


@job(atomic=True)
def write_and_die_once(name: str, marker: str) -> None:
    """SIGKILL between the effect and the record, the first time."""
    effect(name)
    if not Path(marker).exists():
        Path(marker).touch()
        os.kill(os.getpid(), signal.SIGKILL)


@job(takes_context=True)
def complete(context: JobContext, name: str) -> str:
    with transaction.atomic():
        effect(name)
        context.complete("kept")
    return "not kept"


@job(takes_context=True, max_attempts=1)
def complete_and_roll_back(context: JobContext, name: str) -> None:
    with transaction.atomic():
        effect(name)
        context.complete()
        raise ValueError("rolled back")


@job(takes_context=True)
def complete_and_raise(context: JobContext, name: str) -> None:
    with transaction.atomic():
        effect(name)
        context.complete()
    raise ValueError("too late")


@job(takes_context=True, max_attempts=1)
def complete_without_a_transaction(context: JobContext) -> None:
    context.complete()


@job(atomic=True)
def write_and_raise_after_the_commit(name: str) -> None:
    def callback() -> None:
        raise ValueError("a callback's")

    transaction.on_commit(callback)
    effect(name)


@job(atomic="elsewhere")
def write_elsewhere() -> None:
    """Never runs."""
