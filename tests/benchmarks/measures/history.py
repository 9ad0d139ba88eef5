"""
Draining a thousand jobs while many finished or scheduled rows lie in the same table.

The rows are made by SQL and written out, and the table is analysed, as autovacuum, checkpoints and
their kin do in time; one more drain has the largest pile as it was just filled. Each figure is the
median of fifteen drains by the same worker, since each takes less than a tenth of a second.
"""

from statistics import median

from ..options import Size
from ..subject import Subject
from .drain import once

ROUNDS = 15


def run(subject: Subject, size: Size) -> dict[str, float]:
    values = {}
    for kind in ("finished", "scheduled"):
        for count in size.history if kind == "finished" else size.history[-1:]:
            subject.ask("clear")
            if count:
                subject.ask("history", kind, count)
            if count == size.history[-1] and kind == "finished":
                values[f"{count:,} {kind}, not analysed"] = _rate(subject, size)
            subject.ask("analyse")
            values[f"{count:,} {kind}"] = _rate(subject, size)
    subject.ask("clear")
    return values


def _rate(subject: Subject, size: Size) -> float:
    with subject.workers(10) as workers:
        once(subject, workers, size.history_jobs // 5)
        return median(
            size.history_jobs / once(subject, workers, size.history_jobs) for _ in range(ROUNDS)
        )
