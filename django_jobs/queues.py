"""Which queues a worker serves."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Q

_PATTERN: Final = re.compile(r"[A-Za-z0-9_.-]{0,64}\*?")


class InvalidQueuePattern(ValueError):
    """A pattern that can't match any queue; ``pattern`` is it."""

    def __init__(self, pattern: str, why: str) -> None:
        super().__init__(f"{pattern!r} {why}")
        self.pattern = pattern


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """
    Patterns of queue names: exact ones, or beginnings that end with ``*``.

    :param include: which queues; none means all.
    :param exclude: which of them not.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    @classmethod
    def parse(
        cls, include: str = "", exclude: str = "", known: Collection[str] = ()
    ) -> "QueueFilter":
        """
        Read comma-separated patterns.

        :param known: the names in the backend's QUEUES; empty where any name goes.
        :raises InvalidQueuePattern: a pattern is malformed, or matches none of ``known``.
        """
        return cls(_parse(include, known), _parse(exclude, known))

    @classmethod
    def of_text(cls, text: str) -> "QueueFilter":
        """The filter whose ``str()`` was ``text``, which may have been cut short; never raises."""
        include, _, exclude = text.partition(" except ")
        return cls(_listed("" if include == "all" else include), _listed(exclude))

    def matches(self, name: str) -> bool:
        """Whether jobs of the queue ``name`` are for this worker."""
        included = not self.include or _any(self.include, name)
        return included and not _any(self.exclude, name)

    def as_q(self) -> Q:
        """The same as a condition on ``Job``."""
        included = _as_q(self.include) if self.include else Q()
        return included & ~_as_q(self.exclude) if self.exclude else included

    def __str__(self) -> str:
        text = ",".join(self.include) or "all"
        return f"{text} except {','.join(self.exclude)}" if self.exclude else text


def _parse(text: str, known: Collection[str]) -> tuple[str, ...]:
    patterns = _listed(text)
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise InvalidQueuePattern(
                pattern,
                "is no queue name or pattern: letters, digits, '_', '.', '-', one '*' at the end",
            )
        if known and not any(_any((pattern,), name) for name in known):
            raise InvalidQueuePattern(
                pattern, f"matches none of the backend's QUEUES: {', '.join(sorted(known))}."
            )
    return patterns


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(p for p in (part.strip() for part in text.split(",")) if p))


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(
        name.startswith(p.removesuffix("*")) if p.endswith("*") else name == p for p in patterns
    )


def _as_q(patterns: Sequence[str]) -> Q:
    exact = [p for p in patterns if not p.endswith("*")]
    q = Q(queue_name__in=exact) if exact else Q()
    for pattern in patterns:
        if pattern.endswith("*"):
            start = pattern.removesuffix("*")
            # A range, since LIKE ignores case on SQLite; "~" comes after all that names
            # may hold, and the column is compared by the characters' codes.
            q |= Q(queue_name__gte=start, queue_name__lt=f"{start}~")
    return q
