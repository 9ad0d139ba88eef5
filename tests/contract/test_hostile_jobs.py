"""Jobs that do what no job should: each fails clearly, and the next one sees nothing of it."""

import logging
import os
import sys

import pytest
from django.utils import timezone, translation

from django_jobs.compat import InvalidTask, task_finished
from django_jobs.models import JobAttempt, Queue, Status
from django_jobs.models.attempt import MESSAGE_LENGTH, TRACEBACK_LENGTH
from django_jobs.models.job import LAST_ERROR_LENGTH
from django_jobs.queues import InvalidQueuePattern, QueueFilter
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row
from tests.factories import JobFactory, QueueFactory
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db


@pytest.fixture
def neighbour():
    """A job behind the hostile one, and what became of it."""
    results = []
    yield lambda: results.append(tasks.add.enqueue(1, 2))
    for result in results:
        assert row(result).status == Status.SUCCESSFUL


@pytest.mark.parametrize("task", [odd.raise_base, odd.raise_base_async], ids=["sync", "async"])
@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "CancelledError"]
)
def test_whatever_a_job_raises_ends_that_job_only(task, name, neighbour):
    result = task.enqueue(name)
    neighbour()
    run_pending()
    assert row(result).status == Status.DEAD
    assert history(result)[0].exception_class.endswith(f".{name}")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("nul", "ValueError: before\\x00after"),
        ("surrogate", "ValueError: half \\ud800 of a pair"),
        ("unprintable", "Unprintable: <str() of it failed: RuntimeError>"),
        ("lines", "ValueError: first"),
        ("emoji", "ValueError: grüße 🚀"),
        ("empty", "ValueError"),
    ],
)
def test_a_message_that_no_database_takes_is_recorded_all_the_same(kind, expected, neighbour):
    result = odd.raise_odd.enqueue(kind)
    neighbour()
    run_pending()
    job = row(result)
    assert (job.status, job.last_error) == (Status.DEAD, expected)
    (attempt,) = history(result)
    assert attempt.exception_class.rpartition(".")[2] == expected.partition(":")[0]
    assert "in odd_message" in attempt.traceback or "raise_odd" in attempt.traceback


def test_a_message_of_ten_megabytes_is_cut(neighbour):
    result = odd.raise_odd.enqueue("huge")
    neighbour()
    run_pending()
    (attempt,) = history(result)
    assert len(attempt.message) == MESSAGE_LENGTH
    assert len(attempt.traceback) == TRACEBACK_LENGTH
    assert "characters left out" in attempt.message
    assert attempt.traceback.startswith("Traceback (most recent call last)")
    assert len(row(result).last_error) == LAST_ERROR_LENGTH


@pytest.mark.parametrize(
    "kind",
    ["object", "nan", "nul", "surrogate", "bytes", "date", "int keys", "too large", "cycle"],
)
def test_a_return_value_that_is_not_json_fails_that_job(kind, neighbour):
    result = odd.return_odd.enqueue(kind)
    neighbour()
    run_pending()
    job = row(result)
    assert (job.status, job.return_value) == (Status.DEAD, None)
    assert "return value" in job.last_error
    assert history(result)[0].outcome == JobAttempt.Outcome.FAILED


def test_a_returned_tuple_is_a_list():
    result = odd.return_tuple.enqueue()
    run_pending()
    result.refresh()
    assert result.return_value == [1, [2, 3]]


