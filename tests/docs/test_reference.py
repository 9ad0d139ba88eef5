"""The reference pages say what the code does: in both directions."""

import argparse
import ast
import inspect
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

import django_jobs
from django_jobs import Backoff, Cancel, ShuttingDown, Snooze, TimedOut
from django_jobs.admin.control import STACKS
from django_jobs.admin.control import VERBS as WORKER_VERBS
from django_jobs.admin.verbs import VERBS
from django_jobs.claim import Claim
from django_jobs.conf import READERS, Options
from django_jobs.exceptions import UnknownTask
from django_jobs.failure import Failure
from django_jobs.log import log_ended, log_job
from django_jobs.models import Job, Status, Worker
from django_jobs.policy import Kind, Policy, after_unavailable, decide
from django_jobs.results import RESULT_STATUS
from django_jobs.task import UNSET, job
from django_jobs.worker.stop import Exit
from tests import gate
from tests.docs.blocks import DOCS, PAGES, ROOT, code, name, table
from tests.docs.nodes import assert_exists, named_tests
from tests.run import EVERY_DATABASE

PACKAGE = ROOT / "django_jobs"
SOURCES = sorted(PACKAGE.rglob("*.py"))


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


class TestSettings:
    ROWS = table(DOCS / "settings.md", "## OPTIONS")
    WITH_RANGE = tuple(row for row in ROWS if re.match(r"`[\d.]+` to ", row[2]))

    def test_names(self) -> None:
        assert [code(row[0]) for row in self.ROWS] == list(READERS)

    @pytest.mark.parametrize("row", ROWS, ids=lambda row: code(row[0]))
    def test_default(self, row: list[str]) -> None:
        options = Options()
        attribute = code(row[0]).lower()
        default = getattr(options, attribute, None) or getattr(options.policy, attribute, None)
        written = eval(code(row[1]), {"Backoff": Backoff})
        assert written == default or (not written and not default)
        assert repr(written) == code(row[1])

    @pytest.mark.parametrize("row", WITH_RANGE, ids=lambda row: code(row[0]))
    def test_range(self, row: list[str]) -> None:
        read = READERS[code(row[0])]
        low, high = (float(c) if "." in c else int(c) for c in codes(row[2])[:2])
        assert read(low) == low
        assert read(high) == high
        for wrong in (low - 1, high + 1, "5"):
            with pytest.raises((TypeError, ValueError)):
                read(wrong)
        if "`None`" in row[2]:
            assert read(None) is None

    def test_a_range_is_given_for_each_number(self) -> None:
        with_range = {
            code(row[0]) for row in self.ROWS if " to " in row[2] and "dict" not in row[2]
        }
        numbers = {n for n, read in READERS.items() if is_accepted(read, 5)}
        assert with_range == numbers


def is_accepted(read: Any, value: object) -> bool:
    try:
        read(value)
    except (TypeError, ValueError):
        return False
    return True


class TestPolicy:
    def test_arguments_of_job(self) -> None:
        rows = table(DOCS / "howto" / "retries.md", "# Retries, backoff and giving up")
        written = {code(row[0]): code(row[1]) for row in rows}
        fields = {name: repr(getattr(Policy(), name)) for name in Policy.__dataclass_fields__}
        assert written == fields
        assert set(written) < set(inspect.signature(job).parameters)


class TestChecks:
    def test_ids(self) -> None:
        written = [code(row[0]) for row in table(DOCS / "checks.md", "# System checks")]
        sources = "".join(path.read_text() for path in SOURCES)
        assert written == sorted(set(re.findall(r"django_jobs\.E\d+", sources)))


