"""What Django expects of a task backend: results, and what becomes of them."""

import dataclasses
import uuid
from datetime import timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings
from django.utils import timezone

from django_jobs.compat import (
    TaskResultDoesNotExist,
    TaskResultMismatch,
    TaskResultStatus,
    task_backends,
)
from django_jobs.ids import uuid7
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, row
from tests.factories import JobAttemptFactory, JobFactory
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db

BACKEND = "django_jobs.backend.DatabaseBackend"


@pytest.mark.parametrize("task", [tasks.add, tasks.add_async], ids=["sync", "async"])
def test_a_job_that_succeeds(task):
    result = task.enqueue(1, b=2)
    run_pending()
    result.refresh()
    assert result.status == TaskResultStatus.SUCCESSFUL
    assert result.is_finished is True
    assert result.return_value == 3
    assert result.attempts == len(result.worker_ids) == 1
    assert result.errors == []
    assert result.enqueued_at <= timezone.now()
    assert result.started_at == result.last_attempted_at <= result.finished_at


def test_a_job_that_fails_for_good():
    result = tasks.unwanted.enqueue()
    run_pending()
    result.refresh()
    assert result.status == TaskResultStatus.FAILED
    assert result.is_finished is True
    assert result.finished_at is not None
    assert result.attempts == 1
    with pytest.raises(ValueError, match="Task failed"):
        _ = result.return_value
    (error,) = result.errors
    assert error.exception_class is tasks.Unwanted
    assert error.traceback.endswith("Unwanted: not this one\n")


def test_a_job_that_will_be_tried_again_is_ready_and_has_its_error():
    result = tasks.fail.enqueue("first")
    run_pending()
    result.refresh()
    assert result.status == TaskResultStatus.READY
    assert result.is_finished is False
    assert result.attempts == 1
    assert result.errors[0].exception_class is ValueError
    assert result.started_at is not None
    assert result.finished_at is None


def test_a_return_value_is_only_there_after_success():
    result = tasks.add.enqueue(1, 2)
    with pytest.raises(ValueError, match="not finished yet"):
        _ = result.return_value
    claim_all()
    result.refresh()
    assert result.status == TaskResultStatus.RUNNING
    assert result.attempts == 1
    with pytest.raises(ValueError, match="not finished yet"):
        _ = result.return_value


def test_a_return_value_may_be_none():
    result = odd.note.enqueue(None)
    run_pending()
    result.refresh()
    assert result.return_value is None
    assert result.status == TaskResultStatus.SUCCESSFUL


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (Status.SCHEDULED, TaskResultStatus.READY),
        (Status.READY, TaskResultStatus.READY),
        (Status.RUNNING, TaskResultStatus.RUNNING),
        (Status.SUCCESSFUL, TaskResultStatus.SUCCESSFUL),
        (Status.DEAD, TaskResultStatus.FAILED),
        (Status.CANCELLED, TaskResultStatus.FAILED),
        (Status.DISCARDED, TaskResultStatus.FAILED),
    ],
)
def test_each_status_of_a_job_is_one_of_a_result(status, expected):
    job = JobFactory(status=status, worker_id=uuid7())
    assert tasks.add.get_result(str(job.id)).status == expected


def test_a_result_read_again_equals_the_one_that_was_given_out():
    for task in (tasks.add, tasks.add.using(priority=3, queue_name="mail")):
        result = task.enqueue(1, b=2)
        before = dataclasses.asdict(result)
        assert dataclasses.asdict(task.get_result(result.id)) == before
        result.refresh()
        assert dataclasses.asdict(result) == before
        async_to_sync(result.arefresh)()
        assert dataclasses.asdict(result) == before
        assert async_to_sync(task.aget_result)(result.id) == task.get_result(result.id)


def test_the_task_of_a_result_is_as_it_was_enqueued():
    when = timezone.now() + timedelta(days=1)
    result = tasks.add.using(priority=3, run_after=when).enqueue(1, 2)
    task = task_backends["default"].get_result(result.id).task
    assert (task.priority, task.run_after) == (3, when)


