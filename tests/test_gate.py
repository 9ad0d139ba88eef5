"""The gate of `make coverage`: what it lets through, and that it sees what workers run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests import gate, matrix, run
from tests.support.databases import Unavailable


def report(package: float = 97.0, **percents: float) -> dict[str, Any]:
    """What ``coverage json`` writes, as far as the gate reads it."""
    files = {path: {"summary": {"percent_covered": 100.0}} for path in gate.CORE}
    files["django_jobs/log.py"] = {"summary": {"percent_covered": 50.0}}
    for name, percent in percents.items():
        files[f"django_jobs/{name}.py"]["summary"]["percent_covered"] = percent
    totals = {"percent_covered": package}
    return {"meta": {"branch_coverage": True}, "files": files, "totals": totals}


def test_enough_is_enough():
    assert list(gate.shortfalls(report(package=95.0))) == []


@pytest.mark.parametrize("name", ["claim", "record", "rescue"])
def test_one_branch_of_a_core_module_is_too_much_to_miss(name):
    assert list(gate.shortfalls(report(**{name: 99.61}))) == [
        f"django_jobs/{name}.py: 99.61 %, not 100 %"
    ]


def test_the_rest_may_miss_a_little():
    assert list(gate.shortfalls(report(package=94.99))) == ["the package: 94.99 %, not 95 %"]


def test_a_core_module_that_is_not_there_is_no_success():
    without = report()
    del without["files"]["django_jobs/claim.py"]
    assert list(gate.shortfalls(without)) == ["django_jobs/claim.py: not measured"]


def test_lines_are_not_branches():
    lines = report() | {"meta": {"branch_coverage": False}}
    assert list(gate.shortfalls(lines)) == ["branches were not measured"]


def test_the_core_modules_are_there():
    assert [path for path in gate.CORE if not (gate.ROOT / path).is_file()] == []


def test_a_shortfall_fails_the_run(monkeypatch, capsys):
    def nothing(name, stack):
        raise Unavailable("no server")

    monkeypatch.setattr(run, "find", nothing)
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(gate, "forget", lambda: None)
    monkeypatch.setattr(gate, "judge", lambda: ["django_jobs/claim.py: 99.61 %, not 100 %"])
    assert run.main(["--coverage"]) == 1
    assert "FAILED    coverage         django_jobs/claim.py: 99.61 %" in capsys.readouterr().out
    monkeypatch.setattr(gate, "judge", list)
    assert run.main(["--coverage"]) == 0


def test_it_is_measured_where_every_database_is():
    measured = [cell for cell in matrix.CELLS if cell.coverage]
    assert [cell.databases for cell in measured] == ["sqlite,postgresql,mariadb"]


def test_processes_are_measured_even_where_they_end_at_once(tmp_path: Path):
    """As a worker does that leaves jobs behind."""
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\n"
        "code = 'import os; from django_jobs.policy import Backoff; Backoff(); os._exit(0)'\n"
        "subprocess.run([sys.executable, '-c', code], check=True)\n"
    )
    env = os.environ | {"COVERAGE_FILE": str(tmp_path / "data"), "PYTHONPATH": str(gate.ROOT)}
    env.pop("COVERAGE_PROCESS_CONFIG", None)  # of a run that measures this one
    config = f"--rcfile={gate.ROOT / 'pyproject.toml'}"

    def coverage(*arguments: str) -> str:
        command = [sys.executable, "-m", "coverage", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=env, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    coverage("run", config, "parent.py")
    coverage("combine", config)
    files = json.loads(coverage("json", config, "-o", "-"))["files"]
    [policy] = [path for path in files if path.endswith("django_jobs/policy.py")]
    functions = files[policy]["functions"]
    assert functions["Backoff.__post_init__"]["executed_lines"] != []
    assert functions["Backoff.delay"]["executed_lines"] == []
