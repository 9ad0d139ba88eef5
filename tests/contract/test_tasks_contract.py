"""
What Django expects of a task backend, on every database and every supported Django: the task
and the call. Compare tests/tasks/ in Django's own repository.
"""

import pickle
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings
from django.utils import timezone
from django.utils.module_loading import import_string

from django_jobs.backend import DatabaseBackend
from django_jobs.compat import (
    HAS_DJANGO_TASKS,
    InvalidTask,
    InvalidTaskBackend,
    Task,
    TaskResult,
    TaskResultStatus,
    task,
    task_backends,
)
from django_jobs.models import Status
from tests.contract.support import queries, row, seconds_until_due
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db

BACKEND = "django_jobs.backend.DatabaseBackend"


def context_is_not_first(first, context):
    pass


def test_the_settings_name_the_backend():
    backend = task_backends["default"]
    assert isinstance(backend, DatabaseBackend)
    assert (backend.alias, backend.options) == ("default", {})
    assert backend.supports_defer
    assert backend.supports_async_task
    assert backend.supports_get_result
    assert backend.supports_priority


def test_both_decorators_make_tasks_that_can_be_imported_by_their_path():
    for each in (tasks.add, tasks.add_async, tasks.plain, tasks.context_facts):
        assert isinstance(each, Task)
        assert import_string(each.module_path) is each
    assert tasks.add.module_path == "tests.sample.tasks.add"
    assert tasks.add.name == "add"


def test_a_task_can_be_called_directly():
    assert tasks.add.call(1, 2) == 3
    assert tasks.add_async.call(1, 2) == 3
    assert async_to_sync(tasks.add.acall)(1, 2) == 3
    assert async_to_sync(tasks.add_async.acall)(1, 2) == 3


@pytest.mark.parametrize("each", [tasks.plain, tasks.add_async], ids=["sync", "async"])
@pytest.mark.parametrize("enqueue", ["enqueue", "aenqueue"])
def test_enqueue_returns_a_ready_result(each, enqueue):
    before = timezone.now()
    call = each.enqueue if enqueue == "enqueue" else async_to_sync(each.aenqueue)
    result = call(1, b=[None, "ü"])
    assert isinstance(result, TaskResult)
    assert result.status == TaskResultStatus.READY
    assert result.task == each
    assert (result.args, result.kwargs) == ([1], {"b": [None, "ü"]})
    assert before <= result.enqueued_at <= timezone.now()
    assert result.started_at is result.finished_at is result.last_attempted_at is None
    assert (result.backend, result.errors, result.worker_ids) == ("default", [], [])
    assert result.attempts == 0
    assert result.is_finished is False
    assert row(result).status == Status.READY


def test_enqueue_is_one_insert():
    for each in (tasks.add, tasks.add.using(run_after=timezone.now())):
        made = queries(lambda each=each: each.enqueue(1, 2))
        assert len(made) == 1, made
        assert made[0].startswith("INSERT INTO")


def test_the_backend_enqueues_as_the_task_does():
    result = task_backends["default"].enqueue(tasks.add, (1,), {"b": 2})
    assert (result.args, result.kwargs) == ([1], {"b": 2})
    result = async_to_sync(task_backends["default"].aenqueue)(tasks.add, [1], {"b": 2})
    assert row(result).kwargs == {"b": 2}


def test_what_the_caller_changes_later_changes_no_result():
    numbers = [1]
    result = tasks.plain.enqueue(numbers)
    numbers.append(2)
    assert result.args == [[1]]


def test_using_makes_another_task_and_leaves_the_first_alone():
    now = timezone.now()
    changed = tasks.add.using(priority=7, queue_name="mail").using(run_after=now)
    assert (changed.priority, changed.queue_name, changed.run_after) == (7, "mail", now)
    assert (tasks.add.priority, tasks.add.queue_name, tasks.add.run_after) == (0, "default", None)
    assert tasks.add.using() == tasks.add
    stored = row(changed.enqueue(1, 2))
    assert (stored.priority, stored.queue_name) == (7, "mail")


@pytest.mark.parametrize("priority", [-100, 0, 100])
def test_priorities_within_the_bounds_are_stored(priority):
    assert row(tasks.add.using(priority=priority).enqueue(1, 2)).priority == priority


@pytest.mark.parametrize("priority", [-101, 101, 3.1])
def test_other_priorities_are_refused(priority):
    with pytest.raises(InvalidTask, match="priority must be a whole number between -100 and 100"):
        tasks.add.using(priority=priority)


