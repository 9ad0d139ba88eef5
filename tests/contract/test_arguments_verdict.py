"""
The same verdict on every database for each odd value, before anything is written; and what
is accepted comes back unchanged.
"""

import datetime
import decimal
import enum
import json
import uuid
from collections import OrderedDict, UserDict
from fractions import Fraction

import pytest
from django.db import models, transaction
from django.test import override_settings
from django.utils.functional import lazystr
from django.utils.safestring import mark_safe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_jobs.exceptions import InvalidArgument
from django_jobs.models import Job
from django_jobs.testing import run_pending
from tests.contract.support import row
from tests.factories import QueueFactory
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db


class Colour(models.TextChoices):
    RED = "red", "Red"


class Size(models.IntegerChoices):
    LARGE = 3, "Large"


class Number(float, enum.Enum):
    HALF = 0.5


class Text(str):
    pass


def nested(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


def cycle():
    value = []
    value.append(value)
    return value


REFUSED = {
    "NaN": float("nan"),
    "infinity": float("inf"),
    "minus infinity": float("-inf"),
    "NaN inside": {"a": [1, float("nan")]},
    "NUL": "a\x00b",
    "NUL in a key": {"a\x00b": 1},
    "half a surrogate pair": "\ud800",
    "the other half": "\udfff",
    "a surrogate in a key": {"\ud83d": 1},
    "31 deep": nested(31),
    "a cycle": cycle(),
    "too large": "x" * 65_530,
    "too large as JSON only": "\x01" * 11_000,
    "int key": {1: "one"},
    "None key": {None: 1},
    "bool key": {True: 1},
    "tuple key": {(1, 2): 1},
    "tuple": (1, 2),
    "tuple inside": [[(1,)]],
    "bytes": b"raw",
    "bytearray": bytearray(b"raw"),
    "set": {1},
    "frozenset": frozenset({1}),
    "range": range(3),
    "generator": (n for n in range(3)),
    "dict view": {}.keys(),
    "datetime": datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    "date": datetime.date(2024, 2, 29),
    "time": datetime.time(1, 2),
    "timedelta": datetime.timedelta(1),
    "Decimal": decimal.Decimal("1.10"),
    "Fraction": Fraction(1, 3),
    "complex": 1j,
    "UUID": uuid.UUID(int=1),
    "2**63": 2**63,
    "-2**63": -(2**63),
    "a googol": 10**100,
    "1e16": 1e16,
    "1e22": 1e22,
    "-1e300": -1e300,
    "-0.0": -0.0,
    "object": object(),
    "function": nested,
    "class": int,
    "exception": ValueError("x"),
    "task": tasks.add,
    "plain Enum": enum.Enum("Plain", ["A"]).A,
    "OrderedDict": OrderedDict(a=1),
    "UserDict": UserDict(a=1),
    "lazy text": lazystr("later"),
}

# What is passed, and what comes back.
ACCEPTED = {
    "None": (None, None),
    "True": (True, True),
    "0": (0, 0),
    "0.0": (0.0, 0.0),
    "1.0": (1.0, 1.0),
    "2**63-1": (2**63 - 1, 2**63 - 1),
    "-(2**63-1)": (-(2**63) + 1, -(2**63) + 1),
    "2**53+1": (2**53 + 1, 2**53 + 1),
    "1e15": (1e15, 1e15),
    "0.1+0.2": (0.1 + 0.2, 0.1 + 0.2),
    "the smallest float": (5e-324, 5e-324),
    "1.5e15": (1500000000000000.5, 1500000000000000.5),
    "empty text": ("", ""),
    "spaces": (" a ", " a "),
    "control characters": ("\x01\x1f\x7f\r\n\t", "\x01\x1f\x7f\r\n\t"),
    "emoji": ("🚀 grüße 日本 \u2028 \U0010ffff", "🚀 grüße 日本 \u2028 \U0010ffff"),
    "quotes": ("'\"\\ \\u0000 %s {}", "'\"\\ \\u0000 %s {}"),
    "not quite a date": ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
    "empty containers": ([[], {}, [[]]], [[], {}, [[]]]),
    "empty key": ({"": 1}, {"": 1}),
    "keys by case": ({"a": 1, "A": 2, "ä": 3}, {"a": 1, "A": 2, "ä": 3}),
    "number-like keys": ({"1": 1, "01": 2, "1.0": 3}, {"1": 1, "01": 2, "1.0": 3}),
    "28 deep": (nested(28), nested(28)),
    "large": ("x" * 30_000, "x" * 30_000),
    "TextChoices": (Colour.RED, "red"),
    "TextChoices as key": ({Colour.RED: Colour.RED}, {"red": "red"}),
    "IntegerChoices": (Size.LARGE, 3),
    "float Enum": (Number.HALF, 0.5),
    "safe text": (mark_safe("<b>"), "<b>"),
    "str subclass": (Text("text"), "text"),
}


def types(value):
    """``value`` with the types of everything in it."""
    if isinstance(value, dict):
        return {key: types(item) for key, item in value.items()}
    if isinstance(value, list):
        return [types(item) for item in value]
    return (type(value), repr(value))


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("where", ["args", "kwargs"])
def test_refused_before_anything_is_written(name, where, django_assert_num_queries):
    value = REFUSED[name]
    args, kwargs = ([1, value], {}) if where == "args" else ([], {"the_name": value})
    with django_assert_num_queries(0), pytest.raises(InvalidArgument) as caught:
        tasks.plain.enqueue(*args, **kwargs)
    error = caught.value
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    if "too large" not in name:
        assert error.path.startswith("args[1]" if where == "args" else "kwargs['the_name']")
    assert str(error).encode()  # so that it can be logged anywhere
    assert len(str(error)) < 1000


def test_a_model_instance_is_refused_with_what_to_do_instead():
    with pytest.raises(InvalidArgument, match="model instance; pass its primary key"):
        tasks.plain.enqueue(QueueFactory())


def test_the_place_of_a_bad_value_is_named():
    with pytest.raises(InvalidArgument) as caught:
        tasks.plain.enqueue(order={"lines": [1, {"price": decimal.Decimal(1)}]})
    assert caught.value.path == "kwargs['order']['lines'][1]['price']"
    assert "str(value)" in caught.value.problem


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_and_comes_back_unchanged(name):
    value, expected = ACCEPTED[name]
    result = tasks.plain.enqueue(value, key=value)
    assert types(result.args) == types([expected])
    job = row(result)
    assert types(job.args) == types([expected])
    assert types(job.kwargs) == types({"key": expected})
    run_pending()
    assert types(row(result).return_value) == types([[expected], {"key": expected}])


TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda x: not (x.is_integer() and abs(x) >= 1e16) and repr(x) != "-0.0"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | FLOATS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(args=st.lists(JSON, max_size=3), kwargs=st.dictionaries(TEXT, JSON, max_size=3))
def test_whatever_is_accepted_comes_back_unchanged(args, kwargs):
    result = tasks.plain.enqueue(*args, **kwargs)
    job = row(result)
    assert types(job.args) == types(args)
    assert types(job.kwargs) == types(kwargs)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=ANYTHING)
