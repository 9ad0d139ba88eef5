"""Parts of a job that are done once, however often it is tried."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_jobs import CancelRequested, InvalidArgument, JobContext
from django_jobs.compat import task_backends
from django_jobs.execute import execute
from django_jobs.models import Job, JobStep, Status
from django_jobs.policy import SUCCEEDED
from django_jobs.prune import prune
from django_jobs.steps import Steps
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, queries, row
from tests.sample import stepping, tasks

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def calls() -> list[Any]:
    stepping.CALLS.clear()
    return stepping.CALLS


def again() -> None:
    """As if every delay had passed."""
    Job.objects.filter(status=Status.SCHEDULED).update(status=Status.READY)
    run_pending()


def stored() -> list[tuple[str, str, int, Any]]:
    rows = JobStep.objects.order_by("pk")
    return [(step.name, step.key, step.number, step.result) for step in rows]


def test_a_later_attempt_gets_the_stored_result(calls: list[Any]) -> None:
    result = stepping.charge_and_ship.enqueue(fail_until=3)
    run_pending()
    again()
    again()
    assert row(result).status == Status.SUCCESSFUL
    assert row(result).return_value == [{"receipt": 17}, "shipped"]
    assert calls == [{"receipt": 17}, "shipped"]
    assert stored() == [("charge", "", 1, {"receipt": 17}), ("ship", "", 3, "shipped")]


def test_a_dead_job_that_is_brought_back_goes_on_where_it_was(calls: list[Any]) -> None:
    result = stepping.charge_and_ship.enqueue(fail_until=4)
    run_pending()
    again()
    again()
    assert row(result).status == Status.DEAD
    Job.objects.filter(pk=result.id).retry()
    for _ in range(3):
        again()
    assert calls == [{"receipt": 17}]


def test_each_job_has_its_own(calls: list[Any]) -> None:
    for _ in range(2):
        stepping.charge_and_ship.enqueue(fail_until=1)
    run_pending()
    assert len(calls) == 4


def test_a_name_repeats_with_keys(calls: list[Any]) -> None:
    result = stepping.loop.enqueue([3, 1, 3])
    run_pending()
    assert row(result).return_value == [3, 1, 3]
    assert calls == [3, 1], "the third is the first"
    assert stored() == [("item", "3", 1, 3), ("item", "1", 1, 1)]


@pytest.mark.parametrize(("value", "result"), [("tuple", [1, 2]), ("none", None), ("text", "text")])
def test_what_json_makes_of_the_result_is_what_the_task_gets(value: str, result: Any) -> None:
    job = stepping.odd.enqueue("step", value)
    run_pending()
    assert row(job).return_value == result
    assert stored() == [("step", "", 1, result)]


def test_a_result_that_cannot_be_stored() -> None:
    job = stepping.odd.enqueue("pay", "set")
    run_pending()
    assert row(job).status == Status.DEAD
    assert row(job).last_error.startswith("InvalidReturnValue: the result of the step 'pay'")
    assert stored() == []


@pytest.fixture
def steps() -> Steps:
    """Those of a job that runs."""
    tasks.add.enqueue(1, 2)
    (claim,) = claim_all()
    return Steps(claim, task_backends["default"].jobs_options, "default")


@pytest.mark.parametrize("name", ["", "x" * 101, None, 7, "nul \x00", "\ud800", "mail "])
def test_names_that_are_refused(name: Any, steps: Steps, calls: list[Any]) -> None:
    with pytest.raises(InvalidArgument, match="the step's name: must be text of 1 to 100"):
        steps.run(name, "", lambda: stepping.note(1))
    with pytest.raises(InvalidArgument, match="the step's key: must be text of 0 to 100"):
        steps.run("name", name or "x" * 101, lambda: stepping.note(1))
    assert calls == []
    assert stored() == []


def test_names_are_compared_byte_by_byte(steps: Steps) -> None:
    names = ["mail", "Mail", " mail", "m\u00e1il", "ma\u0301il", "x" * 100]
    for name in (*names, *names):
        assert steps.run(name, "", lambda name=name: name) == name
    assert [name for name, *_ in stored()] == names


def test_a_lost_claim_stores_nothing() -> None:
    result = stepping.lose_the_claim.enqueue()
    (claim,) = claim_all()
    assert execute(claim, task_backends["default"]) is None
    assert stored() == []
    assert row(result).status == Status.RUNNING


def test_no_step_begins_when_the_job_should_end(steps: Steps, calls: list[Any]) -> None:
    steps.run("first", "", lambda: stepping.note(1))
    steps.claim.token.fire(CancelRequested)
    assert steps.run("first", "", lambda: stepping.note(1)) == 1, "what is done is answered"
    with pytest.raises(CancelRequested):
        steps.run("second", "", lambda: stepping.note(2))
    assert calls == [1]


def test_statements() -> None:
    """One to look for the step; to store it, the fence and an INSERT in a transaction."""
    stepping.loop.enqueue([1])
    (claim,) = claim_all()
    finished = []
    made = queries(lambda: finished.append(execute(claim, task_backends["default"])))
    assert finished[0].outcome is SUCCEEDED
    assert len(made) <= 5, made


def test_they_go_with_their_job() -> None:
    result = stepping.loop.enqueue([1, 2])
    run_pending()
    assert JobStep.objects.count() == 2
    assert prune(timezone.now() + timedelta(days=1), "default") == 1
    assert not Job.objects.filter(pk=result.id).exists()
    assert stored() == []


def test_without_a_row_a_step_is_a_call(calls: list[Any]) -> None:
    context = JobContext()
    assert [context.step("step", stepping.note, n) for n in (1, 2)] == [1, 2]
    assert calls == [1, 2]