class TestCommands:
    def actions(self, command: str) -> dict[str, argparse.Action]:
        """The options that the command itself adds, by their flags as a table writes them."""
        parser = load_command_class("django_jobs", command).create_parser("manage.py", command)
        plain = BaseCommand().create_parser("manage.py", command)
        common = {flag for action in plain._actions for flag in action.option_strings}
        own: dict[str, argparse.Action] = {}
        for action in parser._actions:
            if set(action.option_strings) - common:
                own.setdefault(action.dest, action)
        return own

    @pytest.mark.parametrize("command", ["runjobs", "prunejobs"])
    def test_options(self, command: str) -> None:
        rows = table(DOCS / "commands.md", f"## {command}")
        written = {code(row[0]): row[1] for row in rows}
        actions = {a.option_strings[0]: a for a in self.actions(command).values()}
        assert list(written) == list(actions)
        for flag, default in written.items():
            action = actions[flag]
            if default.startswith("`") and action.dest != "reload":
                assert code(default) == str(action.default), flag
            elif action.dest != "reload":
                assert action.default in ("", None, False), flag

    def test_every_command(self) -> None:
        modules = (PACKAGE / "management" / "commands").glob("[!_]*.py")
        text = (DOCS / "commands.md").read_text()
        headings = re.findall(r"^## (\w+)$", text, re.MULTILINE)
        assert sorted(headings) == sorted(path.stem for path in modules)

    def test_limits(self) -> None:
        """The ranges in the table are those that configure() checks."""
        written = {}
        for row in table(DOCS / "commands.md", "## runjobs"):
            if found := re.search(r", ([\d.]+) to ([\d.]+)$", row[2]):
                dest = code(row[0]).removeprefix("--").replace("-", "_")
                written[dest] = (float(found[1]), float(found[2]))
        source = (PACKAGE / "worker" / "start.py").read_text()
        checked = {
            name: (float(low), float(high))
            for name, low, high in re.findall(r'\("(\w+)", ([\d.]+), ([\d]+)\)', source)
        }
        assert checked
        assert written == checked

    def test_exit_codes(self) -> None:
        rows = table(DOCS / "commands.md", "### Exit codes")
        assert [int(code(row[0])) for row in rows] == [int(end) for end in Exit]


class TestLogging:
    PAGE = DOCS / "howto" / "logging.md"

    def test_keys(self) -> None:
        written = [code(row[0]) for row in table(self.PAGE, "## Keys")]
        [record] = logged_by(lambda: log_job(logging.INFO, "started", Job(task_path="a.b"), "…"))
        plain = vars(logging.LogRecord("", 0, "", 0, "", (), None)).keys() | {"message", "asctime"}
        assert sorted(vars(record).keys() - plain) == sorted(written)

    def test_events_of_jobs(self) -> None:
        found = events("log_job") | ends_of_attempts()
        assert self.written("### About a job") == found

    def test_other_events(self) -> None:
        found = events("logger")
        assert self.written("### About a worker, or no job in particular") == found

    def written(self, heading: str) -> set[tuple[str, str]]:
        rows = table(self.PAGE, heading)
        return {(code(row[0]), level) for row in rows for level in codes(row[1])}


def logged_by(work: Callable[[], object]) -> list[logging.LogRecord]:
    records: list[logging.LogRecord] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, handler = logging.getLogger("django_jobs"), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        work()
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    return records


def ends_of_attempts() -> set[tuple[str, str]]:
    """What is logged at the end of an attempt, for each way in which one can end."""
    policy = Policy(max_attempts=2)
    ends = [
        (1, None),
        (1, ValueError()),
        (2, ValueError()),
        (1, TimedOut()),
        (1, Snooze(after=1)),
        (1, Cancel()),
        (1, ShuttingDown()),
    ]
    outcomes = [(decide(policy, attempt, error), error) for attempt, error in ends]
    outcomes.append((after_unavailable("…", waited=1, grace=2), UnknownTask("a.b")))
    assert {outcome.kind for outcome, _ in outcomes if outcome} == set(Kind) - {Kind.LOST}
    claim = Claim(Job(task_path="a.b"), uuid4(), "host:1")
    records = logged_by(
        lambda: [
            log_ended(claim, outcome, error and Failure.of(error), error, 0.1)
            for outcome, error in outcomes
        ]
    )
    return {(record.event, record.levelname) for record in records}


