"""``@job``: Django's own ``@task``, with a policy kept on the function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, wraps
from typing import Any, Concatenate, Final, Literal, ParamSpec, TypeVar, overload

from django.db import DEFAULT_DB_ALIAS

from .compat import (
    DEFAULT_TASK_BACKEND_ALIAS,
    DEFAULT_TASK_PRIORITY,
    DEFAULT_TASK_QUEUE_NAME,
    InvalidTask,
    Task,
    TaskContext,
    task,
)
from .context import JobContext
from .policy import Backoff, BackoffFunction, Policy
from .registry import add_alias
from .sensitive import SENSITIVE_ATTRIBUTE, check_sensitive
from .tags import TAGS_ATTRIBUTE, check_tags
from .unique import UNIQUE_ATTRIBUTE, check_unique

P = ParamSpec("P")
R = TypeVar("R")

POLICY_ATTRIBUTE: Final = "django_jobs_policy"
ATOMIC_ATTRIBUTE: Final = "django_jobs_atomic"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTask(Task):  # type: ignore[type-arg]
    """
    A task that takes ``max_attempts`` and ``backoff`` from Django's own ``@task`` where that
    passes them on (Django 6.1, the backport): the shape proposed for Django in
    https://github.com/django/new-features/issues/142.
    """

    max_attempts: int | None = None
    backoff: BackoffFunction | Backoff | None = None


class _Unset:
    """The default of a setting that the backend's OPTIONS decide, where None means None."""

    def __repr__(self) -> str:
        return "<from OPTIONS>"


UNSET: Final[Any] = _Unset()


