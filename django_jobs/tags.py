"""Tags of tasks: words by which people find the jobs of tasks that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from .compat import Task
from .exceptions import UnknownTask
from .registry import find_task

TAGS_ATTRIBUTE: Final = "django_jobs_tags"

# As it stands in a search, without quotes.
_TAG: Final = re.compile(r"""[^\s,"']{1,40}""")


def check_tags(tags: object) -> None:
    """
    Refuse what can't be searched for.

    :raises ValueError: says what.
    """
    if not isinstance(tags, tuple):
        raise ValueError(f"tags must be a tuple of words, not {tags!r}.")
    for tag in tags:
        if not isinstance(tag, str) or not _TAG.fullmatch(tag) or not tag.isprintable():
            raise ValueError(
                f"A tag is a word of 1 to 40 characters, without spaces, commas and quotes, "
                f"not {tag!r}."
            )


def tags_of(task: Task[Any, Any]) -> tuple[str, ...]:
    """The tags of ``task``; a plain ``@task`` has none."""
    tags: tuple[str, ...] = getattr(task.func, TAGS_ATTRIBUTE, ())
    return tags


def tagged(tag: str, paths: Iterable[str]) -> list[str]:
    """Those of ``paths`` whose task has ``tag``, in upper or lower case."""
    return [path for path in paths if tag.lower() in {each.lower() for each in _tags_at(path)}]


def _tags_at(path: str) -> tuple[str, ...]:
    try:
        return tags_of(find_task(path))
    except UnknownTask:
        return ()  # an alias of a task whose module is not there