def test_anything_is_either_refused_or_comes_back_unchanged(value):
    with transaction.atomic():
        before = Job.objects.count()
        try:
            result = odd.note.enqueue(value)
        except InvalidArgument:
            assert Job.objects.count() == before
        else:
            assert types(row(result).args) == types([value])
            assert json.loads(json.dumps(value)) == value


def test_the_limits_are_options():
    tasks.plain.enqueue(nested(30), "x" * 65_400)
    backend = {"BACKEND": "django_jobs.backend.DatabaseBackend", "QUEUES": []}
    limits = {"ARGUMENTS_MAX_BYTES": 20, "ARGUMENTS_MAX_DEPTH": 1}
    with override_settings(TASKS={"default": backend | {"OPTIONS": limits}}):
        tasks.plain.enqueue([1])
        with pytest.raises(InvalidArgument, match="too deep"):
            tasks.plain.enqueue([[1]])
        with pytest.raises(InvalidArgument, match="more than the 20 allowed"):
            tasks.plain.enqueue("x" * 20)


def test_a_returned_value_may_be_as_deep_as_an_argument():
    result = odd.note.enqueue(nested(30))
    run_pending()
    assert row(result).return_value == nested(30)


def test_many_small_arguments_are_too_large_together():
    with pytest.raises(InvalidArgument, match="OPTIONS\\['ARGUMENTS_MAX_BYTES'\\]"):
        tasks.plain.enqueue(*["x" * 1000] * 100)
