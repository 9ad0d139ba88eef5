"""What makes the key of a unique job, and what can't."""

from __future__ import annotations

from typing import Any

import pytest

from django_jobs import job
from django_jobs.compat import Task
from django_jobs.unique import key_maker
from tests.sample import tasks, unique


def key(task: Task[Any, Any], *args: Any, **kwargs: Any) -> str:
    maker = key_maker(task)
    assert maker is not None
    return maker.key(args, kwargs)


def plain(a: int, b: object = object()) -> None:
    pass


def with_context(context: Any, a: int) -> None:
    pass


class TestRefused:
    @pytest.mark.parametrize("names", ["a", ["a"], None, (), ("a", 1), {"a"}, 1], ids=repr)
    def test_what_is_neither_yes_nor_names(self, names: Any) -> None:
        with pytest.raises(ValueError, match="must be True, False or a tuple of names"):
            job(unique=names)(plain)

    @pytest.mark.parametrize("name", ["c", "", "A"])
    def test_a_name_that_is_no_argument(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"plain\(\) has no argument '{name}' to be unique"):
            job(unique=("a", name))(plain)

    def test_the_context_is_no_argument(self) -> None:
        with pytest.raises(ValueError, match="no argument 'context'"):
            job(unique=("context",), takes_context=True)(with_context)

    @pytest.mark.parametrize("unique", [True, ("b",), ("a", "b")], ids=str)
    def test_a_default_in_the_key_that_json_does_not_have(self, unique: Any) -> None:
        with pytest.raises(ValueError, match=r"plain\(\) can't be unique by 'b'"):
            job(unique=unique)(plain)
        job(unique=("a",))(plain)


class TestSame:
    """Calls that mean the same have one key, however they are written."""

    def test_by_place_by_name_and_by_default(self) -> None:
        same = [
            key(unique.by_all, "a"),
            key(unique.by_all, text="a"),
            key(unique.by_all, "a", 1),
            key(unique.by_all, count=1, text="a"),
        ]
        assert len(set(same)) == 1
        assert len(same[0]) == 64

    def test_whatever_the_order_of_names(self) -> None:
        first = key(unique.by_all, "a", x={"b": 1, "c": [2]}, y=1)
        assert first == key(unique.by_all, "a", y=1, x={"c": [2], "b": 1})

    def test_with_other_values_of_what_is_not_in_the_key(self) -> None:
        assert key(unique.by_some, 1, "x") == key(unique.by_some, 1, note="y")

    def test_on_another_queue_or_with_another_priority(self) -> None:
        other = unique.by_all.using(queue_name="mail", priority=5)
        assert key(other, "a") == key(unique.by_all, "a")

    def test_the_context_plays_no_part(self) -> None:
        assert key(unique.with_context, "a", 2) == key(unique.with_context, text="a")


class TestDifferent:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("a", "A"),
            ("a", "ä"),
            ("ä", "a\u0308"),  # the same to the eye
            ("a", "a "),
            ("a", "a\n"),
            ("ß", "ss"),
            ("", " "),
            ("1", "01"),
        ],
        ids=ascii,
    )
    def test_text(self, one: str, other: str) -> None:
        assert key(unique.by_all, one) != key(unique.by_all, other)

    def test_values_of_another_type(self) -> None:
        values: list[Any] = [1, "1", 1.0, True, None, [1], {"1": 1}]
        assert len({key(unique.by_some, value) for value in values}) == len(values)

    def test_arguments_that_could_be_taken_for_each_other(self) -> None:
        assert key(unique.by_some, 1, part="2") != key(unique.by_some, 12)
        assert key(unique.by_all, "a", 2) != key(unique.by_all, "a", 1, count_=2)

    def test_another_task(self) -> None:
        assert key(unique.by_all_too, "a") != key(unique.by_all, "a")


def test_other_tasks_have_none() -> None:
    assert key_maker(tasks.add) is None
    assert key_maker(tasks.plain) is None
