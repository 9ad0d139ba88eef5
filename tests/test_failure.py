"""An exception as text that every database can store."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_jobs.failure import Failure, cut, first_line, storable
from django_jobs.models.attempt import MESSAGE_LENGTH, TRACEBACK_LENGTH
from django_jobs.models.job import LAST_ERROR_LENGTH

ANY_TEXT = st.text() | st.text(st.sampled_from("a\x00\ud800\udfff\n\r\u2028 "))


class Hostile(Exception):
    """Raises ``error`` whatever is asked of it."""

    error: type[BaseException] = RuntimeError

    def __str__(self) -> str:
        raise self.error

    __repr__ = __str__


class HostileExit(Hostile):
    error = SystemExit


def raised(exception: BaseException) -> Failure:
    try:
        raise exception
    except BaseException as error:
        return Failure.of(error)


def test_it_has_the_path_the_message_and_the_traceback():
    failure = raised(ValueError("no luck"))
    assert failure.exception_class == "builtins.ValueError"
    assert failure.message == "no luck"
    assert failure.traceback.startswith("Traceback (most recent call last):")
    assert failure.traceback.endswith("ValueError: no luck\n")
    assert failure.line == "ValueError: no luck"


def test_causes_are_part_of_the_traceback():
    try:
        try:
            raise KeyError("inner")
        except KeyError as error:
            raise ValueError("outer") from error
    except ValueError as error:
        failure = Failure.of(error)
    assert "KeyError: 'inner'" in failure.traceback
    assert "direct cause" in failure.traceback


@pytest.mark.parametrize("kind", [Hostile, HostileExit])
def test_whatever_the_exception_does_it_is_described(kind):
    failure = raised(kind())
    assert failure.exception_class.endswith(kind.__name__)
    assert failure.message == f"<str() of it failed: {kind.error.__name__}>"
    assert failure.traceback
    assert failure.line.startswith(kind.__name__)


def test_a_group_and_a_recursion():
    failure = raised(ExceptionGroup("several", [ValueError("one"), KeyError("two")]))
    assert "ValueError: one" in failure.traceback

    def deeper() -> None:
        deeper()

    with pytest.raises(RecursionError) as caught:
        deeper()
    assert len(Failure.of(caught.value).traceback) < TRACEBACK_LENGTH


def test_a_class_with_a_very_long_name():
    kind = type("N" * 500, (Exception,), {})
    assert len(raised(kind("x")).exception_class) == 255


def test_what_is_long_loses_its_middle():
    failure = raised(ValueError("head " + "x" * 10_000_000 + " tail"))
    assert len(failure.message) == MESSAGE_LENGTH
    assert len(failure.traceback) == TRACEBACK_LENGTH
    assert failure.message.startswith("head x")
    assert failure.message.endswith("x tail")
    assert "characters left out" in failure.message
    assert len(failure.line) == LAST_ERROR_LENGTH


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", "ValueError"),
        (" \n ", "ValueError"),
        ("one\ntwo", "ValueError: one"),
        ("\n\n  late\n", "ValueError: late"),
        ("a\x00b", "ValueError: a\\x00b"),
        ("\ud800", "ValueError: \\ud800"),
    ],
)
def test_the_line(message, line):
    assert raised(ValueError(message)).line == line


@given(ANY_TEXT)
def test_anything_becomes_storable_and_what_is_stays(text):
    stored = storable(text)
    assert "\x00" not in stored
    assert stored.encode().decode() == stored
    assert storable(stored) == stored


@given(ANY_TEXT, st.integers(1, 60))
def test_a_cut_keeps_to_its_length(text, length):
    short = cut(text, length)
    assert len(short) == min(len(text), length)
    assert short == text or len(text) > length


@given(ANY_TEXT)
def test_a_line_is_one_line(text):
    line = first_line(text)
    assert len(line.splitlines()) <= 1
    assert bool(line) == bool(text.strip())
