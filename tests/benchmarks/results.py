"""What a run has found, and how it is read: medians, percentiles, ratios."""

from collections.abc import Mapping
from statistics import median, quantiles
from typing import Any

# By measure, by contender and database, by the name of the value: one a round, or samples.
Results = dict[str, dict[str, dict[str, list[float]]]]
Medians = Mapping[str, Mapping[str, Mapping[str, float]]]

SAMPLES = "ms"


def medians(results: Results) -> dict[str, dict[str, dict[str, float]]]:
    return {
        measure: {
            key: _percentiles(found[SAMPLES])
            if SAMPLES in found
            else {name: median(values) for name, values in found.items()}
            for key, found in subjects.items()
        }
        for measure, subjects in results.items()
    }


def _percentiles(samples: list[float]) -> dict[str, float]:
    cuts = quantiles(samples, n=100, method="inclusive")
    return {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98]}


def lookup(found: Medians, measure: str, key: str, name: str) -> float | None:
    return found.get(measure, {}).get(key, {}).get(name)


def ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else over / under


def number(value: Any) -> str:
    """With as many digits as it deserves."""
    if value is None:
        return "–"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"
