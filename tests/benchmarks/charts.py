"""Bar charts in SVG, on a ground of their own so that they read in light and in dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from .results import number

WIDTH, LEFT, RIGHT, BAR, TOP = 760, 230, 80, 26, 44

STYLE = """
    .ground { fill: #fbfbf9; stroke: #d5d5cf; }
    text { font: 13px system-ui, sans-serif; fill: #1f2933; }
    .title { font-weight: 600; }
    .name { text-anchor: end; }
    .value { fill: #52606d; }
    .ours { fill: #a3540b; }
    .peer { fill: #8393a7; }
    .limit { fill: none; stroke: #8393a7; stroke-dasharray: 4 3; }
"""


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    value: float
    kind: str  # ours, peer or limit


def chart(title: str, bars: Sequence[Bar], unit: str, *, smaller: bool = False) -> str:
    """The best first: the longest, or where smaller is better the shortest.

    A limit of the machine is drawn hollow.
    """
    ordered = sorted(bars, key=lambda bar: bar.value if smaller else -bar.value)
    longest = max(bar.value for bar in bars)
    height = TOP + BAR * len(ordered) + 14
    rows = "\n".join(
        _row(bar, TOP + BAR * place, (WIDTH - LEFT - RIGHT) * bar.value / longest, unit)
        for place, bar in enumerate(ordered)
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" \
aria-labelledby="title">
  <title id="title">{escape(title)}</title>
  <style>{STYLE}  </style>
  <rect class="ground" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8"/>
  <text class="title" x="20" y="28">{escape(title)}</text>
{rows}
</svg>
"""


def _row(bar: Bar, y: int, length: float, unit: str) -> str:
    middle = y + BAR // 2 + 4
    length = max(length, 1)
    return f"""  <text class="name" x="{LEFT - 10}" y="{middle}">{escape(bar.name)}</text>
  <rect class="{bar.kind}" x="{LEFT}" y="{y + 4}" width="{length:.1f}" height="{BAR - 9}" rx="2"/>
  <text class="value" x="{LEFT + length + 8:.1f}" y="{middle}">{number(bar.value)}{unit}</text>"""
