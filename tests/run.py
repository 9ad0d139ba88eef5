"""Run the tests once per database: `python -m tests.run --help`.

Everything runs on SQLite. What depends on the database, the folders in EVERY_DATABASE, runs on
PostgreSQL and MariaDB as well, and the admin in a real browser on PostgreSQL. The last lines of
the output say what was tested, and what not.

Tests spend most of their time waiting for workers, so several run at a time, each process with a
database of its own.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests import gate
from tests.support.databases import NAMES, Database, Unavailable, find

ROOT = Path(__file__).resolve().parent.parent
EVERY_DATABASE = ("tests/contract", "tests/lifecycle")
ALSO = {"postgresql": ("tests/browser",)}
MOST_AT_A_TIME = 8
DONT_WRITE = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Line:
    """What the summary says of one database."""

    verdict: str  # "passed", "FAILED" or "left out"
    database: str
    detail: str

    def __str__(self) -> str:
        return f"{self.verdict:<9} {self.database:<16} {self.detail}"


def main(argv: Sequence[str] | None = None) -> int:
    options = parse(argv)
    lines = []
    if options.coverage:
        gate.forget()
    for name in options.only:
        with ExitStack() as stack:
            try:
                database = find(name, stack)
            except Unavailable as reason:
                verdict = "FAILED" if options.require or reason.asked_for else "left out"
                lines.append(Line(verdict, name, str(reason)))
            else:
                print(f"\n== {database.version}", flush=True)
                line = run(database, options.at_a_time, options.pytest, coverage=options.coverage)
                lines.append(line)
    lines += [Line("left out", name, "not asked for") for name in NAMES if name not in options.only]
    if options.coverage:
        print("\n== coverage", flush=True)
        lines += [Line("FAILED", "coverage", detail) for detail in gate.judge()]
    print("\n== databases", *lines, sep="\n", flush=True)
    return int(any(line.verdict == "FAILED" for line in lines))


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.run", description=__doc__)
    parser.add_argument(
        "--only",
        type=names,
        default=NAMES,
        metavar="NAME,NAME",
        help=f"the databases to test on (of {', '.join(NAMES)})",
    )
    parser.add_argument(
        "--require",
        action="store_true",
        default=bool(os.environ.get("CI")),
        help="a database that isn't there is a failure (so it is when CI is set)",
    )
    parser.add_argument(
        "--at-a-time",
        type=int,
        default=min(1 + (os.cpu_count() or 1), MOST_AT_A_TIME),
        metavar="N",
        help="tests that run at the same time; 1: in this process (default: %(default)s)",
    )
    parser.add_argument(
        "--coverage",
        action="store_true",
        help="measure which branches are run, on all databases together; too few are a failure",
    )
    parser.add_argument("pytest", nargs="*", metavar="-- PYTEST", help="arguments for pytest")
    return parser.parse_args(argv)


def names(text: str) -> list[str]:
    chosen = text.split(",")
    if unknown := set(chosen) - set(NAMES):
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return chosen


def run(
    database: Database, at_a_time: int, arguments: Sequence[str], *, coverage: bool = False
) -> Line:
    """Run pytest on one database, and say how it went."""
    with tempfile.TemporaryDirectory(prefix="django-jobs-") as folder:
        report = Path(folder) / "report.xml"
        measured = ("coverage", "run", "-m") if coverage else ()
        command = [sys.executable, "-m", *measured, "pytest", f"--junitxml={report}"]
        if at_a_time > 1:
            command += ["-n", str(at_a_time), "--dist", "worksteal"]
        status = subprocess.run(
            [*command, *selection(database.name, arguments)],
            cwd=ROOT,
            env=environment() | {"DATABASE_URL": database.url},
            check=False,
        ).returncode
        detail = counts(report) if report.exists() else f"no report; pytest ended with {status}"
    # pytest's 5, nothing collected, is a failure too: a database without a test isn't tested.
    return Line("FAILED" if status else "passed", database.version, detail)


def environment() -> dict[str, str]:
    """This process's, in which Python may keep what it has compiled: workers start all the time."""
    return {name: value for name, value in os.environ.items() if name != DONT_WRITE}


def selection(name: str, arguments: Sequence[str]) -> list[str]:
    """Return pytest's arguments, with the folders to test where the caller named none."""
    if name == "sqlite" or any((ROOT / path.split("::")[0]).exists() for path in arguments):
        return list(arguments)
    folders = (*EVERY_DATABASE, *ALSO.get(name, ()))
    there = [folder for folder in folders if (ROOT / folder).exists()]
    return [*arguments, *(there or folders)]  # with neither, pytest says what is missing


def counts(report: Path) -> str:
    suites = ElementTree.parse(report).iter("testsuite")
    totals = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        for key in totals:
            totals[key] += int(suite.get(key, 0))
    passed = totals["tests"] - totals["failures"] - totals["errors"] - totals["skipped"]
    parts = {
        "failed": totals["failures"],
        "errors": totals["errors"],
        "passed": passed,
        "skipped": totals["skipped"],
    }
    return ", ".join(f"{count} {word}" for word, count in parts.items() if count) or "no tests"


if __name__ == "__main__":
    sys.exit(main())
