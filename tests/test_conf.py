"""``OPTIONS``: what is read, what is refused, and how the system checks say it."""

import dataclasses
import io

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.test import override_settings

from django_jobs.compat import task_backends
from django_jobs.conf import READERS, Options, read_options
from django_jobs.exceptions import InvalidOptions
from django_jobs.policy import Backoff, Policy
from tests.sample import tasks


def tasks_setting(options=None, **params):
    params.setdefault("QUEUES", [])
    backend = {"BACKEND": "django_jobs.backend.DatabaseBackend", "OPTIONS": options or {}}
    return override_settings(TASKS={"default": backend | params})


def backoff(exception, task_result):
    return 1


GOOD = {
    "MAX_ATTEMPTS": [1, 32767],
    "TIMEOUT": [None, 0.5, 30],
    "BACKOFF": [Backoff(), {"base": 2}, {"base": 1, "maximum": 2, "jitter": 0}, {}, backoff],
    "LEASE": [1, 30.5, 3600],
    "MAX_CRASHES": [1, 3, 100],
    "MAX_INTERRUPTIONS": [1, 20, 1000],
    "ARGUMENTS_MAX_BYTES": [2, 16 * 1024 * 1024],
    "ARGUMENTS_MAX_DEPTH": [1, 30],
    "DELETE_SUCCESSFUL": [True, False],
    "TASK_MODULES": [[], ("a.b", "c")],
    "UNKNOWN_TASK_GRACE": [0, 0.5, 30 * 86400],
    "NOTIFY": [True, False],
    "RELEASE": ["", "2026-11-26.1", "é" * 64],
    "ON_STOP": [{}, {"mail": "drain", "nice": "release"}],
    "KEEP_LOGS": [None, "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
}
BAD = {
    "MAX_ATTEMPTS": [0, -1, 32768, 1.5, "5", None, True],
    "TIMEOUT": [0, -1, "30", float("nan"), float("inf"), True, 10**9],
    "BACKOFF": [5, None, "fast", {"bas": 1}, {"base": 0}, {"base": "x"}, {1: 2}],
    "LEASE": [0, 0.5, 3601, "30", None],
    "MAX_CRASHES": [0, 101, 1.5, True, None],
    "MAX_INTERRUPTIONS": [0, 1001, 1.5, True, None],
    "ARGUMENTS_MAX_BYTES": [0, 1.5, 10**9, "64K"],
    "ARGUMENTS_MAX_DEPTH": [0, 31, None],
    "DELETE_SUCCESSFUL": [None, 1, "yes"],
    "TASK_MODULES": ["a.b", None, [1], ["a b"], [""], ["a..b"], {"a": 1}],
    "UNKNOWN_TASK_GRACE": [-1, None, "1 day", 31 * 86400, float("nan")],
    "NOTIFY": [None, 1, "yes"],
    "RELEASE": [None, 1, "x" * 65, "a\nb", b"x"],
    "ON_STOP": [
        None,
        ["mail"],
        {"mail": "wait"},
        {"mail": ["drain"]},
        {"a b": "drain"},
        {1: "drain"},
    ],
    "KEEP_LOGS": ["info", "NOTSET", "", 20, True, False, ["INFO"]],
}


def cases(table):
    """Their ids are the same in each process: an object is called by its name, if it has one."""

    def shown(value):
        return getattr(value, "__name__", None) or repr(value)

    return [
        pytest.param(name, value, id=f"{name}={shown(value)}"[:60])
        for name in table
        for value in table[name]
    ]


def test_every_option_is_in_both_tables():
    assert set(GOOD) == set(BAD) == set(READERS)
    fields = {f.name for c in (Options, Policy) for f in dataclasses.fields(c)}
    assert {name.lower() for name in READERS} <= fields


@pytest.mark.parametrize(("name", "value"), cases(GOOD))
def test_good_values_are_read(name, value):
    options, problems = read_options({name: value})
    assert problems == []
    field = name.lower()
    read = getattr(options.policy if hasattr(options.policy, field) else options, field)
    if isinstance(value, dict) and name == "BACKOFF":
        value = Backoff(**value)
    assert read == (tuple(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(("name", "value"), cases(BAD))
def test_bad_values_are_a_problem_and_the_default_stays(name, value):
    options, (problem,) = read_options({name: value})
    assert problem.id == "django_jobs.E002"
    assert problem.message.startswith(f"OPTIONS[{name!r}]")
    assert options == Options()


def test_defaults():
    assert read_options({}) == (Options(), [])
    assert Options().policy == Policy(max_attempts=5, timeout=None, backoff=Backoff(5, 3600, 0.2))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Options().lease = 1


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("MAX_ATTEMPT", "Did you mean 'MAX_ATTEMPTS'?"),
        ("max_attempts", "Did you mean 'MAX_ATTEMPTS'?"),
        ("TIME_OUT", "Did you mean 'TIMEOUT'?"),
        ("task_module", "Did you mean 'TASK_MODULES'?"),
        ("COLOUR", "Known options: MAX_ATTEMPTS"),
        (7, "Known options: MAX_ATTEMPTS"),
        (None, "Known options: MAX_ATTEMPTS"),
    ],
)
def test_an_unknown_option_is_told_the_nearest_name(name, hint):
    options, (problem,) = read_options({name: 1})
    assert problem.id == "django_jobs.E001"
    assert problem.message == f"OPTIONS has no option {name!r}."
    assert problem.hint.startswith(hint)
    assert options == Options()


@pytest.mark.parametrize("raw", [None, [], "x", 5])
def test_options_that_are_no_dict(raw):
    assert [p.id for p in read_options(raw)[1]] == ["django_jobs.E002"]


def test_every_problem_is_told_at_once():
    problems = read_options({"LEASE": 0, "NOPE": 1, "TIMEOUT": -1})[1]
    assert [problem.id for problem in problems] == [
        "django_jobs.E002",
        "django_jobs.E001",
        "django_jobs.E002",
    ]


def test_wrong_options_refuse_to_enqueue():
    with tasks_setting({"LEESE": 30}), pytest.raises(InvalidOptions, match="Did you mean 'LEASE'"):
        tasks.add.enqueue(1, 2)


@pytest.mark.django_db  # the checks of the models ask the database what it can do
class TestChecks:
    def found(self):
        return [(m.id, m.msg, m.hint) for m in task_backends["default"].check()]

    def test_nothing_is_wrong_here(self):
        assert self.found() == []

    def test_e001_an_unknown_option(self):
        with tasks_setting({"LEESE": 1}):
            assert self.found() == [
                (
                    "django_jobs.E001",
                    "TASKS['default']: OPTIONS has no option 'LEESE'.",
                    "Did you mean 'LEASE'?",
                )
            ]

    def test_e002_a_bad_value(self):
        with tasks_setting({"LEASE": 0}):
            ((check, message, hint),) = self.found()
        assert check == "django_jobs.E002"
        assert message.startswith("TASKS['default']: OPTIONS['LEASE']: must be a number of seconds")
        assert hint is None

    @pytest.mark.parametrize("queues", [["two words"], [""], ["x" * 65], [1], ["mail", 1, None]])
    def test_e003_a_queue_name(self, queues):
        with tasks_setting(QUEUES=queues):
            found = self.found()
        assert {check for check, _, _ in found} == {"django_jobs.E003"}
        assert "letters, digits" in found[0][2]

    def test_e004_no_time_zones(self):
        with override_settings(USE_TZ=False):
            assert [check for check, _, _ in self.found()] == ["django_jobs.E004"]

    def test_e005_not_installed(self):
        with override_settings(INSTALLED_APPS=["django.contrib.contenttypes"]):
            assert [check for check, _, _ in self.found()] == ["django_jobs.E005"]

    @pytest.mark.django_db  # the checks of the models ask the database what it can do
    def test_manage_check_says_it(self):
        wrong = tasks_setting({"LEESE": 1, "LEASE": 0}, QUEUES=["two words"])
        with wrong, pytest.raises(SystemCheckError) as caught:
            call_command("check", stderr=io.StringIO())
        text = str(caught.value)
        for part in ("django_jobs.E001", "django_jobs.E002", "django_jobs.E003", "HINT: Did you"):
            assert part in text

    @pytest.mark.django_db
    def test_manage_check_is_content_otherwise(self):
        out = io.StringIO()
        call_command("check", stdout=out, stderr=out)
        assert "no issues" in out.getvalue()
