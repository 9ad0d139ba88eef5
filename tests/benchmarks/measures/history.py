"""
Draining a thousand jobs while many finished or scheduled rows lie in the same table.

The rows are made by SQL and written out, and the table is analysed, as autovacuum, checkpoints and
their kin do in time; one more measurement has the largest pile as it was just filled. Each drain
stands beside one on an empty database of the same server, by a worker of its own: they take less
than a tenth of a second, and a machine's speed swings more than that. A figure is of thirty-one
such pairs, the one or the other first in turn; the rates and the shares are their medians.
"""

from operator import truediv
from statistics import median

from ..options import Size
from ..subject import Subject
from .drain import once

PAIRS = 31


def run(subject: Subject, size: Size) -> dict[str, float]:
    values: dict[str, float] = {}
    for kind in ("finished", "scheduled"):
        for count in size.history if kind == "finished" else size.history[-1:]:
            subject.ask("clear")
            subject.ask("history", kind, count)
            name = f"{count:,} {kind}"
            if count == size.history[-1] and kind == "finished":
                values |= _pairs(subject, size, f"{name}, not analysed")
            subject.ask("analyse")
            values |= _pairs(subject, size, name)
    subject.ask("clear")
    return values


def _pairs(subject: Subject, size: Size, name: str) -> dict[str, float]:
    twin = subject.twin
    assert twin
    twin.ask("clear")
    full: list[float] = []
    empty: list[float] = []
    with subject.workers(10) as among_many, twin.workers(10) as alone:
        sides = ((full, subject, among_many), (empty, twin, alone))
        for _, of, workers in sides:
            once(of, workers, size.history_jobs // 5)
        for number in range(PAIRS):
            for rates, of, workers in sides if number % 2 else reversed(sides):
                rates.append(size.history_jobs / once(of, workers, size.history_jobs))
    return {
        name: median(full),
        f"{name}: of the empty table": median(map(truediv, full, empty)),
    }
