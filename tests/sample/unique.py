"""Unique tasks."""

from __future__ import annotations

from typing import Any

from django_jobs import JobContext, job


@job(unique=True, max_attempts=2)
def by_all(text: str, count: int = 1, **options: Any) -> str:
    return text * count


@job(unique=True)
def by_all_too(text: str, count: int = 1) -> str:
    return text * count


@job(unique=("order_id", "part"))
def by_some(order_id: int, note: str = "", *, part: str | None = None) -> str:
    return note


@job(unique=("text",), takes_context=True)
def with_context(context: JobContext, text: str, count: int = 1) -> str:
    return text * count


@job(unique=True)
async def coroutine(text: str) -> str:
    return text
