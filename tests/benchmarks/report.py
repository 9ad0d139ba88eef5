"""The page docs/benchmarks.md and its pictures, made from the JSON of a run."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import charts
from .contenders import LIMITS
from .goals import OURS, judge
from .results import Medians, medians, number, ratio

DATABASES = {
    "postgresql": "PostgreSQL",
    "redis": "Redis",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "none": "no database",
}
HEADINGS = {
    "drain": "Draining",
    "enqueue": "Enqueuing",
    "latency": "Pick-up latency",
    "sleeping": "Jobs that wait",
    "history": "With many rows in the table",
    "statements": "Statements",
    "idle": "An idle worker",
}
UNITS = {
    "drain": "jobs a second",
    "enqueue": "jobs a second",
    "latency": "milliseconds",
    "sleeping": "",
    "history": "jobs a second",
    "statements": "",
    "idle": "",
}
SMALLER = {"latency", "idle", "statements"}  # is better
# The measure, the value, the databases whose contenders stand side by side, the unit.
PICTURES = {
    "drain": ("drain", "10 threads", ("postgresql", "redis"), ""),
    "drain-sqlite": ("drain", "10 threads", ("sqlite",), ""),
    "latency": ("latency", "p50", ("postgresql", "redis"), " ms"),
}
BETTER = 1.05  # nearer than that is a draw


def write(source: Path, page: Path) -> None:
    """Write the page, and beside it a picture for each of PICTURES."""
    run = json.loads(source.read_text())
    found = medians(run["results"])
    for name in PICTURES:
        if picture := _picture(run, found, name):
            page.with_name(f"benchmarks-{name}.svg").write_text(picture)
    page.write_text("\n\n".join(_page(run, found)) + "\n")


def _page(run: dict[str, Any], found: Medians) -> Iterable[str]:
    rounds = run["size"]["rounds"]
    later = " and ".join(DATABASES[name] for name in run.get("added", []))
    later = f" What is on {later} was measured in a run of its own." if later else ""
    yield "# Benchmarks"
    yield (
        "django_jobs, its peers and the limits of the machine, all measured in one run: in each "
        f"round everybody in turn, medians of {rounds} round{'s' * (rounds > 1)}.{later} Machines "
        "are noisy; the ratios say more than the rates. This page is written by the suite, from "
        "the figures in `docs/benchmarks.json`."
    )
    yield f"```console\n$ {run['command']}\n```"
    yield (
        "`make bench` puts the peers into an environment of their own and writes the figures to "
        "`docs/benchmarks.json`; `make bench BENCH=--page` writes this page from them."
    )
    yield _machine(run)
    yield "## Goals"
    yield "PostgreSQL, with durable commits, unless something else is said."
    yield table(
        ["goal", "value", "wanted", ""],
        [[row.text, row.value, row.wanted, row.state] for row in judge(found)],
    )
    for measure in HEADINGS:
        if measure in found:
            yield from _measure(run, found, measure)
    yield from _better(run, found)
    yield from _contenders(run)
    yield from _failures(run)


def _machine(run: dict[str, Any]) -> str:
    machine = run["machine"]
    databases = "\n".join(
        f"- {about['version']}: "
        + ", ".join(f"`{name}` {value or 'empty'}" for name, value in about["settings"].items())
        for about in run["databases"].values()
    )
    return (
        f"Measured on {run['started'][:10]}, in {run['minutes']:.0f} minutes, on "
        f"{machine['cores']} cores ({machine['processor']}), {machine['memory']}, "
        f"{machine['system']}, with Python {machine['python']} and Django {machine['django']}; "
        f"databases and brokers run on the same machine:\n\n{databases}"
    )


def _measure(run: dict[str, Any], found: Medians, measure: str) -> Iterable[str]:
    yield f"## {HEADINGS[measure]}"
    yield run["methods"][measure]
    for name, (of, *_) in PICTURES.items():
        if of == measure and _bars(run, found, name):
            yield f"![{_caption(name)}](benchmarks-{name}.svg)"
    for group in (("postgresql", "redis", "none"), ("mariadb",), ("sqlite",)):
        keys = [key for key in found[measure] if key.split("/")[1] in group]
        if not keys:
            continue
        names = list(dict.fromkeys(name for key in keys for name in found[measure][key]))
        title = " and ".join(DATABASES[name] for name in group if name != "none")
        unit = f", {UNITS[measure]}" if UNITS[measure] else ""
        yield f"**{title}{unit}**"
        yield table(
            ["", *names],
            [
                [_title(run, key), *(_cell(found, measure, key, name) for name in names)]
                for key in keys
            ],
        )


def _cell(found: Medians, measure: str, key: str, name: str) -> str:
    """The value, and where it makes sense how many times as much django_jobs does."""
    value = found[measure][key].get(name)
    ours = found[measure].get(f"{OURS}/{_at_home(key)}", {}).get(name)
    times = ratio(ours, value)
    if key.split("/")[0] == OURS or times is None or measure not in {"drain", "enqueue"}:
        return number(value)
    return f"{number(value)} ({number(times)} ×)"


def _at_home(key: str) -> str:
    database = key.split("/")[1]
    return database if database in {"mariadb", "sqlite"} else "postgresql"


def _better(run: dict[str, Any], found: Medians) -> Iterable[str]:
    yield "## Where others are better"
    rows = []
    for measure in HEADINGS:
        for key, values in found.get(measure, {}).items():
            if key.split("/")[0] in {OURS, *LIMITS}:
                continue
            for name, value in values.items():
                ours = found[measure].get(f"{OURS}/{_at_home(key)}", {}).get(name)
                if ours is None or "shell" in name:
                    continue
                lead = ratio(ours, value) if measure in SMALLER else ratio(value, ours)
                if value == 0 or (lead is not None and lead >= BETTER):
                    cells = [HEADINGS[measure], name, _title(run, key), number(value), number(ours)]
                    rows.append(cells)
    if not rows:
        yield "Nowhere in this run."
        return
    yield "By a twentieth at least, each on its own database, and django_jobs beside it:"
    yield table(["measure", "", "who", "theirs", "django_jobs"], rows)


def _contenders(run: dict[str, Any]) -> Iterable[str]:
    yield "## Who is measured"
    yield (
        "Each with the settings that do best in what is measured, as its own documentation and "
        "source have them. Logs are at WARNING, `DEBUG` is off, and Django keeps its connections "
        "for everybody."
    )
    seen: dict[str, list[str]] = {}
    for key, about in run["contenders"].items():
        versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
        row = seen.setdefault(about["title"], ["", "", about["settings"], versions])
        row[1] = ", ".join(filter(None, [row[1], DATABASES[key.split("/")[1]]]))
        row[0] = about["title"]
    yield table(["", "on", "how", "versions"], list(seen.values()))


def _failures(run: dict[str, Any]) -> Iterable[str]:
    if run["failures"]:
        yield "## What could not be measured"
        yield table(
            ["who", "what", "why"],
            [
                [_title(run, key), what, reason.replace("|", "\\|")]
                for key, reasons in run["failures"].items()
                for what, reason in reasons.items()
            ],
        )


def _title(run: dict[str, Any], key: str) -> str:
    about = run["contenders"].get(key)
    name, _, database = key.partition("/")
    title = about["title"] if about else name
    return f"{title} on Redis" if title == "Huey" and database == "redis" else title


def _picture(run: dict[str, Any], found: Medians, name: str) -> str | None:
    measure, _, _, unit = PICTURES[name]
    bars = _bars(run, found, name)
    return charts.chart(_caption(name), bars, unit, smaller=measure in SMALLER) if bars else None


def _bars(run: dict[str, Any], found: Medians, name: str) -> list[charts.Bar]:
    measure, value, databases, _ = PICTURES[name]
    return [
        charts.Bar(_title(run, key), values[value], _kind(key.split("/")[0]))
        for key, values in found.get(measure, {}).items()
        if key.split("/")[1] in databases and value in values
    ]


def _caption(name: str) -> str:
    measure, value, databases, _ = PICTURES[name]
    where = " and ".join(DATABASES[database] for database in databases)
    return f"{HEADINGS[measure]} on {where}: {value}, {UNITS[measure]}"


def _kind(name: str) -> str:
    return "ours" if name == OURS else "limit" if name in LIMITS else "peer"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
