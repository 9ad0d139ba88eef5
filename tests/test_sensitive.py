"""What is masked of a call, and in a text."""

from typing import Any

import pytest
from django.test import override_settings

from django_jobs import job
from django_jobs.models import Job
from django_jobs.sensitive import MASK, hiding, hiding_for, masked
from tests.sample import secrets, tasks
from tests.test_task import IMMEDIATE


def plain(a: int, b: int) -> None:
    pass


def of_anything(a: int, *values: int, b: int = 0, **named: int) -> None:
    pass


def with_context(context: Any, a: int) -> None:
    pass


def hide(text: str, *tokens: Any) -> str:
    row = Job(task_path=secrets.call_api.module_path, args=["x", *tokens[:1]], kwargs={})
    found = hiding_for(row)
    assert found is not None
    return found(text)


@pytest.mark.parametrize("names", ["token", ["token"], None, (1,), ("token", None)], ids=repr)
def test_names_come_as_a_tuple(names: Any) -> None:
    with pytest.raises(ValueError, match="must be a tuple of names"):
        job(sensitive=names)(plain)


@pytest.mark.parametrize(
    ("function", "name"),
    [(plain, "c"), (plain, ""), (plain, "A"), (of_anything, "no name"), (of_anything, "")],
)
def test_a_name_that_is_no_argument_is_refused(function: Any, name: str) -> None:
    with pytest.raises(ValueError, match=rf"{function.__name__}\(\) has no argument '{name}'"):
        job(sensitive=("a", name))(function)


def test_the_context_is_no_argument() -> None:
    with pytest.raises(ValueError, match="no argument 'context'"):
        job(sensitive=("context",), takes_context=True)(with_context)
    job(sensitive=("a",), takes_context=True)(with_context)


def test_a_function_that_takes_any_name_may_be_told_any() -> None:
    job(sensitive=("a", "values", "b", "named", "password"))(of_anything)


@pytest.mark.parametrize(
    ("task", "args", "kwargs", "shown"),
    [
        (secrets.call_api, ["x", "s", 3], {}, (["x", MASK, 3], {})),
        (secrets.call_api, ["x"], {"token": "s", "times": 3}, (["x"], {"token": MASK, "times": 3})),
        (secrets.call_with_context, ["x", "s"], {}, (["x", MASK], {})),
        (secrets.call_api_async, ["x", {"deep": "s"}], {}, (["x", MASK], {})),
        (
            secrets.take_anything,
            ["first", "s", "t"],
            {"password": "s", "other": "o"},
            (["first", MASK, MASK], {"password": MASK, "other": "o"}),
        ),
        (tasks.add, [1, 2], {"a": 3}, ([1, 2], {"a": 3})),
        (tasks.plain, [1], {"a": 2}, ([1], {"a": 2})),
        # Another release's: nobody knows what these were.
        (secrets.call_api, ["x", "s", 3, "t"], {"key": "s"}, (["x", MASK, 3, MASK], {"key": MASK})),
    ],
)
def test_a_call_as_it_may_be_shown(task: Any, args: Any, kwargs: Any, shown: Any) -> None:
    assert masked(task, args, kwargs) == shown


@pytest.mark.parametrize(
    ("token", "text", "shown"),
    [
        ("s3cr3t-token", "is s3cr3t-token.", f"is {MASK}."),
        ("s3cr3t-token", "xs3cr3t-tokens3cr3t-tokenx", f"x{MASK}{MASK}x"),
        ("1234", "pin 1234, order 12345 on line 1234", f"pin {MASK}, order 12345 on line {MASK}"),
        (1234, "pin 1234", f"pin {MASK}"),
        (-12.5, "is -12.5!", f"is {MASK}!"),
        ("ab", "ab", "ab"),  # too short to be told from other text
        (7, "7", "7"),
        (True, "True", "True"),
        (None, "None", "None"),
        ("", "nothing", "nothing"),
        ("it's", 'KeyError: "it\'s"', f'KeyError: "{MASK}"'),
        ("a'b\"c\\d\n", repr("a'b\"c\\d\n"), f"'{MASK}'"),
        ("gr\u00fc\u00dfe an alle", '"gr\\u00fc\\u00dfe an alle"', f'"{MASK}"'),
        ("a b/c&d=e", "?token=a+b%2Fc%26d%3De&x", f"?token={MASK}&x"),
        ("a b/c&d=e", "?token=a%20b%2Fc%26d%3De&x", f"?token={MASK}&x"),
        ("abcdefghijklmnop" * 9, "'" + ("abcdefghijklmnop" * 9)[:50] + "...", f"'{MASK}..."),
        ("--BEGIN KEY--\nabcdefgh\n", " | --BEGIN KEY--\n | abcdefgh", f" | {MASK}\n | {MASK}"),
        (["first-one", {"k": "second-one"}], "first-one second-one", f"{MASK} {MASK}"),
        (["secret", "secret-and-more"], "secret-and-more", MASK),
    ],
)
def test_a_text_that_quotes_a_value(token: Any, text: str, shown: str) -> None:
    assert hide(text, token) == shown


def test_there_is_nothing_to_hide_for_other_tasks() -> None:
    assert hiding(None, Job()) is None
    assert hiding(tasks.add, Job(args=[1, 2])) is None
    assert hiding_for(Job(task_path="no.such.task", args=["s"])) is None
    assert hiding_for(Job(task_path="tests.sample.secrets.former", args=["x", "s"])) is not None


def test_on_another_backend_it_is_a_task_like_any() -> None:
    with override_settings(TASKS={"default": {"BACKEND": f"{IMMEDIATE}.ImmediateBackend"}}):
        made = job(sensitive=("a",))(plain)
        assert made.enqueue(1, b=2).status == "SUCCESSFUL"
