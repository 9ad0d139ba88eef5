"""The statements of a job that has a timeout are bounded by the database."""

import threading
import time

import pytest
from django.db import connection, transaction

from django_jobs.compat import task_backends
from django_jobs.execute import execute
from django_jobs.models import JobAttempt, Queue, Status
from django_jobs.record import record
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row
from tests.sample import slow
from tests.support.sessions import other_session

pytestmark = pytest.mark.django_db(transaction=True)

Kind = JobAttempt.Outcome


def assert_timed_out(result):
    job = row(result)
    assert (job.status, job.attempts) == (Status.SCHEDULED, 1), job.last_error
    assert job.last_error == "TimedOut"
    (attempt,) = history(result)
    assert attempt.outcome == Kind.TIMED_OUT
    return attempt


@pytest.mark.parametrize(
    "how",
    [
        "",
        "swallow",
        "atomic",
        "after a rollback",
        "after a savepoint",
        "on a new connection",
    ],
)
def test_a_statement_is_cut_short_at_the_deadline(how):
    before, started = slow.limit(), time.monotonic()
    result = slow.in_the_database.enqueue(how)
    run_pending()
    assert time.monotonic() - started < 20, "the statement takes a minute"
    attempt = assert_timed_out(result)
    assert "in take_a_minute" in attempt.traceback
    assert slow.limit() == before
    assert connection.execute_wrappers == []


def test_so_is_a_wait_for_a_lock():
    Queue.objects.create(name="mail")
    held, over = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic():
            Queue.objects.filter(name="mail").update(paused_at=None)
            held.set()
            over.wait(20)

    result = slow.lock.enqueue("mail")
    (claim,) = claim_all()
    with other_session() as other:
        holder = other.start(hold)
        held.wait(20)
        finished = execute(claim, task_backends["default"])
        assert not holder.done()
        over.set()
    assert record([finished], "default") == []
    assert_timed_out(result)


def test_what_cleans_up_has_a_while_longer():
    result = slow.clean_up.enqueue("cleaned")
    run_pending()
    assert_timed_out(result)
    assert Queue.objects.filter(name="cleaned").exists()


def test_a_job_that_is_late_and_ends_well_is_successful():
    result = slow.return_late.enqueue()
    run_pending()
    assert row(result).status == Status.SUCCESSFUL


def number(limit):
    """``9987ms`` or 9.987 as 9987."""
    if isinstance(limit, str):
        text = limit.removesuffix("ms")
        return int(text) if text != limit else 1000 * int(limit.removesuffix("s"))
    return limit


def test_the_session_is_left_as_it_was():
    before = slow.limit()
    result = slow.limits.enqueue()
    without = slow.without_a_timeout.enqueue()
    run_pending()
    assert slow.limit() == before
    assert row(without).return_value == before
    first, later, in_transaction = row(result).return_value
    assert first != before
    assert number(first) > number(later) >= number(in_transaction), "never beyond the deadline"


def test_so_it_is_in_a_transaction_of_the_caller():
    before = slow.limit()
    with transaction.atomic():
        result = slow.limits.enqueue()
        run_pending()
        assert slow.limit() == before
    assert row(result).status == Status.SUCCESSFUL
    assert slow.limit() == before


def test_a_limit_that_went_with_its_transaction_is_set_again():
    before = slow.limit()
    result = slow.limit_after_a_rollback.enqueue()
    run_pending()
    assert row(result).return_value != before


def test_nothing_is_sent_for_a_job_that_sends_nothing_or_has_no_timeout(monkeypatch):
    quiet, free = slow.leave_the_database_alone.enqueue(), slow.without_a_timeout.enqueue()

    def refuse(*args):
        raise AssertionError("it was asked for its limit")

    monkeypatch.setattr("django_jobs.db.limits._Bound._ask", refuse)
    run_pending()
    assert {row(quiet).status, row(free).status} == {Status.SUCCESSFUL}


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="it has no such limit")
def test_a_limit_of_the_sessions_own_is_no_timeout_of_the_job():
    result = slow.cut_short_by_its_own_limit.enqueue()
    run_pending()
    connection.close()
    assert row(result).status == Status.DEAD
    assert history(result)[0].outcome == Kind.FAILED


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="poolers are for PostgreSQL")
def test_nothing_is_set_in_a_session_that_others_share(monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", True)
    result = slow.limits.enqueue()
    run_pending()
    *alone, in_transaction = row(result).return_value
    assert {*alone, slow.limit()} == {"0"}
    assert in_transaction != "0"
    bounded = slow.in_the_database.enqueue("atomic")
    run_pending()
    assert_timed_out(bounded)
