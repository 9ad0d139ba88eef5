"""
``make bench``: django_jobs, its peers and the limits of the machine, measured side by side.

Machines are noisy, so every figure stands beside what the others do in the same run: compare the
ratios, not the rates.
"""

import argparse
import inspect
import json
import shlex
import signal
import sys
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import goals, machine, report
from .contenders import NAMES
from .measures import MEASURES
from .options import QUICK, Size
from .results import medians
from .run import Run

DATABASES = ("postgresql", "sqlite", "mariadb", "redis")
DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    if options.page:
        report.write(options.json, options.json.with_suffix(".md"))
        return 0
    size = QUICK if options.quick else Size()
    for name in ("rounds", "jobs"):
        if getattr(options, name) is not None:
            size = replace(size, **{name: getattr(options, name)})
    before = json.loads(options.json.read_text()) if options.add else None
    started = datetime.now(UTC)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # cleaned up after, like SIGINT
    run = Run(size, lambda line: print(line, flush=True))
    try:
        run(options.databases, options.contenders, options.measures)
    finally:  # one that is cut short has measured something, too
        found = _found(run, _command(arguments), started)
        if before is not None:
            found = added(before, found, options.databases)
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    _summary(run)
    print(f"\nWritten to {options.json}")
    return 0


def _summary(run: Run) -> None:
    print()
    print(goals.table(goals.judge(medians(run.results))))
    for key, reasons in run.failures.items():
        for what, reason in reasons.items():
            print(f"NOT MEASURED: {key}, {what}: {reason}")


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run of a few minutes")
    parser.add_argument("--page", action="store_true", help="only write the page from the JSON")
    parser.add_argument("--rounds", type=int, help="medians are of so many; default: 3")
    parser.add_argument("--jobs", type=int, help="of a round of draining, at most; default: 5000")
    parser.add_argument(
        "--add", action="store_true", help="add these databases to what the JSON has of others"
    )
    lists: dict[str, Any] = {
        "measures": list(MEASURES),
        "contenders": list(NAMES),
        "databases": list(DATABASES),
    }
    for name, choices in lists.items():
        parser.add_argument(
            f"--{name}", nargs="+", choices=choices, default=choices, metavar="NAME",
            help=f"some of: {', '.join(choices)}; default: all",
        )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, default=DOCS / "benchmarks.json", help="default: %(default)s"
    )
    return parser.parse_args(arguments)


def _command(arguments: list[str]) -> str:
    """As somebody else would give it: where the figures went is of no interest."""
    kept = list(arguments)
    if "--json" in kept:
        place = kept.index("--json")
        del kept[place : place + 2]
    return f'make bench BENCH="{shlex.join(kept)}"' if kept else "make bench"


def _found(run: Run, command: str, started: datetime) -> dict[str, Any]:
    found = medians(run.results)
    return {
        "command": command,
        "started": started.isoformat(timespec="seconds"),
        "minutes": (datetime.now(UTC) - started).total_seconds() / 60,
        "machine": machine.describe(),
        "databases": run.about,
        "size": asdict(run.size),
        "contenders": {subject.key: subject.about for subject in run.subjects},
        "methods": {
            name: inspect.getdoc(inspect.getmodule(measure.run))
            for name, measure in MEASURES.items()
        },
        "goals": [asdict(row) for row in goals.judge(found)],
        "medians": found,
        "results": run.results,
        "failures": run.failures,
    }


def added(before: dict[str, Any], found: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What an earlier run has found, with what this one has of the databases ``names``."""

    def without(keys: dict[str, Any]) -> dict[str, Any]:
        return {key: of for key, of in keys.items() if key.rpartition("/")[2] not in names}

    def only(keys: dict[str, Any]) -> dict[str, Any]:
        return {key: of for key, of in keys.items() if key.rpartition("/")[2] in names}

    results = {
        name: without(before["results"].get(name, {})) | only(found["results"].get(name, {}))
        for name in {**before["results"], **found["results"]}
    }
    both = medians(results)
    return before | {
        "command": f"{before['command']}\n$ {found['command']}",
        "minutes": before["minutes"] + found["minutes"],
        "added": [*before.get("added", []), *names],
        "goals": [asdict(row) for row in goals.judge(both)],
        "medians": both,
        "results": results,
        **{
            part: without(before[part]) | only(found[part])
            for part in ("databases", "contenders", "failures")
        },
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