def events(what: str) -> set[tuple[str, str]]:
    """Each event that is written out in a call of ``log_job()`` or of the logger."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called == "log_job" == what:
                found |= set(zip_choices(node.args[1], node.args[0]))
            elif called.startswith("logger.") and what == "logger":
                event = next((e for e in map(event_of, node.keywords) if e), None)
                method = called.removeprefix("logger.")
                if event is not None and method == "log":
                    found |= {(event, level) for level in choices(node.args[0])}
                elif event is not None:
                    found.add((event, "ERROR" if method == "exception" else method.upper()))
    return found


def event_of(keyword: ast.keyword) -> str | None:
    """The event in ``extra={…, "event": "…"}``."""
    if keyword.arg == "extra" and isinstance(keyword.value, ast.Dict):
        for key, value in zip(keyword.value.keys, keyword.value.values, strict=True):
            if isinstance(key, ast.Constant) and key.value == "event":
                return value.value if isinstance(value, ast.Constant) else None
    return None


def zip_choices(event: ast.expr, level: ast.expr) -> list[tuple[str, str]]:
    """``"a" if x else "b"`` goes with ``A if x else B``."""
    return list(zip(choices(event), choices(level), strict=True)) if choices(event) else []


def choices(node: ast.expr) -> list[str]:
    match node:
        case ast.IfExp():
            return choices(node.body) + choices(node.orelse)
        case ast.Constant():
            return [str(node.value)]
        case ast.Attribute():
            return [node.attr]
        case _:
            return []  # a variable: see ends_of_attempts()


class TestApi:
    def test_everything_public_is_there(self) -> None:
        text = (DOCS / "api.md").read_text()
        written = set(re.findall(r"django_jobs\.(\w+)(?=[\s(]|$)", text))
        assert set(django_jobs.__all__) <= written

    def test_signature_of_job(self) -> None:
        """It is written out, since the overloads are not for reading."""
        [written] = re.findall(r"django_jobs\.job\(\*, (.*)\)", (DOCS / "api.md").read_text())
        parameters = list(inspect.signature(job).parameters.values())[1:]
        found = [p.name if p.default is UNSET else f"{p.name}={p.default!r}" for p in parameters]
        assert written.replace('"', "'").split(", ") == found


class TestAdmin:
    def test_actions(self) -> None:
        rows = table(DOCS / "admin.md", "## Act on it")
        assert [row[0] for row in rows] == [str(verb.label) for verb in VERBS.values()]
        for row, verb in zip(rows, VERBS.values(), strict=True):
            statuses = tuple(codes(row[1])) or tuple(Status)
            assert statuses == verb.statuses
            assert code(row[3]) == f"{verb.name}_job"

    def test_what_a_worker_is_told(self) -> None:
        rows = table(DOCS / "howto" / "workers.md", "## Tell it something")
        verbs = (*WORKER_VERBS, STACKS)
        assert [row[0] for row in rows] == [str(verb.label) for verb in verbs]
        written = [code(row[2]) for row in rows]
        assert written == ["control_worker"] * len(WORKER_VERBS) + ["view_worker_stacks"]
        assert set(written) == {codename for codename, _ in Worker._meta.permissions}


class TestGlossary:
    def test_statuses(self) -> None:
        rows = table(DOCS / "glossary.md", "## Statuses")
        written = {code(row[0]): code(row[2]) for row in rows}
        assert written == {str(s): str(RESULT_STATUS[s].value) for s in Status}


class TestGuarantees:
    TEXT = (DOCS / "guarantees.md").read_text()
    NAMED = sorted(set(named_tests(TEXT)))

    @pytest.mark.parametrize("node", NAMED)
    def test_the_tests_it_names_exist(self, node: str) -> None:
        assert_exists(node)

    def test_they_run_on_every_database(self) -> None:
        assert all(node.startswith((*EVERY_DATABASE, "tests/faults")) for node in self.NAMED)

    def test_each_promise_has_some(self) -> None:
        for section in re.split(r"^## (?=\d)", self.TEXT, flags=re.MULTILINE)[1:]:
            section = section.split("\n## ")[0]
            assert "Tests:\n`tests/" in section or "**Not in this release.**" in section, section


class TestContributing:
    PAGE = DOCS / "contributing.md"

    def test_targets(self) -> None:
        text = (ROOT / "Makefile").read_text()
        targets = re.findall(r"^([a-z-]+):.*## ", text, re.MULTILINE)
        written = [code(row[0]).removeprefix("make ") for row in table(self.PAGE, "## Targets")]
        assert sorted(written) == sorted(set(targets) - {"help"})

    def test_what_has_to_be_covered(self) -> None:
        written = [f"django_jobs/{code(row[0])}" for row in table(self.PAGE, "## Coverage")]
        assert written == list(gate.CORE)
        assert f"Of the whole package, {gate.PACKAGE_PERCENT} % have" in self.PAGE.read_text()
        assert gate.CORE_PERCENT == 100


class TestLinks:
    @pytest.mark.parametrize("path", PAGES, ids=name)
    def test_files_that_pages_link_to_exist(self, path: Path) -> None:
        """Sphinx checks the rest; the README, and what links out of docs/, it does not see."""
        for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]*)?\)", path.read_text()):
            if "://" not in target:
                assert (path.parent / target).exists(), target
