"""Figures in the database: workers write them, pages add them up, old ones go."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import itemgetter, or_
from typing import Any, Final
from uuid import UUID

from django.db import connections
from django.db.models import F, Max, Q, QuerySet, Sum

from .db.clock import DbNow
from .models import Figures
from .models.figures import MAXIMA, RUNS, SUMS, WAITS
from .tally import Tally

# Span, start in seconds since 1970, task, queue.
Key = tuple[int, int, str, str]

# How long the rows of a span are kept: a little longer than the charts that read them.
KEPT: Final = {60: timedelta(hours=2), 600: timedelta(hours=25), 3600: timedelta(days=35)}
BATCH: Final = 500
PRUNED: Final = 1000  # rows that one call deletes at the most

_UNIQUE: Final = ("span", "start", "task_path", "queue_name", "worker_id")
_TOTALS: Final = {
    **{f"total_{name}": Sum(name) for name in SUMS},
    **{f"total_{name}": Max(name) for name in MAXIMA},
}


def write(totals: Mapping[Key, Tally], worker_id: UUID, using: str) -> None:
    """
    Write what a worker has counted so far: in rows of its own, and whole, so that a write whose
    answer got lost may be done again.
    """
    rows = [_row(key, tally, worker_id) for key, tally in sorted(totals.items(), key=itemgetter(0))]
    with_target = connections[using].features.supports_update_conflicts_with_target
    Figures.objects.using(using).bulk_create(
        rows,
        batch_size=BATCH,
        update_conflicts=True,
        update_fields=[*SUMS, *MAXIMA],
        unique_fields=_UNIQUE if with_target else None,
    )


def _row(key: Key, tally: Tally, worker_id: UUID) -> Figures:
    span, start, task_path, queue_name = key
    plain = (name for name in (*SUMS, *MAXIMA) if name not in RUNS and name not in WAITS)
    return Figures(
        span=span,
        start=datetime.fromtimestamp(start, UTC),
        task_path=task_path,
        queue_name=queue_name,
        worker_id=worker_id,
        **{name: getattr(tally, name) for name in plain},
        **dict(zip(RUNS, tally.runs, strict=True)),
        **dict(zip(WAITS, tally.waits, strict=True)),
    )


def since(span: int, start: datetime) -> QuerySet[Figures, Figures]:
    """The rows of ``span`` (one of SPANS) that begin at ``start`` (aware) or later."""
    rows: QuerySet[Figures, Figures] = Figures.objects.filter(span=span, start__gte=start)
    return rows


def add_up(
    rows: QuerySet[Figures, Figures], *by: str, most: int | None = None
) -> dict[tuple[Any, ...], Tally]:
    """
    The totals of ``rows`` for each value of the columns ``by``: one statement.

    :param most: of no more than so many, those with the most attempts.
    """
    found: Any = rows.order_by().values_list(*by).annotate(**_TOTALS)
    if most is not None:
        attempts = F("total_successes") + F("total_failures")
        found = found.order_by(attempts.desc(), *by)[:most]
    return {tuple(row[: len(by)]): _tally(row[len(by) :]) for row in found}


def _tally(values: Sequence[Any]) -> Tally:
    named = dict(zip(_TOTALS, values, strict=True))
    plain = {name: named[f"total_{name}"] for name in (*SUMS, *MAXIMA)}
    runs = [plain.pop(name) for name in RUNS]
    waits = [plain.pop(name) for name in WAITS]
    return Tally(**plain, runs=runs, waits=waits)


def prune_figures(using: str, limit: int = PRUNED) -> int:
    """Delete up to ``limit`` rows that no page reads any more; returns how many."""
    old = reduce(or_, (Q(span=span, start__lt=DbNow() - kept) for span, kept in KEPT.items()))
    rows = Figures.objects.using(using)
    ids = list(rows.filter(old).values_list("pk", flat=True)[:limit])
    if ids:
        rows.filter(pk__in=ids).delete()
    return len(ids)
