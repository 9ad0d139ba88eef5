"""The benchmarks count what they say they count, and say so when a goal is missed."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks import ledger, report
from tests.benchmarks.__main__ import added
from tests.benchmarks.goals import GOALS, Goal, judge
from tests.benchmarks.ledger import Ledger, NotOnce, check_once
from tests.benchmarks.options import QUICK
from tests.benchmarks.results import medians
from tests.benchmarks.run import Run
from tests.benchmarks.tracing import statements
from tests.benchmarks.work import work

RESULTS: dict[str, Any] = {
    "drain": {
        "django_jobs/postgresql": {"10 threads": [900, 1000, 3000]},
        "django_ox/postgresql": {"10 threads": [50, 40, 60]},
        "pgqueuer/postgresql": {"10 threads": [2000]},
    },
    "latency": {"django_jobs/postgresql": {"ms": [1.0, 2.0, 3.0]}},
}


class TestLedger:
    @pytest.fixture
    def book(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
        monkeypatch.setenv(ledger.VARIABLE, str(tmp_path / "ledger"))
        monkeypatch.setattr(ledger, "_file", None)
        return Ledger(tmp_path / "ledger")

    def test_each_once(self, book: Ledger) -> None:
        work(7)
        book.mark()
        for number in range(3):
            work(number)
        runs = book.runs()
        assert len(book) == 3
        check_once(runs, range(3))
        assert {run.pid for run in runs} == {os.getpid()}
        assert runs[0].started <= runs[1].started <= runs[2].started

    def test_twice_and_missing(self, book: Ledger) -> None:
        for number in (0, 1, 1, 9):
            work(number)
        with pytest.raises(NotOnce, match=r"more than once.*never ran.*not asked for") as caught:
            check_once(book.runs(), range(3))
        assert (caught.value.twice, caught.value.missing, caught.value.unknown) == ([1], [2], [9])


def test_statements_are_counted_by_thread(tmp_path: Path) -> None:
    tmp_path.joinpath("claimer@1-0.libpq").write_text(
        '2026-11-24 13:42:28.250811\tF\t1312\tQuery\t "SET LOCAL enable_sort = off;\n'
        '        UPDATE job\n\tSET a = 1"\n'
        '2026-11-24 13:42:28.252528\tB\t8\tCommandComplete\t "SET"\n'
        '2026-11-24 13:42:28.252576\tB\t14\tCommandComplete\t "UPDATE 10"\n'
        "2026-11-24 13:42:28.252599\tB\t5\tReadyForQuery\t I\n"
        '2026-11-24 13:42:28.252612\tB\t10\tCommandComplete\t "COMMIT"\n'
    )
    tmp_path.joinpath("recorder@1-1.sql").write_text("BEGIN IMMEDIATE\nUPDATE job SET a = 1\n")
    assert statements(tmp_path) == {
        ("claimer", False): 2,
        ("claimer", True): 1,
        ("recorder", False): 1,
        ("recorder", True): 1,
    }


class TestGoals:
    @pytest.mark.parametrize(
        ("least", "most", "value", "state"),
        [
            (2, None, 2, "reached"),
            (2, None, 1.9, "missed"),
            (None, 2, 2, "reached"),
            (None, 2, 2.1, "missed"),
            (2, None, None, "not measured"),
        ],
    )
    def test_state(
        self, least: float | None, most: float | None, value: float | None, state: str
    ) -> None:
        goal = Goal("speed", lambda found: value, least=least, most=most)
        assert [row.state for row in judge({}, [goal])] == [state]

    def test_ratios(self) -> None:
        rows = {row.text: row for row in judge(medians(RESULTS))}
        assert len(rows) == len(GOALS)
        ox, pgqueuer = (rows[f"drain, 10 threads: over {x}"] for x in ("django_ox", "pgqueuer"))
        assert (ox.value, ox.state) == ("20.0 ×", "reached")
        assert (pgqueuer.value, pgqueuer.state) == ("0.50 ×", "missed")
        assert rows["pick-up latency, p50"].value == "2.00 ms"
        assert rows["drain, 10 threads: over huey"].state == "not measured"


def test_run(tmp_path: Path) -> None:
    """One real worker on SQLite; who can't be measured is named, with the reason."""
    said: list[str] = []
    size = replace(QUICK, jobs=40, least=20)
    run = Run(size, said.append)
    run(["sqlite"], ["django_jobs", "nobody"], ["drain"])
    rates = run.results["drain"]["django_jobs/sqlite"]["10 threads"]
    assert len(rates) == 1
    assert rates[0] > 1
    assert list(run.failures) == ["nobody"]
    assert "No module named" in run.failures["nobody"]["all"]
    assert any(line.startswith("NOT MEASURED: nobody") for line in said)


def test_a_database_that_is_measured_later_is_added_to_the_others() -> None:
    def run(command: str, rate: float, name: str) -> dict[str, Any]:
        key = f"django_jobs/{name}"
        return {
            "command": command,
            "minutes": 2,
            "results": {"drain": {key: {"10 threads": [rate]}, "threads/none": {"1": [rate]}}},
            "databases": {name: {"version": name}},
            "contenders": {key: {}},
            "failures": {"mariadb": {"all": "no driver"}} if name != "mariadb" else {},
        }

    first, later = run("make bench", 1, "postgresql"), run("make bench BENCH=m", 2, "mariadb")
    both = added(first, later, ["mariadb"])
    drains = both["medians"]["drain"]
    assert {key: [*of.values()] for key, of in drains.items()} == {
        "django_jobs/postgresql": [1],
        "django_jobs/mariadb": [2],
        "threads/none": [1],
    }
    assert both["command"] == "make bench\n$ make bench BENCH=m"
    assert (both["minutes"], both["added"], both["failures"]) == (4, ["mariadb"], {})
    assert list(both["databases"]) == ["postgresql", "mariadb"]


def test_page(tmp_path: Path) -> None:
    about = {"title": "django_jobs", "settings": "as it is", "versions": {"django-jobs": "1"}}
    run = {
        "command": "python -m tests.benchmarks",
        "started": "2026-01-02T03:04:05+00:00",
        "minutes": 5,
        "machine": {
            "processor": "Abacus",
            "cores": 2,
            "memory": "8 GiB",
            "system": "Linux 6",
            "python": "3.13",
            "django": "6.1",
        },
        "databases": {"postgresql": {"version": "PostgreSQL 15", "settings": {"fsync": "on"}}},
        "size": {"rounds": 3},
        "methods": {"drain": "How many.", "latency": "How soon."},
        "contenders": {
            f"{name}/postgresql": about | {"title": name}
            for name in ("django_jobs", "django_ox", "pgqueuer")
        },
        "failures": {"chancy": {"all": "No module named 'chancy'"}},
        "results": RESULTS,
    }
    source, page = tmp_path / "benchmarks.json", tmp_path / "benchmarks.md"
    source.write_text(json.dumps(run))
    report.write(source, page)
    text = page.read_text()
    assert "| django_ox | 50.0 (20.0 ×) |" in text
    assert "| Draining | 10 threads | pgqueuer | 2,000 | 1,000 |" in text
    assert "| chancy | all | No module named 'chancy' |" in text
    assert "| drain, 10 threads: over pgqueuer | 0.50 × | ≥ 1 × | missed |" in text
    assert "![Draining on PostgreSQL and Redis: 10 threads, jobs a second](" in text
    assert "benchmarks-drain-sqlite.svg" not in text
    title = ElementTree.parse(tmp_path / "benchmarks-drain.svg").getroot()[0]
    assert title.text == "Draining on PostgreSQL and Redis: 10 threads, jobs a second"
