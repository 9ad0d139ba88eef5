"""Unique jobs: one at a time for each key, from the enqueue to the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, transaction
from django.test import override_settings

from django_jobs import Backoff, Cancel, GiveUp, Retry, Snooze, enqueue_many, enqueue_on_commit
from django_jobs import hold as hold_module
from django_jobs.claim import claim
from django_jobs.compat import TaskResultStatus, task_backends, task_enqueued
from django_jobs.db.clock import DbNow
from django_jobs.exceptions import CancelRequested, UniqueKeyContended
from django_jobs.models import Job, Status, Worker
from django_jobs.policy import SUCCEEDED, Policy, decide
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.rescue import rescue
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, queries, row
from tests.factories import JobFactory, WorkerFactory
from tests.sample import tasks, unique
from tests.support.rows import analyze, fill, uses
from tests.support.sessions import other_session
from tests.test_task import IMMEDIATE

pytestmark = pytest.mark.django_db

POLICY = Policy(max_attempts=2, backoff=Backoff(base=3600, maximum=3600))


def enqueue(*args: Any, **kwargs: Any) -> str:
    return str(unique.by_all.enqueue(*args, **kwargs).id)


def finish(raised: BaseException | None = None) -> None:
    """The outcome of one more attempt of the only job that is ready."""
    [claimed] = claim_all()
    outcome = decide(POLICY, claimed.job.attempts, raised)
    assert outcome is not None
    assert record([Finished(claimed, outcome)], "default") == []


class TestEnqueue:
    def test_a_second_one_is_the_first(self) -> None:
        first = unique.by_all.enqueue("a", x=1)
        again = unique.by_all.enqueue(text="a", count=1, x=1)
        assert again.id == first.id
        assert again.status == TaskResultStatus.READY
        assert (again.args, again.kwargs) == (["a"], {"x": 1})
        assert Job.objects.count() == 1

    def test_its_result_is_as_the_job_is(self) -> None:
        first = unique.by_some.using(priority=5).enqueue(1, "first")
        finish(ValueError("no luck"))
        Job.objects.update(run_after=DbNow())
        promote("default")
        [claimed] = claim_all()
        again = unique.by_some.using(queue_name="mail").enqueue(1, "again")
        assert (again.id, again.status) == (first.id, TaskResultStatus.RUNNING)
        assert (again.args, again.task.priority, again.task.queue_name) == (
            [1, "first"],
            5,
            "default",
        )
        assert again.attempts == 2
        assert again.worker_ids[-1] == str(claimed.worker_id)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("a", "A"), ("a", "ä"), ("ä", "a\u0308"), ("a", "a "), ("ß", "ss")],
        ids=ascii,
    )
    def test_what_a_database_would_merge_is_two(self, one: str, other: str) -> None:
        assert enqueue(one) != enqueue(other)
        assert enqueue(one) == enqueue(one)
        assert Job.objects.count() == 2

    @pytest.mark.parametrize("later", [None, timedelta(hours=1)], ids=str)
    def test_priority_queue_and_time_play_no_part(self, later: timedelta | None) -> None:
        first = unique.by_all.using(run_after=later).enqueue("a")
        other = unique.by_all.using(priority=9, queue_name="mail", run_after=timedelta(days=1))
        assert other.enqueue("a").id == first.id

    def test_only_what_is_named_makes_the_key(self) -> None:
        first = unique.by_some.enqueue(1, "x")
        assert unique.by_some.enqueue(1, "y").id == first.id
        assert unique.by_some.enqueue(1, part="p").id != first.id
        assert row(first).args == [1, "x"]

    def test_a_task_with_a_context(self) -> None:
        assert unique.with_context.enqueue("a", 1).id == unique.with_context.enqueue(text="a").id

    def test_another_task_with_the_same_arguments(self) -> None:
        assert unique.by_all.enqueue("a").id != unique.by_all_too.enqueue("a").id

    def test_async(self) -> None:
        first = async_to_sync(unique.coroutine.aenqueue)("a")
        assert async_to_sync(unique.coroutine.aenqueue)(text="a").id == first.id

    def test_other_tasks_have_no_key(self) -> None:
        job = row(tasks.add.enqueue(1, 2))
        assert (job.unique_hash, job.unique_key) == (None, None)

    def test_other_backends_know_nothing_of_it(self) -> None:
        name = f"{IMMEDIATE}.ImmediateBackend"
        with override_settings(TASKS={"default": {"BACKEND": name, "QUEUES": []}}):
            assert unique.by_all.enqueue("a").id != unique.by_all.enqueue("a").id
        assert not Job.objects.exists()

    def test_a_savepoint_that_is_rolled_back_frees_it(self) -> None:
        with transaction.atomic():
            first = enqueue("a")
            transaction.set_rollback(True)
        assert enqueue("a") != first

    def test_task_enqueued_is_sent_and_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        heard = []

        def receiver(task_result: Any, **kwargs: Any) -> None:
            heard.append(task_result.id)

        task_enqueued.connect(receiver)
        caplog.set_level(logging.DEBUG)
        try:
            first = enqueue("a")
            enqueue("a")
            enqueue_many(unique.by_all, [["a"], ["a"]])
        finally:
            task_enqueued.disconnect(receiver)
        assert heard == [first]
        held = [r for r in caplog.records if getattr(r, "event", "") == "held"]
        assert [(r.levelname, r.job_id) for r in held] == [("DEBUG", first)] * 2
        assert "by_all" in held[0].getMessage()
        assert "there already" in held[0].getMessage()


class TestOnCommit:
    @pytest.mark.django_db(transaction=True)
    def test_it_promises_no_id(self) -> None:
        with transaction.atomic():
            assert enqueue_on_commit(unique.by_all, "a") is None
            assert enqueue_on_commit(unique.by_all, "a") is None
            assert not Job.objects.exists()
        assert enqueue_on_commit(unique.by_all, "a") is None
        assert Job.objects.count() == 1


class TestMany:
    def test_ids_come_in_order_and_duplicates_share_one(self) -> None:
        there = enqueue("b")
        ids = enqueue_many(unique.by_all, [["c"], ["b"], ["a"], {"text": "c"}, ["b"], ["a", 2]])
        assert ids[1] == ids[4] == there
        assert ids[0] == ids[3]
        assert len(set(ids)) == 4
        assert [row(each).args for each in ids[:3]] == [["c"], ["b"], ["a"]]
        assert Job.objects.count() == 4

    def test_a_call_that_is_refused_enqueues_none(self) -> None:
        with pytest.raises(TypeError):
            enqueue_many(unique.by_all, [["a"], [object()]])
        assert not Job.objects.exists()

    def test_over_several_statements(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_jobs.enqueue.BULK_SIZE", 3)
        ids = enqueue_many(unique.by_all, [[str(n % 4)] for n in range(10)])
        assert ids == (ids[:4] * 3)[:10]
        assert Job.objects.count() == 4


def bring_to_an_end(how: str) -> None:
    match how:
        case "success":
            finish()
        case "death":
            finish(GiveUp("why"))
        case "last attempt":
            Job.objects.update(attempts=1)
            finish(ValueError())
        case "cancels itself":
            finish(Cancel("why"))
        case "obeys":
            finish(CancelRequested())
        case "cancelled and fails":
            [claimed] = claim_all()
            Job.objects.cancel()
            outcome = decide(POLICY, 1, ValueError())
            assert outcome is not None
            record([Finished(claimed, outcome)], "default")
        case "cancelled while it waits":
            assert Job.objects.cancel() == 1
        case "cancelled while it is scheduled":
            Job.objects.update(status=Status.SCHEDULED)
            assert Job.objects.cancel() == 1
        case "discard":
            finish(GiveUp("why"))
            assert Job.objects.discard() == 1
        case "lost too often":
            Job.objects.update(crashes=5)
            claim_all()
            Worker.objects.update(lease_expires_at=DbNow() - timedelta(minutes=1))
            assert len(rescue("default", max_crashes=3)) == 1
        case "deleted":
            [claimed] = claim_all()
            outcome = decide(POLICY, 1, None)
            assert outcome is not None
            record([Finished(claimed, outcome)], "default", delete_successful=True)
        case "run by a test":
            assert len(run_pending()) == 1


ENDS = (
    *("success", "death", "last attempt", "cancels itself", "obeys", "cancelled and fails"),
    *("cancelled while it waits", "cancelled while it is scheduled", "discard"),
    *("lost too often", "deleted", "run by a test"),
)


@pytest.mark.parametrize("how", ENDS)
def test_each_end_frees_the_key(how: str) -> None:
    first = enqueue("a")
    bring_to_an_end(how)
    live = (Status.SCHEDULED, Status.READY, Status.RUNNING)
    assert not Job.objects.filter(status__in=live).exists()
    second = enqueue("a")
    assert second != first
    assert enqueue("a") == second


def keep_on(how: str) -> None:
    match how:
        case "runs":
            claim_all()
        case "asked to end":
            claim_all()
            assert Job.objects.cancel() == 1
        case "fails":
            finish(ValueError())
        case "asks for a retry":
            finish(Retry(after=60))
        case "snoozes":
            finish(Snooze(after=60))
        case "released":
            [claimed] = claim_all()
            record([released(claimed)], "default")
        case "promoted":
            finish(Snooze(after=60))
            Job.objects.update(run_after=DbNow())
            assert promote("default") == 1
        case "rescued":
            claim_all()
            Worker.objects.update(lease_expires_at=DbNow() - timedelta(minutes=1))
            assert len(rescue("default", max_crashes=3)) == 1


@pytest.mark.parametrize(
    "how",
    [
        *("runs", "asked to end", "fails", "asks for a retry", "snoozes"),
        *("released", "promoted", "rescued"),
    ],
)
def test_until_then_it_is_kept(how: str) -> None:
    first = enqueue("a")
    keep_on(how)
    assert enqueue("a") == first
    assert Job.objects.count() == 1


def dead(text: str) -> Job:
    """A job that has died, and holds its key no longer."""
    job_id = enqueue(text)
    Job.objects.filter(pk=job_id).update(
        status=Status.DEAD, unique_hash=None, finished_at=DbNow(), attempts=2
    )
    return row(job_id)


class TestRetry:
    def test_it_holds_its_key_again(self) -> None:
        job = dead("a")
        assert Job.objects.retry() == 1
        assert row(job).status == Status.READY
        assert row(job).attempts == 0
        assert enqueue("a") == str(job.pk)

    def test_it_stays_dead_while_another_holds_the_key(self) -> None:
        job = dead("a")
        other = enqueue("a")
        assert Job.objects.filter(pk=job.pk).retry() == 0
        assert row(job).status == Status.DEAD
        bring_to_an_end("success")
        assert Job.objects.filter(pk=job.pk).retry() == 1
        assert enqueue("a") == str(job.pk) != other

    def test_of_several_dead_ones_the_oldest(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_jobs.models.job.RETRIED_AT_ONCE", 3)
        first = [dead(text) for text in "abcd"]
        again = [dead(text) for text in "abcd"]
        plain = JobFactory(dead=True)
        enqueue("d")
        assert Job.objects.retry() == 4
        assert [row(job).status for job in first] == [Status.READY] * 3 + [Status.DEAD]
        assert [row(job).status for job in again] == [Status.DEAD] * 4
        assert row(plain).status == Status.READY
        assert Job.objects.retry() == 0

    def test_a_key_that_is_taken_meanwhile_costs_the_others_nothing(self) -> None:
        jobs = [dead(text) for text in "abc"]
        texts, taken = ["b"], []

        def take(execute: Any, sql: str, *args: Any) -> Any:
            found = execute(sql, *args)
            if sql.startswith("SELECT") and "unique_hash" in sql and texts:
                taken.append(enqueue(texts.pop()))
            return found

        with transaction.atomic():
            with connection.execute_wrapper(take):
                assert Job.objects.retry() == 2
            assert row(taken[0]).status == Status.READY, "the transaction is sound"
        statuses = [row(job).status for job in jobs]
        assert statuses == [Status.READY, Status.DEAD, Status.READY]

    def test_a_task_that_is_no_longer_unique(self, monkeypatch: pytest.MonkeyPatch) -> None:
        job = dead("a")
        monkeypatch.setattr(unique.by_all.func, "django_jobs_unique", False)
        assert Job.objects.retry() == 1
        assert row(job).unique_hash == job.unique_key


@contextmanager
def before_it_looks(act: Callable[[], object]) -> Iterator[list[str]]:
    """Do ``act`` between each insert that was refused and the look at who holds the key."""
    looks: list[str] = []

    def wrapper(execute: Any, sql: str, *args: Any) -> Any:
        if sql.startswith("SELECT") and "unique_hash IN" in sql:
            looks.append(sql)
            act()
        return execute(sql, *args)

    with connection.execute_wrapper(wrapper):
        yield looks


@pytest.mark.django_db(transaction=True)
def test_a_job_that_has_ended_before_the_caller_looks_was_enqueued_all_the_same() -> None:
    def run_to_the_end() -> None:
        ids = list(Job.objects.values_list("pk", flat=True))
        Job.objects.filter(pk__in=ids).update(status=Status.SUCCESSFUL, unique_hash=None)

    with other_session() as worker, before_it_looks(lambda: worker.call(run_to_the_end)):
        made = enqueue("a")
    assert [str(job.pk) for job in Job.objects.all()] == [made]


class TestEndsInBetween:
    def test_it_is_tried_again(self) -> None:
        first = enqueue("a")
        ended = iter([True])
        with before_it_looks(lambda: next(ended, False) and Job.objects.cancel()) as looks:
            second = enqueue("a")
        assert second != first
        assert row(first).status == Status.CANCELLED
        assert row(second).status == Status.READY
        assert len(looks) >= 1

    def test_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def end_and_take() -> None:
            Job.objects.cancel()
            Job.objects.filter(status=Status.CANCELLED).update(unique_hash=None)

        enqueue("a")
        write = "django_jobs.insert._write"
        monkeypatch.setattr(write, lambda *args: 0)
        with (
            transaction.atomic(),
            before_it_looks(end_and_take) as looks,
            pytest.raises(UniqueKeyContended, match=f"each of {hold_module.TRIES} tries"),
        ):
            enqueue("a")
        assert len(looks) - hold_module.TRIES == TestStatements.LOOKS_FIRST
        assert Job.objects.count() == 1, "the transaction is sound"


@pytest.mark.django_db(transaction=True)
class TestStatements:
    # There an insert locks what it finds, so a look comes first, and the count of rows says
    # nothing, so another one comes after it.
    LOOKS_FIRST = connection.vendor == "mysql"
    NEW = ("SELECT", "INSERT", "SELECT") if LOOKS_FIRST else ("INSERT",)
    FOUND = ("SELECT",) if LOOKS_FIRST else ("INSERT", "SELECT")

    def made(self, work: Callable[[], object]) -> tuple[str, ...]:
        words = [sql.split()[0] for sql in queries(work) if "GET_LOCK" not in sql]
        return tuple(word for word in words if word in ("INSERT", "SELECT"))

    def test_of_a_new_one(self) -> None:
        assert self.made(lambda: enqueue("a")) == self.NEW
        assert self.made(lambda: enqueue_many(unique.by_all, [["b"], ["c"], ["b"]])) == self.NEW

    def test_of_one_that_is_there(self) -> None:
        enqueue("a")
        assert self.made(lambda: enqueue("a")) == self.FOUND
        assert self.made(lambda: enqueue_many(unique.by_all, [["a"]] * 3)) == self.FOUND

    def test_of_some_that_are_there(self) -> None:
        enqueue("a")
        made = self.made(lambda: enqueue_many(unique.by_all, [["a"], ["b"], ["c"]]))
        assert made == (self.NEW if self.LOOKS_FIRST else self.FOUND)

    def test_of_one_with_a_history(self) -> None:
        enqueue("a")
        finish(ValueError())
        assert self.made(lambda: enqueue("a")) == (*self.FOUND, "SELECT")

    @pytest.mark.usefixtures("renewed")
    def test_the_holder_is_found_through_the_index(self) -> None:
        fill(5000, Status.SUCCESSFUL)
        fill(5000, Status.READY)
        analyze()
        enqueue_many(unique.by_all, [[str(n)] for n in range(200)])
        [select] = [sql for sql in queries(lambda: enqueue("7")) if sql.startswith("SELECT")]
        with connection.cursor() as cursor:
            explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
            cursor.execute(f"{explain} {select}")
            plan = "\n".join(" ".join(map(str, line)) for line in cursor.fetchall())
        assert uses("django_jobs_unique", plan), plan


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "mysql", reason="others see it in a new statement")
def test_it_is_seen_whatever_the_transaction_has_seen_before() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    try:
        with other_session() as other, transaction.atomic():
            assert not Job.objects.exists()
            there = other.call(enqueue, "a")
            assert not Job.objects.exists(), "by its snapshot"
            assert enqueue("a") == there
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
class TestTwoCallers:
    """The first has not committed yet when the second comes."""

    def test_the_second_waits_and_gets_the_first(self) -> None:
        with other_session() as other:
            with transaction.atomic():
                first = enqueue("a")
                second = other.start(enqueue, "a")
                assert waits(second)
            assert second.result(30) == first

    def test_after_a_rollback_the_key_is_its_own(self) -> None:
        with other_session() as other:
            with transaction.atomic():
                first = enqueue("a")
                second = other.start(enqueue, "a")
                assert waits(second)
                transaction.set_rollback(True)
            assert second.result(30) != first
        assert Job.objects.count() == 1

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="one transaction writes at a time")
    def test_who_finds_one_holds_nobody_up(self) -> None:
        enqueue("a")
        [claimed] = claim_all()
        with other_session() as other:
            with transaction.atomic():
                found = enqueue("a")
                assert other.call(enqueue, "a") == found
                assert other.call(record, [Finished(claimed, SUCCEEDED)], "default") == []
            assert row(found).status == Status.SUCCESSFUL

    def test_two_that_enqueue_many_in_other_orders(self) -> None:
        texts = [str(n) for n in range(50)]
        with other_session() as other:
            with transaction.atomic():
                ids = enqueue_many(unique.by_all, [[text] for text in texts])
                second = other.start(enqueue_many, unique.by_all, [[text] for text in texts[::-1]])
                assert waits(second)
            assert second.result(30) == ids[::-1]
        assert Job.objects.count() == 50

    def test_a_retry_and_an_enqueue(self) -> None:
        job = dead("a")
        with other_session() as other:
            with transaction.atomic():
                there = enqueue("a")
                retried = other.start(Job.objects.filter(pk=job.pk).retry)
                assert waits(retried)
            assert retried.result(30) == 0
        assert row(job).status == Status.DEAD
        assert row(there).status == Status.READY


def waits(call: Future[Any]) -> bool:
    try:
        call.result(0.3)
    except TimeoutError:
        return True
    return False


def test_claims_and_ids_are_those_of_any_job() -> None:
    job_id = enqueue("a")
    [claimed] = claim(WorkerFactory(), QueueFilter(), 5, "default")
    assert claimed.job.pk == UUID(job_id)
    assert task_backends["default"].get_result(job_id).status == TaskResultStatus.RUNNING
