"""
``TASKS[alias]["OPTIONS"]``, read once into a frozen dataclass.

Reading never raises: what is wrong is collected as ``Problem`` values, which the system
checks report and which make ``DatabaseBackend.options`` raise ``InvalidOptions``.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final, Literal

from .policy import Backoff, Policy

QUEUE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")

# MariaDB 10.11 takes JSON of 31 levels, one of which is the list of arguments.
MAX_DEPTH: Final = 30

RELEASE_LENGTH: Final = 64
LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

OnStop = Literal["drain", "release"]


@dataclass(frozen=True, slots=True)
class Options:
    """
    The options of one backend alias; docs/settings.md describes each.

    :param policy: what a task gets that does not say otherwise.
    :param lease: seconds after its last heartbeat at which a worker counts as lost.
    :param max_crashes: after how many lost workers in a row a job is dead.
    :param max_interruptions: after how many stops in a row that cut a job short, the last of
        them included, such a stop counts as a failed attempt.
    :param arguments_max_bytes: the size of a job's arguments as JSON.
    :param arguments_max_depth: how deep they may be nested.
    :param task_modules: modules with tasks besides the ``tasks`` module of each app.
    :param unknown_task_grace: seconds that a job waits for a worker that knows its task.
    :param delete_successful: delete a job's row when it has succeeded.
    :param notify: whether an enqueue on PostgreSQL tells idle workers with a ``NOTIFY``.
    :param release: what the deployed release of the project is called; empty where nobody says.
    :param on_stop: for a queue, what a stopping worker does with its claimed jobs: ``drain``
        finishes them all, ``release`` also ends those that run at their next check; by
        default those that run are finished and the others given back.
    :param keep_logs: the lowest level of what jobs log that is kept with them; None for nothing.
    """

    policy: Policy = field(default_factory=Policy)
    lease: float = 30.0
    max_crashes: int = 3
    max_interruptions: int = 20
    arguments_max_bytes: int = 64 * 1024
    arguments_max_depth: int = MAX_DEPTH
    task_modules: tuple[str, ...] = ()
    unknown_task_grace: float = 86400.0
    delete_successful: bool = False
    notify: bool = True
    release: str = ""
    on_stop: Mapping[str, OnStop] = field(default_factory=dict)
    keep_logs: str | None = "INFO"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in the settings: a check id, a message and a hint."""

    id: str
    message: str
    hint: str = ""


def read_options(raw: object) -> tuple[Options, list[Problem]]:
    """The options in ``raw``, and what is wrong with it; wrong ones have their default."""
    if not isinstance(raw, Mapping):
        return Options(), [Problem("django_jobs.E002", f"OPTIONS must be a dict, not {raw!r}.")]
    problems: list[Problem] = []
    policy: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in READERS:
            problems.append(_unknown(name))
            continue
        try:
            read = READERS[name](value)
        except (TypeError, ValueError) as error:
            problems.append(Problem("django_jobs.E002", f"OPTIONS[{name!r}]: {error}"))
            continue
        target = policy if name in POLICY_OPTIONS else options
        target[name.lower()] = read
    return Options(policy=Policy(**policy), **options), problems


def _unknown(name: object) -> Problem:
    near = get_close_matches(str(name).upper(), READERS, n=1)
    hint = f"Did you mean {near[0]!r}?" if near else f"Known options: {', '.join(READERS)}."
    return Problem("django_jobs.E001", f"OPTIONS has no option {name!r}.", hint)


def _whole(value: object, least: int, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"must be a whole number from {least} to {most}, not {value!r}.")
    return value


def _seconds(value: object, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"must be a number of seconds from {least:g} to {most:g}, not {value!r}.")
    return float(value)


def _timeout(value: object) -> float | None:
    return None if value is None else _seconds(value, 0.001, 7 * 86400)


def _backoff(value: object) -> Any:
    if isinstance(value, Mapping):
        unknown = set(value) - {"base", "maximum", "jitter"}
        if unknown:
            raise ValueError(f"knows base, maximum and jitter, not {', '.join(sorted(unknown))}.")
        return Backoff(**value)
    if isinstance(value, Backoff) or callable(value):
        return value
    raise ValueError(
        "must be a Backoff, a dict with its base, maximum and jitter, or a function "
        f"backoff(exception, task_result), not {value!r}."
    )


def _modules(value: object) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(f"must be a list of module names, not {value!r}.")
    for module in value:
        if not isinstance(module, str) or not all(p.isidentifier() for p in module.split(".")):
            raise ValueError(f"{module!r} is no module name.")
    return tuple(value)


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be True or False, not {value!r}.")
    return value


def _release(value: object) -> str:
    if not isinstance(value, str) or len(value) > RELEASE_LENGTH or not value.isprintable():
        raise ValueError(f"must be a text of {RELEASE_LENGTH} characters at most, not {value!r}.")
    return value


def _on_stop(value: object) -> dict[str, OnStop]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a dict of queue names, not {value!r}.")
    for queue, action in value.items():
        if not isinstance(queue, str) or not QUEUE_NAME.fullmatch(queue):
            raise ValueError(f"{queue!r} is no queue name (letters, digits, '_', '.', '-').")
        if action not in ("drain", "release"):
            raise ValueError(f"the queue {queue!r} must be 'drain' or 'release', not {action!r}.")
    return dict(value)


def _level(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value in LEVELS):
        return value
    raise ValueError(f"must be one of {', '.join(LEVELS)}, or None, not {value!r}.")


POLICY_OPTIONS: Final = frozenset({"MAX_ATTEMPTS", "TIMEOUT", "BACKOFF"})

READERS: Final[dict[str, Callable[[Any], Any]]] = {
    "MAX_ATTEMPTS": lambda value: _whole(value, 1, 32767),
    "TIMEOUT": _timeout,
    "BACKOFF": _backoff,
    "LEASE": lambda value: _seconds(value, 1, 3600),
    "MAX_CRASHES": lambda value: _whole(value, 1, 100),
    "MAX_INTERRUPTIONS": lambda value: _whole(value, 1, 1000),
    "ARGUMENTS_MAX_BYTES": lambda value: _whole(value, 2, 16 * 1024 * 1024),
    "ARGUMENTS_MAX_DEPTH": lambda value: _whole(value, 1, MAX_DEPTH),
    "TASK_MODULES": _modules,
    "UNKNOWN_TASK_GRACE": lambda value: _seconds(value, 0, 30 * 86400),
    "DELETE_SUCCESSFUL": _flag,
    "NOTIFY": _flag,
    "RELEASE": _release,
    "ON_STOP": _on_stop,
    "KEEP_LOGS": _level,
}
