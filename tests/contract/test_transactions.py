"""An enqueue is part of the caller's transaction; ``on_commit`` comes after it."""

import logging

import pytest
from django.db import connection, connections, transaction

from django_jobs import enqueue_many, enqueue_on_commit, insert, on_commit
from django_jobs.compat import InvalidTask, task_enqueued
from django_jobs.models import Job, Status
from django_jobs.testing import run_pending
from tests.contract.support import queries, row
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db(transaction=True)


class Undo(Exception):
    """Rolls a block back."""


def test_enqueue_is_one_statement_in_autocommit_and_in_a_transaction():
    made = queries(lambda: tasks.add.enqueue(1, 2))
    assert len(made) == 1, made
    with transaction.atomic():
        made = queries(lambda: tasks.add.enqueue(1, 2))
        assert len(made) == 1, made
    assert Job.objects.count() == 2


def test_a_rolled_back_enqueue_never_runs():
    with pytest.raises(Undo), transaction.atomic():
        tasks.add.enqueue(1, 2)
        raise Undo
    assert run_pending() == []
    assert not Job.objects.exists()


def test_a_rolled_back_savepoint_takes_only_its_own_jobs():
    with transaction.atomic():
        kept = tasks.add.enqueue(1, 2)
        with pytest.raises(Undo), transaction.atomic():
            tasks.add.enqueue(3, 4)
            raise Undo
        also_kept = tasks.add.enqueue(5, 6)
    assert {str(job.pk) for job in Job.objects.all()} == {kept.id, also_kept.id}


def test_a_refused_call_leaves_the_callers_transaction_usable():
    with transaction.atomic():
        for bad in (float("nan"), "\x00", b"raw"):
            with pytest.raises(TypeError):
                tasks.plain.enqueue(bad)
        kept = tasks.plain.enqueue("good")
    assert row(kept).args == ["good"]


class TestOnCommit:
    def test_it_enqueues_after_the_commit(self):
        with transaction.atomic():
            job_id = enqueue_on_commit(tasks.add, 1, b=2)
            assert not Job.objects.exists()
        job = row(job_id)
        assert (job.args, job.kwargs, job.status) == ([1], {"b": 2}, Status.READY)

    def test_outside_of_a_transaction_it_enqueues_at_once(self):
        assert row(enqueue_on_commit(tasks.add, 1, 2)).args == [1, 2]

    def test_a_rollback_takes_it_away(self):
        with pytest.raises(Undo), transaction.atomic():
            enqueue_on_commit(tasks.add, 1, 2)
            raise Undo
        with transaction.atomic(), pytest.raises(Undo), transaction.atomic():
            enqueue_on_commit(tasks.add, 1, 2)
            raise Undo
        assert not Job.objects.exists()

    def test_the_call_is_checked_and_copied_at_once(self):
        numbers = [1]
        with transaction.atomic():
            with pytest.raises(TypeError):
                enqueue_on_commit(tasks.plain, object())
            with pytest.raises(InvalidTask):
                on_commit(tasks.add.using(queue_name="no such name")).enqueue(1, 2)
            job_id = enqueue_on_commit(tasks.plain, numbers)
            numbers.append(2)
        assert row(job_id).args == [[1]]
        assert Job.objects.count() == 1

    def test_an_earlier_callback_that_raises_does_not_take_it_along(self):
        def broken():
            raise Undo

        with transaction.atomic():
            transaction.on_commit(broken, robust=True)
            job_id = enqueue_on_commit(tasks.add, 1, 2)
        assert row(job_id)

    def test_its_own_failure_is_logged_and_does_not_reach_the_caller(self, caplog, monkeypatch):
        def refuse(*args):
            raise Undo("the database is gone")

        with caplog.at_level(logging.ERROR), transaction.atomic():
            enqueue_on_commit(tasks.add, 1, 2)
            later = enqueue_on_commit(tasks.add, 3, 4)
            monkeypatch.setattr(insert, "insert", _only_once(refuse, insert.insert))
        assert "the database is gone" in caplog.text
        assert [str(job.pk) for job in Job.objects.all()] == [later]

    def test_it_waits_for_the_connection_it_names(self):
        with transaction.atomic():
            on_commit(tasks.add, using="default").enqueue(1, 2)
            assert not Job.objects.exists()
        assert Job.objects.count() == 1
        with pytest.raises(connections.exception_class):
            on_commit(tasks.add, using="elsewhere").enqueue(1, 2)

    def test_the_signal_comes_with_the_row(self):
        ids = []

        def receiver(sender, task_result, **kwargs):
            ids.append((task_result.id, Job.objects.filter(pk=task_result.id).exists()))

        task_enqueued.connect(receiver)
        try:
            with transaction.atomic():
                job_id = enqueue_on_commit(tasks.add, 1, 2)
                assert ids == []
        finally:
            task_enqueued.disconnect(receiver)
        assert ids == [(job_id, True)]


def _only_once(first, then):
    calls = []

    def function(*args):
        calls.append(args)
        return (first if len(calls) == 1 else then)(*args)

    return function


class TestEnqueueMany:
    def test_ids_come_in_the_order_of_the_calls(self):
        ids = enqueue_many(tasks.add, [{"a": n, "b": n} for n in range(5)])
        assert [row(job_id).kwargs["a"] for job_id in ids] == list(range(5))
        assert ids == sorted(ids)

    def test_calls_are_keyword_or_positional_arguments(self):
        ids = enqueue_many(tasks.plain, [{"a": 1}, [2], (3, 4)])
        assert [(row(i).args, row(i).kwargs) for i in ids] == [
            ([], {"a": 1}),
            ([2], {}),
            ([3, 4], {}),
        ]

    def test_a_thousand_rows_are_one_statement(self):
        made = queries(lambda: enqueue_many(odd.note, ([n] for n in range(2345))))
        assert Job.objects.count() == 2345
        assert not [sql for sql in made if sql.startswith("SELECT")]
        inserts = [sql for sql in made if sql.startswith("INSERT")]
        limit = connection.features.max_query_params  # 999 on SQLite before Django 6.0
        if limit is None or limit >= 1000 * len(Job._meta.concrete_fields):
            assert len(inserts) == 3, [sql[:80] for sql in made]

    def test_one_bad_call_and_nothing_is_enqueued(self):
        def calls():
            yield from ([n] for n in range(1500))
            yield [object()]

        with pytest.raises(TypeError, match=r"args\[0\]"):
            enqueue_many(odd.note, calls())
        assert not Job.objects.exists()

    @pytest.mark.parametrize("call", ["ab", b"ab", 1, None, {1, 2}])
    def test_what_is_no_call_is_refused(self, call):
        with pytest.raises(TypeError, match="dict of keyword arguments"):
            enqueue_many(tasks.add, [call])

    def test_nothing_to_do_is_no_error(self):
        assert enqueue_many(tasks.add, []) == []

    def test_it_belongs_to_the_callers_transaction(self):
        with pytest.raises(Undo), transaction.atomic():
            enqueue_many(tasks.add, [[1, 2]])
            raise Undo
        assert not Job.objects.exists()
