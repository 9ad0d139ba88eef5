"""The search of the job list: what somebody has typed, as conditions on jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.db.models import F
from django.db.models.functions import Lower
from django.utils.text import smart_split, unescape_string_literal

from ..arguments import MAX_INT
from ..backend import DatabaseBackend
from ..compat import task_backends
from ..db.documents import HasMember
from ..exceptions import TaskModuleError, UnknownTask
from ..failure import is_storable
from ..models import Worker
from ..registry import discover, find_task, known_paths
from ..sensitive import MASK, masked
from ..tags import tagged

ID: Final = "id"
ARGUMENT: Final = "argument"
TAG: Final = "tag"
PREFIXES: Final = ("task", "queue", "worker", "error", "parent", TAG)
# Each of them names a few rows, which an index has.
INDEXED: Final = frozenset({ID, "parent"})
WORKERS: Final = 1000


@dataclass(frozen=True, slots=True)
class Term:
    """
    One thing that is searched for: of a ``kind``, one of PREFIXES, ID or ARGUMENT.

    :param name: of the argument.
    """

    kind: str
    value: Any
    name: str = ""


def terms(text: str) -> list[Term]:
    """What ``text`` asks for; a job is to match all of it. Quotes keep words together."""
    return [_term(word) for word in smart_split(text)]


def _term(word: str) -> Term:
    found = job_id(word)
    if found is not None:
        return Term(ID, found)
    kind, colon, value = word.partition(":")
    if colon and kind.lower() in PREFIXES:
        return Term(kind.lower(), _unquoted(value))
    name, equals, value = word.partition("=")
    if equals and name.isidentifier():
        return Term(ARGUMENT, _argument(value), name)
    return Term("task", _unquoted(word))


def job_id(text: str) -> UUID | None:
    """The id that somebody searches for; None where it is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None


def _unquoted(text: str) -> str:
    try:
        return unescape_string_literal(text) if len(text) > 1 else text
    except ValueError:
        return text


def _argument(text: str) -> Any:
    """A number, true, false, null or a "text" of JSON; anything else is text as it is."""
    if not text.startswith(("[", "{")):
        with suppress(ValueError):
            value = json.loads(text)
            if not isinstance(value, int | float) or _is_stored(value):
                return value
    return _unquoted(text)


def _is_stored(number: float) -> bool:
    """Whether an argument can be that number."""
    return math.isfinite(number) if isinstance(number, float) else abs(number) <= MAX_INT


def matching(jobs: Any, wanted: list[Term]) -> Any:
    """Those of ``jobs`` that match all of ``wanted``."""
    for term in wanted:
        jobs = _matching(jobs, term)
    return jobs


def _matching(jobs: Any, term: Term) -> Any:
    value = term.value
    # An escape of JSON may stand for it.
    if isinstance(value, str) and not is_storable(value):
        return jobs.none()
    match term.kind:
        case "id":
            return jobs.filter(pk=value)
        case "parent":
            parent = job_id(value)
            return jobs.none() if parent is None else jobs.filter(parent_id=parent)
        case "queue":
            return jobs.filter(queue_name=value)
        case "worker":
            return jobs.filter(worker_id__in=list(_workers(value)))
        case "error":
            return jobs.filter(last_error__icontains=value)
        case "tag":
            return jobs.filter(task_path__in=tagged(value, _known_paths()))
        case "argument":
            paths = [path for path in _known_paths() if _is_shown(path, term.name)]
            # Only those whose arguments are shown, or it could be guessed what is hidden.
            return jobs.filter(HasMember(F("kwargs"), term.name, value), task_path__in=paths)
    # Its column tells upper from lower case, on some databases.
    lower = jobs.alias(lower_path=Lower("task_path"))
    return lower.filter(lower_path__contains=value.lower())


def _workers(value: str) -> Iterator[UUID]:
    """The ids of the workers that ``value`` names: an id, ``host:pid``, or a host."""
    found = job_id(value)
    if found is not None:
        yield found
        return
    host, _colon, pid = value.rpartition(":")
    # Nine digits: no process has more, and every database takes them.
    one = {"hostname": host, "pid": int(pid)} if pid.isdecimal() and len(pid) < 10 else None
    workers = Worker.objects.filter(**(one or {"hostname": value})).order_by("-pk")
    yield from workers.values_list("pk", flat=True)[:WORKERS]


def _known_paths() -> list[str]:
    for backend in task_backends.all():
        if isinstance(backend, DatabaseBackend):
            with suppress(TaskModuleError, ImproperlyConfigured):
                discover(backend.jobs_options.task_modules)
    return known_paths()


def _is_shown(path: str, name: str) -> bool:
    """Whether the page of a job of that task shows what it was called with as ``name``."""
    try:
        task = find_task(path)
    except UnknownTask:
        return False
    _args, kwargs = masked(task, (), {name: None})
    return kwargs[name] is not MASK


def unknown_tags(wanted: list[Term]) -> list[str]:
    """The tags among them that no task has."""
    tags = [term.value for term in wanted if term.kind == TAG]
    paths = _known_paths() if tags else []
    return [tag for tag in tags if not tagged(tag, paths)]


def needs_arguments(wanted: list[Term]) -> bool:
    """Whether that is only for those who may view arguments."""
    return any(term.kind == ARGUMENT for term in wanted)


def is_indexed(wanted: list[Term]) -> bool:
    """Whether an index leads to a few rows, and the rest is looked for among those."""
    return any(term.kind in INDEXED for term in wanted)
