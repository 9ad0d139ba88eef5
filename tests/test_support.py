"""The tests' own tools: what they promise the other tests."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import run
from tests.support import databases
from tests.support.processes import Process
from tests.support.waiting import wait_until


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    started = []

    def start(code: str) -> Process:
        process = Process([sys.executable, "-uc", code], tmp_path / "log", os.environ)
        started.append(process)
        return process

    yield start
    for process in started:
        process.end()


def test_a_process_that_ends_early_is_not_waited_for(start):
    process = start("print('bad luck')")
    with pytest.raises(AssertionError, match=r"ended without 'ready'(.|\n)*bad luck"):
        process.wait_for("ready", timeout=60)


def test_a_line_that_does_not_come_shows_the_output(start):
    process = start("print('hello'); import time; time.sleep(60)")
    process.wait_for("hello")
    with pytest.raises(AssertionError, match=r"'ready' from (.|\n)*running\)\nhello"):
        process.wait_for("ready", timeout=0.1)


def test_end_kills_the_children_of_a_killed_process(start):
    process = start("import os, time; os.fork(); print(os.getpid()); time.sleep(60)")
    process.wait_for("", timeout=20, count=2)
    child = next(pid for pid in map(int, process.output.split()) if pid != process.pid)
    process.kill()
    os.kill(child, 0)

    process.end()

    wait_until(lambda: not alive(child), message="the child's end")


def alive(pid: int) -> bool:
    """A zombie, which nobody may reap in a container, is not alive."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_signals_reach_the_process(start):
    process = start("import time; print('up'); time.sleep(60)")
    process.wait_for("up")
    process.signal(signal.SIGUSR1)  # not INT or QUIT: a job in the background ignores these
    assert process.wait() == -signal.SIGUSR1


def test_wait_until_returns_what_it_waited_for():
    values = iter([0, None, "third"])
    assert wait_until(lambda: next(values)) == "third"


def test_wait_until_has_a_bound():
    with pytest.raises(AssertionError, match=r"nothing after 0.05 s: the tide"):
        wait_until(lambda: False, timeout=0.05, message="the tide")


def test_other_databases_run_only_what_depends_on_them():
    assert run.selection("sqlite", ["-k", "retry"]) == ["-k", "retry"]
    assert run.selection("mariadb", ["-k", "retry"])[-1] == "tests/lifecycle"
    assert run.selection("mariadb", ["tests/run.py::x", "-v"]) == ["tests/run.py::x", "-v"]


def test_the_summary_counts_each_outcome(tmp_path):
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>'
    )
    assert run.counts(report) == "2 failed, 1 errors, 3 passed, 3 skipped"
    report.write_text('<testsuites><testsuite tests="0"/></testsuites>')
    assert run.counts(report) == "no tests"


def test_a_missing_database_is_left_out_or_a_failure(monkeypatch, capsys):
    def nothing(name, stack):
        raise databases.Unavailable("no server")

    monkeypatch.setattr(run, "find", nothing)
    monkeypatch.delenv("CI", raising=False)
    assert run.main(["--only", "mariadb"]) == 0
    assert "left out  mariadb          no server" in capsys.readouterr().out
    assert run.main(["--only", "mariadb", "--require"]) == 1
    monkeypatch.setenv("CI", "1")
    assert run.main(["--only", "mariadb"]) == 1


def test_a_server_that_was_asked_for_must_answer(monkeypatch):
    # Port 1 of loopback refuses.
    monkeypatch.setenv("DJANGO_JOBS_POSTGRESQL_URL", "postgres://postgres@127.0.0.1:1/postgres")
    with pytest.raises(databases.Unavailable, match="refused") as caught:
        databases.find("postgresql", None)
    assert caught.value.asked_for
