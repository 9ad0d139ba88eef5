"""
How much of the package the tests must have run: `python -m tests.run --coverage`.

Every branch of the modules in which a mistake loses a job, or runs it twice, and nearly every one
of the others. Workers are measured too, in all their processes, but for those that are killed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
# On a job's way; cancel() and the other verbs of an operator are in models/job.py.
CORE: Final = tuple(
    f"django_jobs/{name}.py"
    for name in (
        "policy",
        "enqueue",
        "insert",
        "hold",
        "promote",
        "claim",
        "record",
        "release",
        "rescue",
        "models/job",
    )
)
CORE_PERCENT: Final = 100
PACKAGE_PERCENT: Final = 95


def shortfalls(report: Mapping[str, Any]) -> Iterator[str]:
    """
    What is missing in ``report``, which is what ``coverage json`` has written; a line for each.
    """
    if not report["meta"]["branch_coverage"]:
        yield "branches were not measured"
    for path in CORE:
        if path not in report["files"]:
            yield f"{path}: not measured"
            continue
        percent = report["files"][path]["summary"]["percent_covered"]
        if percent < CORE_PERCENT:
            yield f"{path}: {percent:.2f} %, not {CORE_PERCENT} %"
    percent = report["totals"]["percent_covered"]
    if percent < PACKAGE_PERCENT:
        yield f"the package: {percent:.2f} %, not {PACKAGE_PERCENT} %"


def forget() -> None:
    """Forget what earlier runs have measured."""
    _coverage("erase")


def judge() -> list[str]:
    """Put together what all processes have measured, print it, and return the shortfalls."""
    _coverage("combine", "--quiet")
    _coverage("report")
    return list(shortfalls(json.loads(_coverage("json", "-o", "-", stdout=subprocess.PIPE))))


def _coverage(*arguments: str, stdout: int | None = None) -> str:
    command = [sys.executable, "-m", "coverage", *arguments]
    return subprocess.run(command, cwd=ROOT, stdout=stdout, text=True, check=True).stdout
