"""
What is counted of attempts: pure values, no database and no clock.

A tally is small whatever it has counted, and two of them merge into one, so that those of many
workers and many minutes add up to that of a day. Durations are kept as histograms with fixed
bounds, which is what makes them mergeable; a quantile is read off one, and is as exact as its
bucket is narrow.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

# Seconds. A bucket holds what is longer than the bound before it, up to its own; there is one
# more for what is longer than all. Rows hold counts by the bucket's number, so the bounds are
# part of the schema.
BOUNDS: Final = (
    *(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    *(1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14400.0),
)
BUCKETS: Final = len(BOUNDS) + 1


def empty() -> list[int]:
    """A histogram that has counted nothing."""
    return [0] * BUCKETS


@dataclass(slots=True)
class Tally:
    """
    Attempts that have ended, of a task, in a stretch of time.

    ``failures`` are attempts that failed or timed out, ``dead`` how many of these were the
    last. ``run`` is how long attempts took and ``wait`` how long their jobs could have started
    before they did: the sum and the longest, in seconds, and a histogram.
    """

    successes: int = 0
    failures: int = 0
    dead: int = 0
    run_sum: float = 0.0
    run_max: float = 0.0
    wait_sum: float = 0.0
    wait_max: float = 0.0
    runs: list[int] = field(default_factory=empty)
    waits: list[int] = field(default_factory=empty)

    @property
    def count(self) -> int:
        """How many attempts."""
        return self.successes + self.failures

    def add(self, run: float, wait: float, *, failed: bool = False, dead: bool = False) -> None:
        """Count an attempt that waited and ran for so many seconds."""
        if failed:
            self.failures += 1
            self.dead += dead
        else:
            self.successes += 1
        if wait < 0.0:  # a clock was set back
            wait = 0.0
        self.run_sum += run
        self.wait_sum += wait
        if run > self.run_max:
            self.run_max = run
        if wait > self.wait_max:
            self.wait_max = wait
        self.runs[bisect_left(BOUNDS, run)] += 1
        self.waits[bisect_left(BOUNDS, wait)] += 1

    def merge(self, other: "Tally") -> None:
        """Count what ``other`` has counted, too."""
        self.successes += other.successes
        self.failures += other.failures
        self.dead += other.dead
        self.run_sum += other.run_sum
        self.wait_sum += other.wait_sum
        self.run_max = max(self.run_max, other.run_max)
        self.wait_max = max(self.wait_max, other.wait_max)
        self.runs = [a + b for a, b in zip(self.runs, other.runs, strict=True)]
        self.waits = [a + b for a, b in zip(self.waits, other.waits, strict=True)]

    def run_quantile(self, share: float) -> float | None:
        """As ``quantile()``, of how long attempts took."""
        return quantile(self.runs, share, self.run_max)

    def wait_quantile(self, share: float) -> float | None:
        """As ``quantile()``, of how long jobs waited."""
        return quantile(self.waits, share, self.wait_max)


def quantile(histogram: Sequence[int], share: float, longest: float) -> float | None:
    """
    The seconds that ``share`` (0 to 1) of what was counted did not exceed; None where nothing
    was. Within a bucket values are taken to be spread evenly.

    :param longest: the longest of them: the end of the last bucket, and of every answer.
    """
    rank = share * sum(histogram)
    below = 0
    for number, count in enumerate(histogram):
        if count and below + count >= rank:
            low = BOUNDS[number - 1] if number else 0.0
            high = BOUNDS[number] if number < len(BOUNDS) else max(longest, low)
            return min(low + (high - low) * max(rank - below, 0.0) / count, longest)
        below += count
    return None
