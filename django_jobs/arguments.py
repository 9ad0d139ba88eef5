"""
The one validator of what a job carries: arguments on the way in, return values on the way
out.

Databases differ in what they do to JSON: PostgreSQL refuses NUL and turns 1e22 into an
integer, MySQL rounds large integers, MariaDB and SQLite keep the text. So whatever one of
them would change is refused for all of them, before anything is written.
"""

import json
import math
from copy import deepcopy
from itertools import chain
from typing import Any, Final

from .exceptions import InvalidArgument, InvalidReturnValue

MAX_INT: Final = 2**63 - 1
# Integral floats from here on are written with an exponent, and jsonb returns them as int.
MAX_INTEGRAL_FLOAT: Final = 1e16


def check_arguments(
    args: Any, kwargs: dict[str, Any], *, max_bytes: int, max_depth: int
) -> tuple[list[Any], dict[str, Any], tuple[str, str]]:
    """
    A copy of ``args`` and ``kwargs`` that JSON carries back unchanged, and both as JSON.

    :param max_bytes: the most that both may take as JSON, in bytes.
    :param max_depth: how deep a single argument may be nested.
    :raises InvalidArgument: names the argument and says what to do instead.
    """
    copied_args = [_copy(value, f"args[{i}]", max_depth) for i, value in enumerate(args)]
    copied_kwargs = {
        _text(name, "the argument's name"): _copy(value, f"kwargs[{name!r}]", max_depth)
        for name, value in kwargs.items()
    }
    stored = json.dumps(copied_args), json.dumps(copied_kwargs)
    _check_size(sum(map(len, stored)) + len("[, ]"), "the arguments", max_bytes)
    return copied_args, copied_kwargs, stored


def handed_over(args: list[Any], kwargs: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """
    A job's arguments for its task to do with as it likes. What it changes in them must not
    change the job's own, which are still needed when it has ended, to be shown or masked.
    """
    if any(isinstance(value, list | dict) for value in chain(args, kwargs.values())):
        return deepcopy((args, kwargs))
    return args, kwargs


def check_return_value(value: Any, *, max_bytes: int, max_depth: int) -> Any:
    """
    A copy of ``value`` that JSON carries back; see ``check_arguments()``.

    A task's result is written once and read by people, so tuples are taken for lists here.

    :raises InvalidReturnValue: names the place and says what to do instead.
    """
    if value is None:
        return None
    try:
        copied = _copy(value, "return value", max_depth, tuples=True)
        _check_size(len(json.dumps(copied)), "return value", max_bytes)
    except InvalidArgument as error:
        raise InvalidReturnValue(error.path, error.problem) from None
    return copied


def _check_size(size: int, name: str, max_bytes: int) -> None:
    if size > max_bytes:
        raise InvalidArgument(
            name,
            f"{size:,} bytes as JSON, more than the {max_bytes:,} allowed; store the data and "
            "pass its id, or raise OPTIONS['ARGUMENTS_MAX_BYTES'].",
        )


def _copy(value: Any, path: str, depth: int, *, tuples: bool = False) -> Any:
    if value is None or value is True or value is False:
        return value
    # Members of TextChoices and the like equal what comes back, so they pass as plain values.
    if isinstance(value, str):
        return _text(str.__str__(value), path)
    if isinstance(value, int):
        if -MAX_INT <= value <= MAX_INT:
            return int(value)
        raise InvalidArgument(path, "is an integer beyond 64 bits; pass it as a string.")
    if isinstance(value, float):
        return _float(float(value), path)
    kind = type(value)
    if kind is dict:
        _check_depth(path, depth)
        for key in value:
            if not isinstance(key, str):
                raise InvalidArgument(
                    path, f"has the key {key!r}, but JSON keys are strings; use str(key)."
                )
        return {
            _text(str.__str__(key), f"{path}[{key!r}]"): _copy(
                item, f"{path}[{key!r}]", depth - 1, tuples=tuples
            )
            for key, item in value.items()
        }
    if kind is list or (tuples and kind is tuple):
        _check_depth(path, depth)
        return [
            _copy(item, f"{path}[{i}]", depth - 1, tuples=tuples) for i, item in enumerate(value)
        ]
    raise InvalidArgument(path, f"is a {kind.__qualname__}, {_advice(value)}")


def _check_depth(path: str, depth: int) -> None:
    if depth <= 0:
        raise InvalidArgument(
            path,
            "is nested too deep; flatten it, or store the data and pass its id "
            "(OPTIONS['ARGUMENTS_MAX_DEPTH'] is the limit).",
        )


def _text(value: str, path: str) -> str:
    if "\x00" in value:
        raise InvalidArgument(
            path, "contains a NUL character, which PostgreSQL can't store; remove it."
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(
            path, "contains half of a surrogate pair, which is no text; decode it properly."
        ) from None
    return value


def _float(value: float, path: str) -> float:
    if not math.isfinite(value):
        raise InvalidArgument(path, f"is {value!r}, which JSON does not have; pass None instead.")
    if value.is_integer() and abs(value) >= MAX_INTEGRAL_FLOAT:
        raise InvalidArgument(
            path, "is a whole float of 1e16 or more, which may come back as int; pass a string."
        )
    if value == 0 and math.copysign(1, value) < 0:
        raise InvalidArgument(path, "is -0.0, which may come back as 0.0; pass 0.0.")
    return value


def _advice(value: Any) -> str:
    """What to pass instead of ``value``."""
    known = {
        "tuple": "which comes back as a list; pass a list.",
        "set": "which JSON does not have; pass a sorted list.",
        "frozenset": "which JSON does not have; pass a sorted list.",
        "bytes": "which JSON does not have; pass text, or base64 of it.",
        "datetime": "which JSON does not have; pass value.isoformat().",
        "date": "which JSON does not have; pass value.isoformat().",
        "Decimal": "which JSON does not have; pass str(value).",
        "UUID": "which JSON does not have; pass str(value).",
    }
    name = type(value).__name__
    if name in known:
        return known[name]
    if hasattr(value, "_meta") and hasattr(value, "pk"):
        return "a model instance; pass its primary key and fetch it in the task."
    for base in (dict, list):
        if isinstance(value, base):
            return f"which comes back as a plain {base.__name__}; pass {base.__name__}(value)."
    return "which JSON does not have; pass numbers, text, lists and dicts of them."
