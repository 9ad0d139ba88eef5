"""Tasks that do what no task should, and plain ones for the contract."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
from typing import Any

import django
from django.utils import timezone, translation

from django_jobs import JobContext, current_job, job
from django_jobs.compat import HAS_DJANGO_TASKS, task

CALLS: list[Any] = []
"""What the tasks of this module did; a test that looks at it empties it first."""

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")


@job
def note(what: Any) -> Any:
    CALLS.append(what)
    return what


@job(max_attempts=1)
def raise_base(name: str) -> None:
    kinds = (SystemExit, KeyboardInterrupt, GeneratorExit, asyncio.CancelledError)
    raise {kind.__name__: kind for kind in kinds}[name]("from the task")


@job(max_attempts=1)
async def raise_base_async(name: str) -> None:
    raise_base.func(name)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def odd_message(kind: str) -> BaseException:
    return {
        "nul": lambda: ValueError("before\x00after"),
        "surrogate": lambda: ValueError("half \ud800 of a pair"),
        "huge": lambda: ValueError("x" * 10_000_000),
        "unprintable": Unprintable,
        "lines": lambda: ValueError("\n\n  first\nsecond"),
        "emoji": lambda: ValueError("grüße 🚀"),
        "empty": ValueError,
    }[kind]()


@job(max_attempts=1)
def raise_odd(kind: str) -> None:
    raise odd_message(kind)


class Thing:
    pass


def odd_value(kind: str) -> Any:
    return {
        "object": Thing,
        "nan": lambda: float("nan"),
        "nul": lambda: "\x00",
        "surrogate": lambda: "\udfff",
        "bytes": lambda: b"raw",
        "date": lambda: datetime.date(2024, 2, 29),
        "int keys": lambda: {1: "one"},
        "too large": lambda: "x" * 1_000_000,
        "cycle": _cycle,
    }[kind]()


def _cycle() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


@job(max_attempts=1)
def return_odd(kind: str) -> Any:
    return odd_value(kind)


@job
def return_tuple() -> Any:
    return (1, (2, 3))


@job
def leave_traces() -> list[str]:
    before = surroundings()
    VARIABLE.set("touched")
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    return before


@job
async def leave_traces_async() -> list[str]:
    return leave_traces.func()


def surroundings() -> list[str]:
    return [VARIABLE.get(), translation.get_language(), timezone.get_current_timezone_name()]


@job(max_attempts=3, backoff=lambda exception, task_result: 10 * task_result.attempts)
def back_off_by_function() -> None:
    raise ValueError("no luck")


@job(backoff=lambda exception, task_result: None)
def back_off_never() -> None:
    raise ValueError("no luck")


def _broken_backoff(exception: BaseException, task_result: Any) -> float:
    raise SystemExit("the backoff itself")


@job(backoff=_broken_backoff)
def back_off_brokenly() -> None:
    raise ValueError("no luck")


@job(retry_on=(OSError,))
def fail_with(name: str) -> None:
    raise {"OSError": OSError, "ValueError": ValueError}[name]("no luck")


@job(takes_context=True)
def facts(context: JobContext) -> dict[str, Any]:
    return {
        "id": context.task_result.id,
        "attempt": context.attempt,
        "status": context.task_result.status,
        "fence": context.fence,
        "current": current_job() is context,
    }


@task
def bare() -> str:
    """A task of Django's own decorator."""
    return "bare"


# The backend's task class takes a policy from Django's own decorator, where that passes it on.
PASSES_POLICY_ON = not HAS_DJANGO_TASKS or django.VERSION >= (6, 1)

if PASSES_POLICY_ON:

    @task(max_attempts=2, backoff=lambda exception, task_result: 7)
    def with_policy() -> None:
        raise ValueError("no luck")


def not_a_task() -> None:
    CALLS.append("not_a_task ran")


@job(max_attempts=3)
def spoil_arguments(order: dict[str, Any], fails: bool) -> None:
    order["when"] = timezone.now()
    if fails:
        raise ConnectionError("the mail server is away")


@job(max_attempts=3)
async def spoil_arguments_async(order: dict[str, Any], fails: bool) -> None:
    spoil_arguments.func(order, fails)
