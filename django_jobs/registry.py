"""
Which tasks this process knows.

A row names its task by path. That path is only ever looked up among modules that are
imported already; nothing is imported because a row says so.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.apps import apps

from .compat import Task
from .exceptions import TaskModuleError, UnknownTask

# The paths that tasks had before, and those that they have.
_aliases: dict[str, str] = {}


def discover(extra: Iterable[str] = ()) -> None:
    """
    Import the ``tasks`` module of each installed app, and the modules in ``extra``.

    :raises TaskModuleError: one of them can't be imported.
    """
    names = [f"{app.name}.tasks" for app in apps.get_app_configs()]
    for name in [*(name for name in names if _exists(name)), *extra]:
        try:
            import_module(name)
        except Exception as error:
            raise TaskModuleError(name, error) from error


@lru_cache
def _exists(name: str) -> bool:
    return find_spec(name) is not None


def add_alias(alias: str, path: str) -> None:
    """
    Let jobs that were enqueued for ``alias`` run the task at ``path``.

    :raises ValueError: ``alias`` is no path, or another task's.
    """
    if not isinstance(alias, str) or not all(part.isidentifier() for part in alias.split(".")):
        raise ValueError(f"An alias is a path such as 'shop.tasks.mail', not {alias!r}.")

    other = _aliases.setdefault(alias, path)
    if other != path:
        raise ValueError(f"The alias {alias!r} of {path} is that of {other} already.")


def find_task(path: str) -> Task[Any, Any]:
    """
    The task at ``path``, or the one that has it as an alias.

    :raises UnknownTask: no imported module has a task of that name.
    """
    found = _task_at(path)
    if found is None and path in _aliases:
        found = _task_at(_aliases[path])
    if found is None:
        raise UnknownTask(path)
    return found


def look_up(path: str, extra: Iterable[str] = ()) -> Task[Any, Any]:
    """
    The same, in a process that need not have imported every module of tasks yet.

    :raises UnknownTask: as above.
    :raises TaskModuleError: as ``discover()``.
    """
    try:
        return find_task(path)
    except UnknownTask:
        discover(extra)
        return find_task(path)


def _task_at(path: str) -> Task[Any, Any] | None:
    module_name, _, name = path.rpartition(".")
    # Not by getattr(): a module's own __getattr__() may import what a row asks for.
    found = getattr(sys.modules.get(module_name), "__dict__", {}).get(name)
    return found if isinstance(found, Task) else None


def is_coroutine(path: str) -> bool:
    """Whether the task at ``path`` is an ``async def``; False where there is none."""
    try:
        return is_coroutine_function(find_task(path).func)
    except UnknownTask:
        return False


# Asked for each job, and slow to tell.
is_coroutine_function = lru_cache(maxsize=1024)(iscoroutinefunction)


def known_tasks() -> list[str]:
    """The paths of all tasks in the modules imported so far."""
    return sorted(
        {
            value.module_path
            for module in list(sys.modules.values())
            for value in list(vars(module).values() if hasattr(module, "__dict__") else ())
            # By type() alone: isinstance() would wake what is lazy, such as Django's admin site,
            # which fails in a project without the admin.
            if issubclass(type(value), Task)
        }
    )


def known_paths() -> list[str]:
    """The paths of all tasks in the modules imported so far, and those that they had before."""
    return sorted({*known_tasks(), *_aliases})
