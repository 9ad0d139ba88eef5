"""The validator of arguments and return values; its verdicts on odd values are the contract's."""

from enum import StrEnum

import pytest

from django_jobs.arguments import check_arguments, check_return_value
from django_jobs.exceptions import InvalidArgument, InvalidReturnValue

LIMITS = {"max_bytes": 1000, "max_depth": 3}


class Letter(StrEnum):
    A = "a"


def test_what_comes_back_is_a_copy():
    inner = {"a": [1]}
    args, kwargs, _ = check_arguments([inner], {"key": inner}, **LIMITS)
    inner["a"].append(2)
    assert (args, kwargs) == ([{"a": [1]}], {"key": {"a": [1]}})


def test_args_may_be_any_sequence():
    assert check_arguments((1, 2), {}, **LIMITS) == ([1, 2], {}, ("[1, 2]", "{}"))


def test_members_of_an_enum_become_plain_values():
    args, kwargs, _ = check_arguments([Letter.A, {Letter.A: True}], {"k": Letter.A}, **LIMITS)
    assert (args, kwargs) == (["a", {"a": True}], {"k": "a"})
    assert type(args[0]) is type(next(iter(args[1]))) is type(kwargs["k"]) is str


def test_depth_is_counted_per_argument():
    check_arguments([[[[1]]], {"a": {"b": {"c": 1}}}], {}, **LIMITS)
    for deep in ([[[[1]]]], {"a": [{"b": []}]} | {"x": [[[]]]}):
        with pytest.raises(InvalidArgument, match="too deep"):
            check_arguments([deep], {}, **LIMITS)


@pytest.mark.parametrize("size", [1000, 1001])
def test_size_is_that_of_the_json(size):
    # [["…"], {}] takes ten bytes around the text.
    text = "x" * (size - len('[[""], {}]'))
    if size <= 1000:
        check_arguments([text], {}, **LIMITS)
    else:
        with pytest.raises(InvalidArgument, match="1,001 bytes as JSON"):
            check_arguments([text], {}, **LIMITS)


@pytest.mark.parametrize(
    ("kwargs", "path"),
    [
        ({"a": object()}, "kwargs['a']"),
        ({"a": [0, {"b": object()}]}, "kwargs['a'][1]['b']"),
        ({"it's": object()}, 'kwargs["it\'s"]'),
        ({"a": {"b\x00": 1}}, "kwargs['a']['b\\x00']"),
    ],
)
def test_an_error_carries_the_path_and_the_problem(kwargs, path):
    with pytest.raises(InvalidArgument) as caught:
        check_arguments([], kwargs, **LIMITS)
    assert caught.value.path == path
    assert str(caught.value) == f"{path}: {caught.value.problem}"


def test_the_name_of_an_argument_is_checked_too():
    with pytest.raises(InvalidArgument, match="NUL"):
        check_arguments([], {"a\x00": 1}, **LIMITS)


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ((1,), "pass a list"),
        ({1}, "sorted list"),
        (b"", "base64"),
        (10**30, "as a string"),
        (float("inf"), "None"),
        ({1: 1}, r"str\(key\)"),
        (-0.0, r"0\.0"),
    ],
)
def test_an_error_says_what_to_do_instead(value, advice):
    with pytest.raises(InvalidArgument, match=advice):
        check_arguments([value], {}, **LIMITS)


def test_a_subclass_of_dict_or_list_would_come_back_plain():
    class Bag(dict):
        pass

    with pytest.raises(InvalidArgument, match=r"pass dict\(value\)"):
        check_arguments([Bag()], {}, **LIMITS)


class TestReturnValue:
    def test_tuples_pass_as_lists(self):
        assert check_return_value((1, [(2,)]), **LIMITS) == [1, [[2]]]
        assert check_return_value({"a": (1,)}, **LIMITS) == {"a": [1]}

    @pytest.mark.parametrize("value", [object(), float("nan"), {1: 2}, "x" * 2000, [[[[1]]]]])
    def test_it_is_refused_as_an_argument_is(self, value):
        with pytest.raises(InvalidReturnValue, match="return value"):
            check_return_value(value, **LIMITS)
