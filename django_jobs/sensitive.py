"""
Sensitive arguments: wherever a job is shown or described, a mask stands in their place.

The row holds them as they are, since the task needs them.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus

from .compat import Task
from .exceptions import UnknownTask
from .registry import find_task

if TYPE_CHECKING:
    from .models import Job

SENSITIVE_ATTRIBUTE: Final = "django_jobs_sensitive"
MASK: Final = "********"

# A text is searched for a value of so many characters; a shorter one can't be told from
# other text.
SHORTEST: Final = 3
# One of less is masked as a word of its own only: "1234" is no part of "1234567".
SHORTEST_PART: Final = 8
# Messages may cut a long value short. What begins like one is masked as far as it agrees.
HEAD: Final = 16

Hide = Callable[[str], str]


def check_sensitive(func: Callable[..., Any], names: object, *, takes_context: bool) -> None:
    """
    Refuse names that are no arguments of ``func``, such as a misspelt one.

    :raises ValueError: says which.
    """
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"sensitive must be a tuple of names of arguments, not {names!r}.")
    positional, others, rest, rest_by_name = _parameters(func, takes_context)
    known = {*positional, *others, rest, rest_by_name}
    for name in names:
        if name not in known and (rest_by_name is None or not name.isidentifier()):
            raise ValueError(f"{func.__qualname__}() has no argument {name!r} to be sensitive.")


def masked(
    task: Task[Any, Any], args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """``args`` and ``kwargs`` of a call of ``task`` as they may be shown."""
    names: tuple[str, ...] = getattr(task.func, SENSITIVE_ATTRIBUTE, ())
    if not names:
        return list(args), dict(kwargs)
    positional, others, rest, rest_by_name = _parameters(task.func, task.takes_context)

    # What another release has enqueued need not fit: a value that no parameter takes may be
    # the secret under another name.
    def by_place(place: int) -> bool:
        name = positional[place] if place < len(positional) else rest
        return name is None or name in names

    def by_name(name: str) -> bool:
        known = name in positional or name in others
        return name in names or (not known and (rest_by_name is None or rest_by_name in names))

    return (
        [MASK if by_place(place) else value for place, value in enumerate(args)],
        {name: MASK if by_name(name) else value for name, value in kwargs.items()},
    )


@lru_cache(maxsize=1024)
def _parameters(
    func: Callable[..., Any], takes_context: bool
) -> tuple[tuple[str, ...], frozenset[str], str | None, str | None]:
    """What ``func`` takes: by place, by name only, and the names of ``*args`` and ``**kwargs``."""
    by_kind: dict[Any, list[str]] = {}
    for parameter in inspect.signature(func).parameters.values():
        by_kind.setdefault(parameter.kind, []).append(parameter.name)
    kinds = inspect.Parameter
    by_place = (
        *by_kind.get(kinds.POSITIONAL_ONLY, ()),
        *by_kind.get(kinds.POSITIONAL_OR_KEYWORD, ()),
    )
    [rest] = by_kind.get(kinds.VAR_POSITIONAL, [None])
    [rest_by_name] = by_kind.get(kinds.VAR_KEYWORD, [None])
    by_name = frozenset(by_kind.get(kinds.KEYWORD_ONLY, ()))
    return by_place[1:] if takes_context else by_place, by_name, rest, rest_by_name


def hiding(task: Task[Any, Any] | None, job: Job) -> Hide | None:
    """
    What masks the values of sensitive arguments of ``job`` in a text that may quote them;
    None where it has none.
    """
    if task is None or not getattr(task.func, SENSITIVE_ATTRIBUTE, ()):
        return None
    args, kwargs = masked(task, job.args, job.kwargs)
    secrets = [value for value, shown in zip(job.args, args, strict=True) if shown is MASK]
    secrets += [job.kwargs[name] for name, shown in kwargs.items() if shown is MASK]
    # The longest first: it may hold a shorter one.
    forms = sorted({form for value in _leaves(secrets) for form in _forms(value)}, key=len)[::-1]

    def hide(text: str) -> str:
        for form in forms:
            text = _without(form, text)
        return text

    return hide


def hiding_for(job: Job) -> Hide | None:
    """The same where the task is not at hand."""
    try:
        return hiding(find_task(job.task_path), job)
    except UnknownTask:
        return None  # it never ran here, so nothing can quote its arguments


def masked_whole(text: str) -> str:
    """For where it can't be told what to mask."""
    return MASK


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _forms(value: str) -> set[str]:
    """``value`` as messages write it: itself, its lines, its repr, as JSON, in a URL."""
    forms = {
        value,
        *(line.strip() for line in value.splitlines()),
        repr(value)[1:-1],
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
        quote(value, safe="", errors="replace"),
    }
    return {form for form in forms if len(form) >= SHORTEST}


def _without(form: str, text: str) -> str:
    if len(form) < SHORTEST_PART:
        return re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, text)
    head, parts, start = form[:HEAD], [], 0
    while (found := text.find(head, start)) >= 0:
        parts += [text[start:found], MASK]
        pairs = zip(form, text[found : found + len(form)], strict=False)
        start = found + sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return "".join([*parts, text[start:]])
