"""
Failure groups: what failed attempts have in common, and how many there were.

A group's row is written after the outcomes that it counts, by a statement that is a transaction
of its own. So no outcome waits for a row that everybody changes while everything fails, nor is
one lost because of it; what is lost with a process is a part of a sum.
"""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import connections

from .db.dialects import IDENTIFIER, INTEGER, TEXT, Dialect, dialect
from .db.errors import is_transient
from .db.parameters import dump
from .failure import cut
from .log import one_line
from .models import FailureGroup
from .models.group import EXAMPLE_LENGTH
from .record import Finished

logger = logging.getLogger("django_jobs")

INTERVAL: Final = 2.0  # seconds between two writes of what is known already
KNOWN: Final = 10_000  # groups that a process remembers

_COLUMNS: Final = {
    "fingerprint": TEXT,
    "task_path": TEXT,
    "outcome": TEXT,
    "exception_class": TEXT,
    "place": TEXT,
    "message": TEXT,
    "job_id": IDENTIFIER,
    "seen": INTEGER,
}


@dataclass(slots=True)
class _Sum:
    """How many attempts failed, and the latest of them."""

    latest: Finished
    seen: int = 0


class Groups:
    """
    Adds up the failed attempts of a process, and says when it is time to write them: at once
    where one is of a group that it has not met, else every ``INTERVAL`` seconds.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._sums: dict[str, _Sum] = {}
        self._known: set[str] = set()
        self._due = 0.0

    def add(self, batch: Iterable[Finished]) -> None:
        """Count those of ``batch``, which has been recorded, that failed."""
        for finished in batch:
            group = finished.failure_group
            if group is None:
                continue
            if not self._sums:
                self._due = time.monotonic() + INTERVAL
            if group not in self._known:
                self._due = time.monotonic()
                if len(self._known) >= KNOWN:
                    self._known.clear()
                self._known.add(group)
            found = self._sums.setdefault(group, _Sum(finished))
            found.latest = finished
            found.seen += 1

    def due_in(self) -> float | None:
        """Seconds until it is time to write, 0 for now; None where there is nothing."""
        return max(0.0, self._due - time.monotonic()) if self._sums else None

    def write(self) -> bool:
        """
        Write what has been added up, with one statement; what can't be written now waits for
        the next time, unless the database refuses it. Returns whether it was written.
        """
        if not self._sums:
            return True
        self._due = time.monotonic() + INTERVAL
        connection = connections[self.using]
        speaks = dialect(connection)
        # In one order everywhere, so that two processes can't lock rows against each other.
        rows = [_row(group, self._sums[group], speaks) for group in sorted(self._sums)]
        try:
            with connection.cursor() as cursor:
                cursor.execute(_upsert(speaks), [dump(rows)])
        except Exception as error:  # whatever it is, outcomes go on being recorded
            if connection.in_atomic_block:
                raise
            logger.warning(
                "Failures can't be added to their groups just now: %s",
                one_line(str(error)),
                extra={"event": "groups_unwritten"},
            )
            if not is_transient(error):
                self._sums.clear()  # it would be refused again, and others with it
            return False
        self._sums.clear()
        return True


def count(batch: Iterable[Finished], using: str) -> None:
    """Add the failed attempts of ``batch``, which has been recorded, to their groups, now."""
    groups = Groups(using)
    groups.add(batch)
    groups.write()


def _row(group: str, found: _Sum, speaks: Dialect) -> tuple[Any, ...]:
    """One row of _COLUMNS."""
    outcome, failure = found.latest.outcome, found.latest.failure
    return (
        group,
        found.latest.job.task_path,
        outcome.kind.value,
        failure.exception_class if failure else "",
        failure.place if failure else "",
        cut(failure.message if failure else outcome.reason, EXAMPLE_LENGTH),
        speaks.uuid(found.latest.job.pk),
        found.seen,
    )


@cache
def _upsert(speaks: Dialect) -> str:
    values = {column: f"t.{column}" for column in _COLUMNS}
    latest = dict.fromkeys(("message", "job_id", "last_seen"), "{new}")
    return speaks.upsert(
        FailureGroup._meta.db_table,
        "fingerprint",
        values | {"first_seen": speaks.now, "last_seen": speaks.now},
        _COLUMNS,
        latest | {"seen": "{old} + {new}"},
    )