@pytest.mark.parametrize("task", [odd.leave_traces, odd.leave_traces_async], ids=["sync", "async"])
def test_the_next_job_sees_no_variable_language_or_time_zone_of_this_one(task):
    clean = ["untouched", "en-us", "UTC"]
    results = [task.enqueue() for _ in range(3)]
    with translation.override("fr"), timezone.override("Europe/Paris"):
        token = odd.VARIABLE.set("the caller's")
        run_pending()
        assert odd.surroundings() == ["the caller's", "fr", "Europe/Paris"]
        odd.VARIABLE.reset(token)
    assert [row(result).return_value for result in results] == [clean] * 3


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "subprocess.run",
        "tests.sample.odd.not_a_task",
        "tests.sample.odd.CALLS.append",
        "tests.sample.odd.note.func",
        "tests.sample.odd.note.call",
        "builtins.print",
        "print",
        "",
        ".",
        "..odd.note",
        "tests.sample.tasks.no_such_task",
        "no.such.module.task",
        "tests.sample.odd",
        "__main__",
    ],
)
def test_only_a_task_is_run_whatever_the_row_says(path, neighbour, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *args: odd.CALLS.append("os.system ran"))
    odd.CALLS.clear()
    job = JobFactory(task_path=path, args=["touch /tmp/never"], max_attempts=1)
    neighbour()
    run_pending()
    assert odd.CALLS == []
    job = row(job)
    assert (job.status, job.attempts) == (Status.SCHEDULED, 0), "it waits; see test_releases.py"
    assert job.last_error.startswith("UnknownTask")


def test_a_module_is_never_imported_because_a_row_names_it():
    module = "tests.sample.never"
    assert module not in sys.modules
    JobFactory(task_path=f"{module}.task", max_attempts=1)
    JobFactory(task_path="antigravity.fly", max_attempts=1)
    run_pending()
    assert module not in sys.modules
    assert "antigravity" not in sys.modules


@pytest.mark.parametrize("name", ["x'; DROP TABLE django_jobs_job; --", 'x" OR 1=1', "%s", "a\\'b"])
def test_sql_in_the_name_of_a_queue_is_a_name(name, neighbour):
    with pytest.raises(InvalidTask, match="is no queue name"):
        tasks.add.using(queue_name=name).enqueue(1, 2)
    with pytest.raises(InvalidQueuePattern):
        QueueFilter.parse(name)
    job = JobFactory(queue_name=name)
    paused = JobFactory(queue_name=f"{name} too")
    QueueFactory(name=f"{name} too", paused=True)
    neighbour()
    run_pending()
    assert row(job).status == Status.SUCCESSFUL
    assert row(paused).status == Status.READY
    assert [claim.job.pk for claim in claim_all(queues=QueueFilter((paused.queue_name,)))] == []
    Queue.objects.resume()
    assert [c.job.pk for c in claim_all(queues=QueueFilter((paused.queue_name,)))] == [paused.pk]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [([1], {}), ([1, 2, 3], {}), ([], {"nonsense": 1}), ([1, 2], {"a": 1})],
)
def test_arguments_that_the_task_does_not_take_hold_up_that_job_only(args, kwargs, neighbour):
    job = JobFactory(args=args, kwargs=kwargs, max_attempts=1)
    neighbour()
    run_pending()
    assert row(job).last_error.startswith("TaskChanged")
    assert row(job).status == Status.SCHEDULED


def test_a_broken_receiver_in_between_changes_no_outcome(caplog, neighbour):
    def receiver(**kwargs):
        raise RuntimeError("the receiver's own trouble")

    task_finished.connect(receiver)
    try:
        neighbour()
        neighbour()
        with caplog.at_level(logging.ERROR, "django_jobs"):
            run_pending()
    finally:
        task_finished.disconnect(receiver)
    assert caplog.text.count("the receiver's own trouble") >= 2


@pytest.mark.parametrize("task", [odd.spoil_arguments, odd.spoil_arguments_async])
def test_what_a_job_does_to_its_arguments_changes_nothing(task):
    failed, succeeded = task.enqueue({"id": 1}, fails=True), task.enqueue({"id": 2}, fails=False)
    heard = []

    def receiver(task_result, **kwargs):
        heard.append(task_result.args)

    task_finished.connect(receiver)
    try:
        run_pending()
    finally:
        task_finished.disconnect(receiver)
    assert row(failed).status == Status.SCHEDULED
    assert row(failed).last_error == "ConnectionError: the mail server is away"
    assert row(succeeded).status == Status.SUCCESSFUL
    assert heard == [[{"id": 2}]]
