"""What the workers' figures say of a stretch of time: charts, and rows of tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..tally import Tally
from . import display
from .charts import Curve, Mark, Point, curves, throughput
from .paginator import Count

TASKS_SHOWN: Final = 50


@dataclass(frozen=True, slots=True)
class Period:
    """A time that the charts show, by rows of ``span`` seconds."""

    name: str
    label: Any
    title: Any
    length: timedelta
    span: int

    def begin(self, now: datetime) -> datetime:
        """The start of the first row that it shows; the last one is still being counted."""
        last = int(now.timestamp()) // self.span * self.span
        return datetime.fromtimestamp(last, UTC) - self.length + timedelta(seconds=self.span)

    def starts(self, now: datetime) -> list[datetime]:
        """When each of its rows begins."""
        step = timedelta(seconds=self.span)
        return [self.begin(now) + step * n for n in range(self.length // step)]

    def clock(self, moment: datetime) -> str:
        """A moment in it, as people read it."""
        within_a_day = self.length <= timedelta(days=1)
        return date_format(timezone.localtime(moment), "H:i" if within_a_day else "D j, H:i")


PERIODS: Final = {
    each.name: each
    for each in (
        Period(
            "15m",
            gettext_lazy("15 minutes"),
            gettext_lazy("In the last 15 minutes"),
            timedelta(minutes=15),
            60,
        ),
        Period(
            "1h", gettext_lazy("1 hour"), gettext_lazy("In the last hour"), timedelta(hours=1), 60
        ),
        Period(
            "24h",
            gettext_lazy("24 hours"),
            gettext_lazy("In the last 24 hours"),
            timedelta(hours=24),
            600,
        ),
        Period(
            "7d",
            gettext_lazy("7 days"),
            gettext_lazy("In the last 7 days"),
            timedelta(days=7),
            3600,
        ),
    )
}
DEFAULT: Final = "1h"

WAITS: Final = (
    Curve("p50", "jobs-p50", lambda tally: tally.wait_quantile(0.5)),
    Curve("p95", "jobs-p95", lambda tally: tally.wait_quantile(0.95)),
)
RUNS: Final = (
    Curve("p50", "jobs-p50", lambda tally: tally.run_quantile(0.5)),
    Curve("p95", "jobs-p95", lambda tally: tally.run_quantile(0.95)),
)


def charts(
    period: Period,
    now: datetime,
    series: Mapping[tuple[Any, ...], Tally],
    releases: Sequence[tuple[datetime, str]],
) -> dict[str, Any]:
    """
    :param series: the tallies by their start.
    :param releases: when each new one came.
    """
    points = [
        Point(start, period.clock(start), series.get((start,), Tally()))
        for start in period.starts(now)
    ]
    marks = [
        Mark((at - period.begin(now)) / period.length, f"{period.clock(at)} {name}")
        for at, name in releases
    ]
    total = merged(series.values())
    if not total.count:
        return {"charts": [], "marks": [], "points": []}
    over = row(total, period)
    done = _("Attempts: %(done)s succeeded and %(failed)s failed.") % over
    wait = (
        _(
            "Half of the jobs (p50) waited no longer than %(wait_50)s, and 95 of 100 (p95) no "
            "longer than %(wait_95)s."
        )
        % over
    )
    run = (
        _(
            "Half of the attempts (p50) took no longer than %(run_50)s, and 95 of 100 (p95) no "
            "longer than %(run_95)s."
        )
        % over
    )
    quantiles = [("p50", "p50"), ("p95", "p95")]
    return {
        "charts": [
            {
                "title": _("Attempts"),
                "text": done,
                "svg": throughput(points, marks, done),
                "keys": [("good", _("succeeded")), ("bad", _("failed"))],
            },
            {
                "title": _("Waited before the start"),
                "text": wait,
                "svg": curves(points, marks, wait, WAITS),
                "keys": quantiles,
            },
            {
                "title": _("Ran"),
                "text": run,
                "svg": curves(points, marks, run, RUNS),
                "keys": quantiles,
            },
        ],
        "marks": [mark.label for mark in marks],
        "points": [
            {"label": point.label, **row(point.tally, period, seconds=period.span)}
            for point in reversed(points)
            if point.tally.count
        ],
    }


def tasks(groups: Mapping[tuple[Any, ...], Tally], period: Period) -> list[dict[str, Any]]:
    """A row for each task; what fails most comes first."""
    totals = totals_by(groups, 0)
    order = sorted(totals, key=lambda path: (-totals[path].failures, -totals[path].count, path))
    return [
        {"path": path, "task": display.short_name(path), **row(totals[path], period)}
        for path in order[:TASKS_SHOWN]
    ]


def totals_by(groups: Mapping[tuple[Any, ...], Tally], column: int) -> dict[str, Tally]:
    """``groups`` by one column of their keys."""
    totals: dict[str, Tally] = {}
    for key, tally in groups.items():
        totals.setdefault(key[column], Tally()).merge(tally)
    return totals


def merged(tallies: Any) -> Tally:
    """All of ``tallies`` in one."""
    total = Tally()
    for tally in tallies:
        total.merge(tally)
    return total


def row(tally: Tally, period: Period, *, seconds: float | None = None) -> dict[str, str]:
    """
    A tally as people read it.

    :param seconds: the time that it is of, where that is not the whole period.
    """
    minutes = (seconds or period.length.total_seconds()) / 60
    durations = {
        "wait_50": tally.wait_quantile(0.5),
        "wait_95": tally.wait_quantile(0.95),
        "run_50": tally.run_quantile(0.5),
        "run_95": tally.run_quantile(0.95),
        "run_max": tally.run_max if tally.count else None,
    }
    share = 100 * tally.failures / tally.count if tally.count else 0.0
    return {
        "done": Count(tally.successes).text,
        "failed": Count(tally.failures).text,
        "dead": Count(tally.dead).text,
        "share": f"{display.tenths(share)} %",
        "rate": display.tenths(tally.count / minutes),
        **{name: "–" if v is None else display.duration(v) for name, v in durations.items()},
    }
