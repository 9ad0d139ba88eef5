"""Where in the project's own code an exception comes from."""

import json
from collections.abc import Callable

import pytest

from django_jobs import place as place_module
from django_jobs.context import JobContext
from django_jobs.exceptions import TimedOut
from django_jobs.failure import Failure, fingerprint
from django_jobs.place import PLACE_LENGTH, place_of

HERE = __name__


def caught(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def fails() -> None:
    raise ValueError("no luck")


def calls_a_library() -> None:
    json.loads("{")


def calls_us() -> None:
    JobContext().step("one", fails)


def test_it_is_the_function_that_raised() -> None:
    assert place_of(caught(fails)) == f"{HERE}.fails"
    assert place_of(caught(lambda: fails())) == f"{HERE}.fails"


def test_it_is_the_last_one_of_ours_before_a_library() -> None:
    assert place_of(caught(calls_a_library)) == f"{HERE}.calls_a_library"
    # Jobs' own frames in between are passed over.
    assert place_of(caught(calls_us)) == f"{HERE}.fails"
    assert place_of(caught(lambda: JobContext().wait("x"))).startswith(HERE)  # type: ignore[arg-type]


def test_a_frame_of_an_installed_package_is_none_of_the_projects(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code = compile("def call(work): work()\n", "/x/site-packages/lib/core.py", "exec")
    library: dict[str, object] = {"__name__": "lib.core"}
    exec(code, library)
    within: Callable[..., None] = library["call"]  # type: ignore[assignment]

    def raises() -> None:
        within(None)

    assert place_of(caught(raises)).endswith("raises")
    assert place_of(caught(lambda: within(fails))) == f"{HERE}.fails"


def test_a_project_that_is_installed_itself_is_known_by_its_package() -> None:
    def module(name: str, source: str, **names: object) -> dict[str, object]:
        space: dict[str, object] = {"__name__": name, **names}
        exec(compile(source, f"/x/site-packages/{name.replace('.', '/')}.py", "exec"), space)
        return space

    library = module("lib.core", "def call(work): work()")
    mail = module("shop.mail", "def send(): call(None)", **{"call": library["call"]})
    task = module("shop.tasks", "def task(): send()", **{"send": mail["send"]})
    error = caught(task["task"])  # type: ignore[arg-type]
    # As it is in a worker: nothing of the tests is around it.
    assert error.__traceback__ is not None
    error.__traceback__ = error.__traceback__.tb_next
    assert place_of(error) == "shop.mail.send"


def test_made_up_code_is_none() -> None:
    space: dict[str, object] = {}
    exec(compile("def made(): raise ValueError", "<string>", "exec"), space)
    assert place_of(caught(space["made"])).startswith(HERE)  # type: ignore[arg-type]


def test_the_line_is_no_part_of_it() -> None:
    def in_a_branch(first: bool) -> None:
        if first:
            raise ValueError
        raise ValueError

    assert place_of(caught(lambda: in_a_branch(True))) == place_of(
        caught(lambda: in_a_branch(False))
    )


def test_that_of_the_cause_where_the_error_has_seen_nothing() -> None:
    error = TimedOut()
    error.__cause__ = caught(fails)
    assert place_of(error) == f"{HERE}.fails"


@pytest.mark.parametrize("error", [ValueError("never raised"), TimedOut("never raised")])
def test_none_where_nothing_of_the_project_ran(error: BaseException) -> None:
    assert place_of(error) == ""


def test_a_chain_that_never_ends() -> None:
    first, second = ValueError(), ValueError()
    first.__cause__, second.__cause__ = second, first
    assert place_of(first) == ""


def test_a_very_long_name_is_cut() -> None:
    space: dict[str, object] = {"__name__": "m" * 300}
    exec(compile("def made(): raise ValueError", f"{place_module.__name__}.txt", "exec"), space)
    assert len(place_of(caught(space["made"]))) == PLACE_LENGTH  # type: ignore[arg-type]


class Hostile(Exception):
    @property
    def __traceback__(self) -> None:  # type: ignore[override]
        raise SystemExit


def test_a_failure_has_its_place_whatever_the_exception_does() -> None:
    assert Failure.of(caught(fails)).place == f"{HERE}.fails"
    assert Failure.of(Hostile()).place == ""


def test_a_fingerprint_is_of_all_three_and_of_their_bounds() -> None:
    one = fingerprint("a.b", "E", "m.f")
    assert len(one) == 16
    assert int(one, 16) >= 0
    assert fingerprint("a.b", "E", "m.f") == one
    others = {
        fingerprint("a.c", "E", "m.f"),
        fingerprint("a.b", "F", "m.f"),
        fingerprint("a.b", "E", "m.g"),
        fingerprint("a.bE", "", "m.f"),
        fingerprint("a.b", "Em.f", ""),
        fingerprint("\ud800", "E", "m.f"),
    }
    assert len(others | {one}) == 7
