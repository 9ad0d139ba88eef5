"""Many rows as the parameters of one statement; see ``Dialect.rows()``."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


def dump(rows: Iterable[Sequence[Any]]) -> str:
    """The parameter for ``rows``: for each its values, in the order of columns."""
    return _encode(list(rows))


def dump_once(
    columns: Iterable[str], rows: Sequence[Sequence[Any]]
) -> tuple[tuple[str, ...], list[Any]]:
    """
    The same with what all ``rows`` share said once: most of what becomes of a batch is the same
    for each of its jobs, and to read it from JSON is half of what a record costs.

    :param columns: their names; that of the key is ``id``.
    :returns: the names of what they share, and all parameters.
    """
    values = dict(zip(columns, zip(*rows, strict=True), strict=True))
    same = tuple(name for name, of in values.items() if name != "id" and of.count(of[0]) == len(of))
    once = [values.pop(name)[0] for name in same]
    return same, [*once, dump(zip(*values.values(), strict=True))]