@overload
def job(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def job(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[True],
    max_attempts: int = ...,
    timeout: float | None = ...,
    backoff: Backoff | BackoffFunction = ...,
    retry_on: tuple[type[BaseException], ...] = ...,
    give_up_on: tuple[type[BaseException], ...] = ...,
    aliases: tuple[str, ...] = ...,
    atomic: bool | str = ...,
    sensitive: tuple[str, ...] = ...,
    unique: bool | tuple[str, ...] = ...,
    tags: tuple[str, ...] = ...,
) -> Callable[[Callable[Concatenate[JobContext, P], R]], Task[P, R]]: ...
@overload
def job(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[False] = ...,
    max_attempts: int = ...,
    timeout: float | None = ...,
    backoff: Backoff | BackoffFunction = ...,
    retry_on: tuple[type[BaseException], ...] = ...,
    give_up_on: tuple[type[BaseException], ...] = ...,
    aliases: tuple[str, ...] = ...,
    atomic: bool | str = ...,
    sensitive: tuple[str, ...] = ...,
    unique: bool | tuple[str, ...] = ...,
    tags: tuple[str, ...] = ...,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def job(
    function: Callable[..., Any] | None = None,
    /,
    *,
    priority: int = DEFAULT_TASK_PRIORITY,
    queue_name: str = DEFAULT_TASK_QUEUE_NAME,
    backend: str = DEFAULT_TASK_BACKEND_ALIAS,
    takes_context: bool = False,
    max_attempts: int = UNSET,
    timeout: float | None = UNSET,
    backoff: Backoff | BackoffFunction = UNSET,
    retry_on: tuple[type[BaseException], ...] = UNSET,
    give_up_on: tuple[type[BaseException], ...] = UNSET,
    aliases: tuple[str, ...] = (),
    atomic: bool | str = False,
    sensitive: tuple[str, ...] = (),
    unique: bool | tuple[str, ...] = False,
    tags: tuple[str, ...] = (),
) -> Any:
    """
    Make a task of a function. It is an ordinary ``django.tasks`` task, for any backend.

    ``priority``, ``queue_name``, ``backend`` and ``takes_context`` are those of Django's
    ``@task``. The others are the task's policy, which only django_jobs reads; what is not
    given comes from the backend's ``OPTIONS``. ``Policy`` describes them.

    :param aliases: paths that the task had before: jobs that were enqueued for them run it.
    :param atomic: run each attempt in one transaction with the record of its success, so
        that what it writes to that database is written exactly once. The database is the
        default one, or the alias that is given; it has to be the one that holds the jobs.
    :param sensitive: names of arguments whose values are masked wherever the job is shown: in
        the admin, the log, and the errors of its attempts.
    :param unique: while a job with the same arguments waits or runs, or with the same values of
        those whose names are given, enqueuing inserts nothing and returns that job.
    :param tags: words by which the admin finds the jobs of the task. A tag is the task's and
        not the job's: it says what jobs are found now, those of before among them.
    :raises ValueError: a figure of the policy is out of its range, an alias belongs to
        another task, the function can't be atomic, or has no argument of such a name, or one
        that makes the key has a default that JSON doesn't have, or a tag is no word of 1 to 40
        characters.
    :raises InvalidTask: Django's or the backend's own checks refuse the task.
    """
    given: dict[str, Any] = {
        name: value
        for name, value in {
            "max_attempts": max_attempts,
            "timeout": timeout,
            "backoff": backoff,
            "retry_on": retry_on,
            "give_up_on": give_up_on,
        }.items()
        if value is not UNSET
    }
    Policy(**given)  # refuses bad figures where they are written
    if not isinstance(aliases, tuple):
        raise ValueError(f"aliases must be a tuple of the task's former paths, not {aliases!r}.")
    if not isinstance(atomic, bool | str):
        raise ValueError(f"atomic must be True, False or a database alias, not {atomic!r}.")
    check_tags(tags)

    def decorate(func: Callable[..., Any]) -> Any:
        if atomic and inspect.iscoroutinefunction(func):
            raise ValueError(f"{func.__qualname__}() is a coroutine, which can't be atomic.")
        if takes_context:
            func = _with_job_context(func)
        made = task(
            priority=priority,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,  # type: ignore[call-overload]
        )(func)
        # Only now, when it is known to be a function that can carry it.
        check_sensitive(func, sensitive, takes_context=takes_context)
        setattr(func, SENSITIVE_ATTRIBUTE, sensitive)
        check_unique(func, unique, takes_context=takes_context)
        setattr(func, UNIQUE_ATTRIBUTE, unique)
        setattr(func, TAGS_ATTRIBUTE, tags)
        setattr(func, POLICY_ATTRIBUTE, given)
        setattr(func, ATOMIC_ATTRIBUTE, DEFAULT_DB_ALIAS if atomic is True else atomic or None)
        for alias in aliases:
            add_alias(alias, made.module_path)
        return made

    return decorate if function is None else decorate(function)


def policy_of(task: Task[Any, Any], default: Policy) -> Policy:
    """The policy of ``task``: what ``@job`` or ``@task`` says, the rest from ``default``."""
    given = getattr(task.func, POLICY_ATTRIBUTE, {})
    on_task = {
        name: value
        for name in ("max_attempts", "backoff")
        if (value := getattr(task, name, None)) is not None
    }
    if not given and not on_task:
        return default
    said = tuple({**given, **on_task}.items())
    try:
        return _policy(default, said)
    except TypeError:  # a backoff that can't be hashed
        return _policy.__wrapped__(default, said)


@lru_cache(maxsize=1024)
def _policy(default: Policy, given: tuple[tuple[str, Any], ...]) -> Policy:
    return replace(default, **dict(given))


def misfit(task: Task[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Why ``task`` can't be called with these arguments; empty if it can."""
    return _misfit(task.func, len(args) + task.takes_context, tuple(kwargs))


@lru_cache(maxsize=1024)
def _misfit(func: Callable[..., Any], args: int, kwargs: tuple[str, ...]) -> str:
    try:
        inspect.signature(func).bind(*[None] * args, **dict.fromkeys(kwargs))
    except TypeError as error:
        return str(error)
    return ""


def check_atomic(task: Task[Any, Any], using: str) -> bool:
    """
    Whether ``task`` is atomic.

    :param using: the database that holds the jobs.
    :raises InvalidTask: it is, on another database: no transaction holds both.
    """
    alias: str | None = getattr(task.func, ATOMIC_ATTRIBUTE, None)
    if alias is not None and alias != using:
        raise InvalidTask(
            f"{task.module_path} is atomic on the database {alias!r}, and its jobs are on "
            f"{using!r}: no transaction holds both."
        )
    return alias is not None


def _with_job_context(func: Callable[..., Any]) -> Callable[..., Any]:
    """
    ``func``, always given a ``JobContext``: other backends pass a plain ``TaskContext``,
    which has no ``check()``.
    """

    def upgrade(context: TaskContext[Any, Any]) -> JobContext:
        if isinstance(context, JobContext):
            return context
        return JobContext(task_result=context.task_result)

    if inspect.iscoroutinefunction(func):

        @wraps(func)
        async def wrapper(context: TaskContext[Any, Any], *args: Any, **kwargs: Any) -> Any:
            return await func(upgrade(context), *args, **kwargs)

    else:

        @wraps(func)
        def wrapper(context: TaskContext[Any, Any], *args: Any, **kwargs: Any) -> Any:
            return func(upgrade(context), *args, **kwargs)

    return wrapper