@pytest.mark.parametrize(
    "junk",
    [
        "",
        "123",
        "x" * 5000,
        "\x00",
        "0" * 32,
        "6f0f7c6a-3a0e-4e57-9d51-2f6b8e9a1c34",
        "{00000000-0000-0000-0000-000000000000}",
        "urn:uuid:00000000-0000-0000-0000-000000000000",
        "1' OR '1'='1",
        None,
        123,
        uuid.UUID(int=0),
    ],
)
def test_junk_ids_have_no_result(junk):
    with pytest.raises(TaskResultDoesNotExist):
        tasks.add.get_result(junk)
    with pytest.raises(TaskResultDoesNotExist):
        async_to_sync(tasks.add.aget_result)(junk)


def test_only_the_form_of_an_id_that_was_given_out_is_one():
    result = tasks.add.enqueue(1, 2)
    for other in (result.id.upper(), result.id.replace("-", ""), f"{{{result.id}}}"):
        with pytest.raises(TaskResultDoesNotExist):
            tasks.add.get_result(other)


def test_a_result_of_another_task_is_a_mismatch():
    result = tasks.add.enqueue(1, 2)
    with pytest.raises(TaskResultMismatch, match=r"tests\.sample\.tasks\.add"):
        tasks.plain.get_result(result.id)
    with pytest.raises(TaskResultMismatch):
        async_to_sync(tasks.plain.aget_result)(result.id)


def test_a_job_of_another_backend_is_none_of_this_one():
    both = {"BACKEND": BACKEND, "QUEUES": []}
    with override_settings(TASKS={"default": both, "other": both}):
        result = tasks.add.using(backend="other").enqueue(1, 2)
        assert task_backends["other"].get_result(result.id).backend == "other"
        with pytest.raises(TaskResultDoesNotExist):
            task_backends["default"].get_result(result.id)
        assert run_pending("default") == []
        assert [job.pk for job in run_pending("other")] == [row(result).pk]


def test_a_job_whose_task_is_gone_has_no_result_and_is_not_looked_up():
    job = JobFactory(task_path="tests.sample.tasks.renamed")
    with pytest.raises(TaskResultDoesNotExist, match="Unknown task"):
        task_backends["default"].get_result(str(job.id))


def test_a_job_whose_queue_is_gone_still_has_its_result():
    result = tasks.add.using(queue_name="old").enqueue(1, 2)
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "QUEUES": ["default"]}}):
        assert tasks.add.get_result(result.id).status == TaskResultStatus.READY


def test_attempts_that_were_given_back_are_none_to_a_result():
    job = JobFactory(dead=True, attempts=2, claim_no=4)
    outcome = JobAttempt.Outcome
    for number, kind in enumerate(
        [outcome.FAILED, outcome.RELEASED, outcome.SNOOZED, outcome.LOST], start=1
    ):
        failed = "builtins.ValueError" if kind == outcome.FAILED else ""
        JobAttemptFactory(job=job, claim_no=number, outcome=kind, exception_class=failed)
    result = tasks.add.get_result(str(job.id))
    assert result.attempts == 2
    assert len(result.errors) == 1


def test_a_stored_exception_is_only_a_name():
    job = JobFactory(dead=True)
    JobAttemptFactory(job=job, exception_class="subprocess.run")
    (error,) = tasks.add.get_result(str(job.id)).errors
    assert error.exception_class_path == "subprocess.run"
    with pytest.raises(ValueError, match="does not reference a valid exception"):
        _ = error.exception_class


def test_getting_a_result_takes_two_statements_whatever_its_history(django_assert_num_queries):
    job = JobFactory(dead=True)
    for number in range(1, 6):
        JobAttemptFactory(job=job, claim_no=number, number=number)
    with django_assert_num_queries(2):
        assert len(tasks.add.get_result(str(job.id)).errors) == 5
    assert Job.objects.count() == 1
