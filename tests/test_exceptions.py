"""The exceptions of the public face carry their data."""

import pickle
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from django_jobs import Cancel, GiveUp, InvalidArgument, Retry, Snooze, exceptions
from django_jobs.exceptions import (
    LONGEST_DELAY,
    InvalidOptions,
    JobsError,
    Steer,
    TaskModuleError,
    UnknownTask,
    seconds,
)


@pytest.mark.parametrize(
    ("delay", "expected"),
    [
        (0, 0),
        (1, 1),
        (1.5, 1.5),
        (timedelta(minutes=2), 120),
        (timedelta(0), 0),
        (True, 1),
        (LONGEST_DELAY, LONGEST_DELAY),
    ],
)
def test_a_delay_is_seconds_or_a_timedelta(delay, expected):
    assert seconds(delay) == expected
    assert isinstance(seconds(delay), float)
    assert Retry(after=delay).after == Snooze(after=delay).after == expected


@pytest.mark.parametrize(
    "delay", [-1, float("nan"), float("inf"), timedelta(-1), timedelta.max, LONGEST_DELAY + 1]
)
def test_other_delays_are_refused_where_they_are_written(delay):
    for make in (lambda: Retry(after=delay), lambda: Snooze(after=delay)):
        with pytest.raises(ValueError, match="A delay must be"):
            make()


@pytest.mark.parametrize(
    "steer", [Retry("why"), Snooze("why", after=1), GiveUp("why"), Cancel("why")]
)
def test_what_steers_has_a_reason(steer):
    assert isinstance(steer, Steer)
    assert isinstance(steer, JobsError)
    assert (steer.reason, str(steer)) == ("why", "why")


def test_a_snooze_needs_a_delay_and_a_retry_none():
    assert Retry().after is None
    with pytest.raises(TypeError):
        Snooze()


def test_an_invalid_argument_is_both_of_what_djangos_backends_raise():
    error = InvalidArgument("args[0]", "is a set")
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    assert (error.path, error.problem, str(error)) == ("args[0]", "is a set", "args[0]: is a set")


def test_errors_carry_their_data():
    assert UnknownTask("a.b").task_path == "a.b"
    error = TaskModuleError("a.tasks", ZeroDivisionError("x"))
    assert error.module == "a.tasks"
    assert "ZeroDivisionError: x" in str(error)
    assert issubclass(InvalidOptions, ImproperlyConfigured)


def test_every_exception_says_what_it_is_for():
    for name, kind in vars(exceptions).items():
        if isinstance(kind, type) and issubclass(kind, BaseException):
            assert kind.__doc__, name


@pytest.mark.parametrize(
    "error",
    [
        GiveUp("why"),
        Retry("why", after=3),
        Snooze("why", after=1),
        InvalidArgument("args[0]", "no"),
        exceptions.InvalidReturnValue("return value", "no"),
        exceptions.UniqueKeyContended(3),
        exceptions.UnknownTask("a.b"),
        exceptions.TaskChanged("a.b", "too few"),
        exceptions.TaskModuleError("a", ImportError("b")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_they_can_be_pickled(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
