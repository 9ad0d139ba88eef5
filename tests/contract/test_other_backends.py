"""The same task runs unchanged on the backends that Django brings."""

import pytest
from django.db import transaction
from django.test import override_settings

from django_jobs import enqueue_many, enqueue_on_commit, on_commit
from django_jobs.compat import HAS_DJANGO_TASKS, TaskResultStatus, task_backends
from django_jobs.models import Job
from django_jobs.testing import run_pending
from tests.sample import odd, tasks

PACKAGE = "django.tasks" if HAS_DJANGO_TASKS else "django_tasks"


@pytest.fixture(autouse=True)
def backends(transactional_db):
    """Three aliases, of which django_jobs is only one."""
    names = {
        "default": "django_jobs.backend.DatabaseBackend",
        "immediate": f"{PACKAGE}.backends.immediate.ImmediateBackend",
        "dummy": f"{PACKAGE}.backends.dummy.DummyBackend",
    }
    odd.CALLS.clear()
    with override_settings(
        TASKS={alias: {"BACKEND": name, "QUEUES": []} for alias, name in names.items()}
    ):
        yield


@pytest.mark.parametrize("task", [tasks.add, tasks.add_async], ids=["sync", "async"])
def test_a_task_gives_the_same_result_on_each(task):
    immediate = task.using(backend="immediate").enqueue(1, b=2)
    queued = task.enqueue(1, b=2)
    run_pending()
    queued.refresh()
    dummy = task.using(backend="dummy").enqueue(1, b=2)
    assert immediate.return_value == queued.return_value == 3
    assert immediate.attempts == queued.attempts == 1
    assert (dummy.status, dummy.args, dummy.kwargs) == (TaskResultStatus.READY, [1], {"b": 2})
    assert len(task_backends["dummy"].results) == 1


def test_a_failure_looks_the_same_on_each():
    immediate = tasks.unwanted.using(backend="immediate").enqueue()
    queued = tasks.unwanted.enqueue()
    run_pending()
    queued.refresh()
    for result in (immediate, queued):
        assert result.status == TaskResultStatus.FAILED
        assert [error.exception_class for error in result.errors] == [tasks.Unwanted]


def test_the_context_is_there_on_each_and_detached_elsewhere():
    immediate = odd.facts.using(backend="immediate").enqueue()
    queued = odd.facts.enqueue()
    run_pending()
    queued.refresh()
    facts = {"attempt": 1, "status": "RUNNING"}
    assert queued.return_value == facts | {"id": queued.id, "fence": 1, "current": True}
    assert immediate.return_value == facts | {"id": immediate.id, "fence": 0, "current": False}


def test_steering_exceptions_are_plain_failures_elsewhere():
    result = tasks.steer.using(backend="immediate").enqueue("give_up")
    assert result.status == TaskResultStatus.FAILED


def test_on_commit_works_with_each():
    with transaction.atomic():
        assert enqueue_on_commit(odd.note.using(backend="immediate"), 1) is None
        assert enqueue_on_commit(odd.note.using(backend="dummy"), 2) is None
        assert isinstance(on_commit(odd.note).enqueue(3), str)
        assert odd.CALLS == task_backends["dummy"].results == []
    assert odd.CALLS == [1]
    assert [result.args for result in task_backends["dummy"].results] == [[2]]
    assert Job.objects.get().args == [3]


def test_enqueue_many_works_with_each():
    ids = enqueue_many(odd.note.using(backend="immediate"), [[1], {"what": 2}])
    assert odd.CALLS == [1, 2]
    assert len(set(ids)) == 2
    enqueue_many(odd.note.using(backend="dummy"), [[3]])
    assert [result.args for result in task_backends["dummy"].results] == [[3]]
    assert not Job.objects.exists()


def test_jobs_of_other_backends_can_not_be_run_pending():
    with pytest.raises(TypeError, match="no django_jobs backend"):
        run_pending("immediate")
