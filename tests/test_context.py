"""What a running task knows of its job."""

import contextvars

import pytest

from django_jobs import (
    CancelRequested,
    JobContext,
    LeaseLost,
    ShuttingDown,
    TimedOut,
    current_job,
)
from django_jobs.compat import TaskContext
from django_jobs.context import enter, running
from django_jobs.token import Token


def test_outside_of_a_job_it_is_detached():
    context = current_job()
    assert (context.attempt, context.fence, context.cancelled, context.reason) == (0, 0, False, "")
    assert context.job_id is None
    assert running() is None
    assert context.remaining() is None
    context.check()
    context.wait(0)
    context.progress(1, 2, "nobody sees it")


def test_it_is_a_context_of_django():
    assert isinstance(JobContext(), TaskContext)
    assert JobContext(task_result="the result").task_result == "the result"


@pytest.mark.parametrize("interrupt", [CancelRequested, ShuttingDown, LeaseLost, TimedOut])
def test_it_says_why_a_task_should_end(interrupt):
    token = Token()
    context = JobContext(token=token)
    token.fire(interrupt)
    assert (context.cancelled, context.reason) == (True, interrupt.reason)
    with pytest.raises(interrupt):
        context.check()
    with pytest.raises(interrupt):
        context.wait(30)


def test_it_knows_the_attempt_the_fence_and_the_time():
    context = JobContext(token=Token(timeout=60), attempt=2, fence=7)
    assert (context.attempt, context.fence) == (2, 7)
    assert 50 < context.remaining() <= 60


def test_progress_is_reported_as_plain_data():
    reports = []
    context = JobContext(report=reports.append)
    context.progress(1)
    context.progress(2.0, 10, "n" * 1000)
    assert reports[0] == {"done": 1, "total": None, "note": ""}
    assert (reports[1]["done"], reports[1]["total"], len(reports[1]["note"])) == (2, 10, 200)


def test_the_current_job_is_that_of_the_context():
    outer, inner = JobContext(fence=1), JobContext(fence=2)

    def enter_and_look(context: JobContext) -> JobContext:
        enter(context)
        return current_job()

    def run() -> None:
        assert enter_and_look(outer) is outer
        assert contextvars.copy_context().run(enter_and_look, inner) is inner
        assert current_job() is outer

    contextvars.Context().run(run)
    assert current_job().fence == 0


def test_another_context_sees_no_job():
    def run() -> None:
        enter(JobContext(fence=1))
        assert contextvars.Context().run(lambda: current_job().fence) == 0

    contextvars.copy_context().run(run)
