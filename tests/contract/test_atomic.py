"""Effects and outcome in one transaction: both or neither."""

from __future__ import annotations

import logging

import pytest
from django.db import connection

from django_jobs import JobContext, job
from django_jobs.compat import InvalidTask, task_backends
from django_jobs.execute import execute
from django_jobs.models import Job, JobAttempt, Queue, Status
from django_jobs.record import Finished, record
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, queries, row
from tests.factories import JobFactory
from tests.sample import atomics

pytestmark = pytest.mark.django_db(transaction=True)


def effects() -> list[str]:
    return sorted(Queue.objects.values_list("name", flat=True))


def executed() -> Finished | None:
    """The only ready job, run and not recorded: the worker is killed in between, say."""
    (claim,) = claim_all()
    return execute(claim, task_backends["default"])


class TestAtomic:
    def test_effect_and_outcome_are_committed_together(self) -> None:
        result = atomics.write.enqueue("one")
        finished = executed()
        assert effects() == ["one"]
        job = row(result)
        assert (job.status, job.return_value) == (Status.SUCCESSFUL, "one")
        assert finished is not None
        assert finished.recorded
        assert queries(lambda: record([finished], "default")) == [], "it is recorded already"

    def test_nobody_sees_one_without_the_other(self) -> None:
        """The statements in their order: the outcome is the last before the commit."""
        atomics.write.enqueue("one")
        (claim,) = claim_all()
        made = queries(lambda: execute(claim, task_backends["default"]))
        writes = [sql for sql in made if sql.startswith(("INSERT", "UPDATE", "WITH"))]
        assert len(writes) == 2, made
        assert Queue._meta.db_table in writes[0]
        assert Job._meta.db_table in writes[1]

    def test_a_failure_rolls_the_effect_back(self) -> None:
        result = atomics.write_and_fail.enqueue("one")
        run_pending()
        assert effects() == []
        assert row(result).status == Status.DEAD
        assert [a.outcome for a in JobAttempt.objects.all()] == ["FAILED"]

    def test_what_cannot_be_stored_rolls_the_effect_back(self) -> None:
        result = atomics.write_and_return.enqueue("one", "bad")
        run_pending()
        assert effects() == []
        assert row(result).status == Status.DEAD

    def test_a_lost_claim_rolls_the_effect_back(self, caplog: pytest.LogCaptureFixture) -> None:
        result = atomics.write_and_lose_the_claim.enqueue("one")
        with caplog.at_level(logging.WARNING, "django_jobs"):
            assert executed() is None
        assert effects() == []
        assert row(result).status == Status.RUNNING
        assert [getattr(r, "event", "") for r in caplog.records] == ["lost"]

    def test_a_job_that_was_rescued_meanwhile_leaves_no_effect(self) -> None:
        result = atomics.write.enqueue("one")
        (claim,) = claim_all()
        Job.objects.filter(pk=result.id).update(status=Status.READY, worker_id=None)
        (again,) = claim_all()
        assert execute(claim, task_backends["default"]) is None
        assert effects() == []
        assert execute(again, task_backends["default"]) is not None
        assert effects() == ["one"]
        assert row(result).claim_no == 2

    def test_a_callback_that_raises_comes_too_late(self, caplog: pytest.LogCaptureFixture) -> None:
        result = atomics.write_and_raise_after_the_commit.enqueue("one")
        with caplog.at_level(logging.WARNING, "django_jobs"):
            run_pending()
        assert effects() == ["one"]
        assert row(result).status == Status.SUCCESSFUL
        assert not JobAttempt.objects.exists()
        assert [getattr(r, "event", "") for r in caplog.records] == ["after_completion"]

    def test_no_transaction_is_left_open(self) -> None:
        for enqueue in (atomics.write, atomics.write_and_fail):
            enqueue.enqueue(f"of-{enqueue.name}")
        run_pending()
        assert not connection.in_atomic_block
        assert connection.get_autocommit()

    def test_another_database_is_refused_where_it_is_enqueued(self) -> None:
        with pytest.raises(InvalidTask, match=r"atomic on the database 'elsewhere'.*on 'default'"):
            atomics.write_elsewhere.enqueue()
        assert not Job.objects.exists()

    def test_another_database_is_refused_where_it_would_run(self) -> None:
        made = JobFactory(task_path="tests.sample.atomics.write_elsewhere", args=[], max_attempts=1)
        run_pending()
        made.refresh_from_db()
        assert made.status == Status.DEAD
        assert "no transaction holds both" in made.last_error

    @pytest.mark.parametrize("atomic", [None, 1, ["default"]])
    def test_what_is_no_alias_is_refused(self, atomic: object) -> None:
        with pytest.raises(ValueError, match="atomic must be True, False or a database alias"):
            job(atomic=atomic)  # type: ignore[call-overload]

    def test_a_coroutine_is_refused(self) -> None:
        with pytest.raises(ValueError, match="is a coroutine, which can't be atomic"):

            @job(atomic=True)
            async def late() -> None:
                """Never made."""


class TestComplete:
    def test_it_belongs_to_the_tasks_own_transaction(self) -> None:
        result = atomics.complete.enqueue("one")
        finished = executed()
        assert effects() == ["one"]
        assert (row(result).status, row(result).return_value) == (Status.SUCCESSFUL, "kept")
        assert finished is not None
        assert finished.recorded

    def test_a_rollback_takes_the_outcome_along(self) -> None:
        result = atomics.complete_and_roll_back.enqueue("one")
        run_pending()
        assert effects() == []
        assert row(result).status == Status.DEAD
        assert row(result).last_error == "ValueError: rolled back"

    def test_what_comes_after_it_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        result = atomics.complete_and_raise.enqueue("one")
        with caplog.at_level(logging.ERROR, "django_jobs"):
            run_pending()
        assert effects() == ["one"]
        assert row(result).status == Status.SUCCESSFUL
        assert not JobAttempt.objects.exists()
        assert [getattr(r, "event", "") for r in caplog.records] == ["after_completion"]

    def test_it_needs_a_transaction(self) -> None:
        result = atomics.complete_without_a_transaction.enqueue()
        run_pending()
        assert row(result).status == Status.DEAD
        assert row(result).last_error.startswith("TransactionManagementError: complete() needs")

    def test_it_is_quiet_where_there_is_no_row(self) -> None:
        assert JobContext().complete(1) is None
