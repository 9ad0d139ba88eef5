"""
Charts as SVG: pure functions from points to escaped markup. Colours come from the stylesheet by
class; nothing is inline, so that they hold under a strict policy. Time goes from left to right
in every language.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from ..tally import Tally
from .display import duration

WIDTH: Final = 480
HEIGHT: Final = 170
LEFT: Final = 4
TOP: Final = 22
BOTTOM: Final = 148
GAP: Final = 0.2  # of a bar's place


@dataclass(frozen=True, slots=True)
class Point:
    """What was counted from ``start`` on; ``label`` is how people read that time."""

    start: datetime
    label: str
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at ``place``, as the share of the chart's time, 0 to 1."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a chart: the values of ``points``, with the class it is drawn by."""

    name: str
    style: str
    value: Callable[[Tally], float | None]


def throughput(points: Sequence[Point], marks: Sequence[Mark], label: str) -> SafeString:
    """A bar for each point: what succeeded, and on top of it what failed."""
    highest = max((point.tally.count for point in points), default=0)
    bars = [bar for n, point in enumerate(points) for bar in _bars(point, n, len(points), highest)]
    drawn = format_html_join("", "{}", ((bar,) for bar in bars))
    return _chart(points, marks, label, number_format(highest, force_grouping=True), drawn)


def curves(
    points: Sequence[Point], marks: Sequence[Mark], label: str, lines: Sequence[Curve]
) -> SafeString:
    """A line for each of ``lines``, in seconds; broken where nothing was counted."""
    values = [[line.value(point.tally) for point in points] for line in lines]
    highest = max((v for row in values for v in row if v is not None), default=0.0)
    drawn = format_html_join(
        "",
        '<path class="jobs-line {}" d="{}"><title>{}</title></path>',
        (
            (line.style, _path(row, highest), line.name)
            for line, row in zip(lines, values, strict=True)
        ),
    )
    return _chart(points, marks, label, duration(highest), drawn)


def _bars(point: Point, n: int, count: int, highest: int) -> Iterable[SafeString]:
    tally = point.tally
    if not tally.count:
        return
    place = (WIDTH - 2 * LEFT) / count
    x, width = LEFT + n * place + place * GAP / 2, place * (1 - GAP)
    title = _("%(time)s: %(done)s done, %(failed)s failed") % {
        "time": point.label,
        "done": number_format(tally.successes, force_grouping=True),
        "failed": number_format(tally.failures, force_grouping=True),
    }
    base: float = BOTTOM
    parts: tuple[tuple[str, int], ...] = (("good", tally.successes), ("bad", tally.failures))
    for tone, amount in parts:
        if amount:
            # At least a pixel: one failure among thousands is what somebody looks for.
            height = max(1.0, (BOTTOM - TOP) * amount / highest)
            base -= height
            yield format_html(
                '<rect class="jobs-bar jobs-{}" x="{}" y="{}" width="{}" height="{}">'
                "<title>{}</title></rect>",
                *(tone, _n(x), _n(base), _n(width), _n(height), title),
            )


def _path(values: Sequence[float | None], highest: float) -> str:
    """Through the middle of each point's place; one without neighbours is a dot."""
    place = (WIDTH - 2 * LEFT) / max(len(values), 1)
    steps, draws = [], False
    for n, value in enumerate(values):
        if value is None:
            draws = False
            continue
        x = LEFT + (n + 0.5) * place
        y = BOTTOM - (BOTTOM - TOP) * (value / highest if highest else 0)
        steps.append(f"L{_n(x)} {_n(y)}" if draws else f"M{_n(x)} {_n(y)}h0")
        draws = True
    return "".join(steps)


def _chart(
    points: Sequence[Point], marks: Sequence[Mark], label: str, top: str, drawn: SafeString
) -> SafeString:
    across = WIDTH - 2 * LEFT
    flags = format_html_join(
        "",
        '<line class="jobs-mark" x1="{0}" x2="{0}" y1="{1}" y2="{2}"><title>{3}</title></line>',
        ((_n(LEFT + across * mark.place), TOP, BOTTOM, mark.label) for mark in marks),
    )
    ticks: list[tuple[Any, ...]] = [(LEFT, TOP - 8, "start", top)]
    if points:
        ends = ((LEFT, "start", 0), (WIDTH / 2, "middle", len(points) // 2))
        ticks += [(_n(x), HEIGHT - 6, anchor, points[n].label) for x, anchor, n in ends]
        ticks.append((WIDTH - LEFT, HEIGHT - 6, "end", points[-1].label))
    return format_html(
        '<svg class="jobs-chart" role="img" aria-label="{}" direction="ltr" '
        'viewBox="0 0 {} {}" xmlns="http://www.w3.org/2000/svg">'
        '<line class="jobs-axis" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<line class="jobs-axis" x1="{}" x2="{}" y1="{}" y2="{}"/>{}{}{}</svg>',
        *(label, WIDTH, HEIGHT),
        *(LEFT, WIDTH - LEFT, TOP, TOP),
        *(LEFT, WIDTH - LEFT, BOTTOM, BOTTOM),
        *(drawn, flags),
        format_html_join(
            "", '<text class="jobs-tick" x="{}" y="{}" text-anchor="{}">{}</text>', ticks
        ),
    )


def _n(value: float) -> str:
    """A coordinate: without a locale's separators."""
    return f"{value:.1f}".removesuffix(".0")
