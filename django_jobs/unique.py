"""
Unique jobs: the key that the calls of a task have in common of which only one at a time may
wait or run.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from .compat import Task

UNIQUE_ATTRIBUTE: Final = "django_jobs_unique"


def check_unique(func: Callable[..., Any], unique: object, *, takes_context: bool) -> None:
    """
    Refuse what can make no key of the calls of ``func``.

    :raises ValueError: says why.
    """
    if isinstance(unique, bool):
        names: tuple[str, ...] = ()
    elif isinstance(unique, tuple) and unique and all(isinstance(name, str) for name in unique):
        names = unique
    else:
        raise ValueError(
            f"unique must be True, False or a tuple of names of arguments, not {unique!r}."
        )
    parameters = _signature(func, takes_context).parameters
    for name in names:
        if name not in parameters:
            raise ValueError(f"{func.__qualname__}() has no argument {name!r} to be unique by.")
    for name in (names or parameters) if unique else ():
        default = parameters[name].default
        if default is not inspect.Parameter.empty and not _is_json(default):
            raise ValueError(
                f"{func.__qualname__}() can't be unique by {name!r}: its default, {default!r}, "
                "is nothing that JSON has."
            )


@dataclass(frozen=True, slots=True)
class KeyMaker:
    """
    Makes the keys of the calls of one task.

    :param names: of the arguments that make the key; empty for all of them.
    """

    task_path: str
    signature: inspect.Signature
    names: tuple[str, ...] = ()

    def key(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
        """
        64 hexadecimal digits: the same for each way to write the same call, and no others.
        Text is compared as it is: a database would merge what differs in case or accents.
        """
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        chosen = {name: given[name] for name in self.names} if self.names else given
        text = json.dumps([self.task_path, chosen], sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()


def key_maker(task: Task[Any, Any]) -> KeyMaker | None:
    """What makes the keys of ``task``; None where it isn't unique."""
    unique: bool | tuple[str, ...] = getattr(task.func, UNIQUE_ATTRIBUTE, False)
    if unique is False:
        return None
    names = () if unique is True else unique
    return KeyMaker(task.module_path, _signature(task.func, task.takes_context), names)


@lru_cache(maxsize=1024)
def _signature(func: Callable[..., Any], takes_context: bool) -> inspect.Signature:
    """What ``func`` is called with, less its context."""
    signature = inspect.signature(func)
    parameters = list(signature.parameters.values())
    return signature.replace(parameters=parameters[1:]) if takes_context else signature


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