def test_run_after_takes_an_aware_datetime():
    moment = datetime(2050, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    stored = row(tasks.add.using(run_after=moment).enqueue(1, 2))
    assert (stored.run_after, stored.status) == (moment, Status.SCHEDULED)


def test_run_after_takes_a_timedelta_by_the_clock_of_the_database():
    result = tasks.add.using(run_after=timedelta(minutes=5)).enqueue(1, 2)
    assert 290 < seconds_until_due(result) <= 300
    assert row(result).status == Status.SCHEDULED


def test_run_after_refuses_a_naive_datetime():
    with pytest.raises(InvalidTask, match="run_after must be an aware datetime"):
        tasks.add.using(run_after=datetime(2050, 1, 1))  # noqa: DTZ001


@pytest.mark.parametrize("name", ["", "two words", "mail*", "a,b", "ä", "x" * 65, "'; DROP TABLE"])
def test_a_queue_name_is_refused_that_no_worker_could_name(name):
    with pytest.raises(InvalidTask, match="is no queue name"):
        tasks.add.using(queue_name=name)


def test_only_the_queues_of_the_settings_are_taken():
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "QUEUES": ["default", "mail"]}}):
        tasks.add.using(queue_name="mail").enqueue(1, 2)
        with pytest.raises(InvalidTask, match="Queue 'nail' is not valid for backend"):
            tasks.add.using(queue_name="nail")


def test_a_task_is_checked_again_when_it_is_enqueued():
    elsewhere = tasks.add.using(queue_name="mail")
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "QUEUES": ["default"]}}):
        with pytest.raises(InvalidTask, match="Queue 'mail' is not valid"):
            elsewhere.enqueue(1, 2)
        with pytest.raises(InvalidTask, match="Queue 'mail' is not valid"):
            async_to_sync(elsewhere.aenqueue)(1, 2)


def test_only_functions_of_a_module_are_taken():
    def inner():
        pass

    for function in (any, inner, lambda: None, [].append):
        with pytest.raises(InvalidTask, match="must be defined at a module level"):
            task()(function)


def test_the_first_argument_of_a_task_with_context_is_named_context():
    for function in (odd.not_a_task, context_is_not_first):
        with pytest.raises(InvalidTask, match="does not have a first argument of 'context'"):
            task(takes_context=True)(function)


def test_run_after_belongs_to_no_decorator():
    with pytest.raises(TypeError):
        task(run_after=timezone.now())(odd.not_a_task)


def test_a_backend_that_is_not_there_is_refused():
    with pytest.raises(InvalidTaskBackend, match="'unknown' doesn't exist"):
        tasks.add.using(backend="unknown")
    with (
        override_settings(TASKS={"default": {"BACKEND": "does.not.exist"}}),
        pytest.raises(InvalidTaskBackend, match=r"does\.not\.exist"),
    ):
        tasks.add.enqueue(1, 2)


@pytest.mark.parametrize(
    "call", [((1,), {}), ((1, 2, 3), {}), ((1, 2), {"c": 3}), ((1,), {"a": 1})]
)
def test_a_call_that_python_would_refuse_is_refused_at_once(call):
    args, kwargs = call
    with pytest.raises(TypeError, match=r"add\(\)"):
        tasks.add.enqueue(*args, **kwargs)


def test_arguments_that_json_does_not_have_are_a_type_error():
    with pytest.raises(TypeError):
        tasks.plain.enqueue(timezone.now())
    with pytest.raises(TypeError):
        async_to_sync(tasks.plain.aenqueue)(timezone.now())


def test_a_plain_task_has_the_policy_of_the_settings():
    assert row(odd.bare.enqueue()).max_attempts == 5
    with override_settings(TASKS={"default": {"BACKEND": BACKEND, "OPTIONS": {"MAX_ATTEMPTS": 9}}}):
        assert row(odd.bare.enqueue()).max_attempts == 9
        assert row(tasks.unwanted.enqueue()).max_attempts == 2


@pytest.mark.skipif(not odd.PASSES_POLICY_ON, reason="Django 6.0's @task takes no further options")
def test_django_own_decorator_takes_a_policy():
    assert row(odd.with_policy.enqueue()).max_attempts == 2
    assert odd.with_policy.using(priority=1).max_attempts == 2
    with pytest.raises(InvalidTask, match="max_attempts"):
        task(max_attempts=0)(odd.not_a_task)


@pytest.mark.skipif(
    not (HAS_DJANGO_TASKS and hasattr(Task, "_reconstruct")), reason="tasks pickle from Django 6.1"
)
def test_tasks_and_results_can_be_pickled():
    for each in (tasks.add.using(priority=3), tasks.context_facts, tasks.fail):
        assert pickle.loads(pickle.dumps(each)) == each
    result = tasks.add.enqueue(1, 2)
    assert pickle.loads(pickle.dumps(result)) == result
    with pytest.raises(ValueError, match="to point to a Task instance"):
        type(tasks.add)._reconstruct({"func": "builtins.any"})
