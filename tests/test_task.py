"""``@job``: Django's own ``@task`` and a policy on the function."""

import pytest
from django.test import override_settings

from django_jobs import Backoff, JobContext, job
from django_jobs.compat import HAS_DJANGO_TASKS, InvalidTask, Task, TaskContext, task
from django_jobs.policy import Policy
from django_jobs.tags import tags_of
from django_jobs.task import policy_of
from tests.sample import odd, tasks

DEFAULT = Policy(max_attempts=7, timeout=70)
IMMEDIATE = f"{'django.tasks' if HAS_DJANGO_TASKS else 'django_tasks'}.backends.immediate"


def work():
    pass


def work_with_context(context):
    return context


async def work_with_context_async(context):
    return context


def test_with_and_without_parentheses():
    assert isinstance(job(work), Task)
    assert isinstance(job()(work), Task)
    assert job(work).func is work


def test_the_arguments_of_task_are_those_of_task():
    made = job(queue_name="mail", priority=5)(work)
    assert (made.queue_name, made.priority, made.backend) == ("mail", 5, "default")
    assert made.takes_context is False


def test_the_policy_is_what_is_given_and_the_rest_comes_from_the_default():
    made = job(max_attempts=2, give_up_on=(KeyError,))(work)
    policy = policy_of(made, DEFAULT)
    assert (policy.max_attempts, policy.timeout, policy.give_up_on) == (2, 70, (KeyError,))
    assert policy_of(made.using(priority=1), DEFAULT) == policy


def test_no_timeout_may_be_said_against_a_default():
    assert policy_of(job(timeout=None)(work), DEFAULT).timeout is None
    assert policy_of(job(work), DEFAULT).timeout == 70


def test_a_plain_task_has_the_default():
    assert policy_of(task(work_plain), DEFAULT) is DEFAULT


def work_plain():
    pass


@pytest.mark.skipif(not odd.PASSES_POLICY_ON, reason="Django 6.0's @task takes no further options")
def test_the_arguments_of_djangos_own_decorator_count_more():
    policy = policy_of(odd.with_policy, DEFAULT)
    assert policy.max_attempts == 2
    assert policy.backoff(ValueError(), None) == 7


@pytest.mark.parametrize(
    "figures",
    [
        {"max_attempts": 0},
        {"max_attempts": None},
        {"max_attempts": "5"},
        {"timeout": 0},
        {"timeout": -1},
        {"backoff": 5},
        {"backoff": None},
        {"retry_on": ValueError},
        {"give_up_on": [ValueError]},
    ],
    ids=str,
)
def test_bad_figures_are_refused_where_they_are_written(figures):
    (name,) = figures
    with pytest.raises(ValueError, match=name):
        job(**figures)


@pytest.mark.parametrize("figures", [{"priority": 101}, {"queue_name": "two words"}], ids=str)
def test_so_is_what_django_or_the_backend_refuse(figures):
    with pytest.raises(InvalidTask):
        job(**figures)(work)


def test_unknown_arguments_are_refused():
    with pytest.raises(TypeError):
        job(max_attemps=3)


@pytest.mark.parametrize("function", [len, [].append, Policy().is_retryable])
def test_nor_is_what_can_carry_no_policy(function):
    with pytest.raises(InvalidTask):
        job(function)


def test_a_method_or_a_nested_function_is_no_task():
    class Holder:
        def method(self):
            pass

    for function in (Holder.method, Holder().method, lambda: None):
        with pytest.raises((InvalidTask, AttributeError)):
            job(function)


@pytest.mark.parametrize("function", [work_with_context, work_with_context_async])
def test_a_task_with_context_always_gets_a_job_context(function):
    made = job(takes_context=True)(function)
    assert made.func.__wrapped__ is function
    assert made.func.__name__ == function.__name__
    plain = TaskContext(task_result="the result")
    context = made.call(plain)
    assert isinstance(context, JobContext)
    assert context.task_result == "the result"
    assert made.call(context) is context


def test_a_job_needs_none_of_our_backends():
    with override_settings(TASKS={"default": {"BACKEND": f"{IMMEDIATE}.ImmediateBackend"}}):
        made = job(max_attempts=3, backoff=Backoff())(work)
        assert made.enqueue().status == "SUCCESSFUL"


def test_the_tasks_of_the_sample_have_their_policies():
    assert policy_of(tasks.fail, DEFAULT).max_attempts == 3
    assert policy_of(tasks.overrun, DEFAULT).timeout == 0.05


def test_tags_are_kept_on_the_function():
    made = job(tags=("billing", "größe-2"))(work)
    assert tags_of(made) == tags_of(made.using(priority=1)) == ("billing", "größe-2")
    assert tags_of(job(work)) == tags_of(task(work_plain)) == ()
    assert tags_of(job(takes_context=True, tags=("x" * 40,))(work_with_context)) == ("x" * 40,)


@pytest.mark.parametrize(
    "tags",
    [
        "billing",
        ["billing"],
        ("",),
        ("x" * 41,),
        ("two words",),
        ("a,b",),
        ('"a"',),
        ("it's",),
        ("tab\t",),
        ("line\n",),
        ("nul\0",),
        (5,),
        (None,),
    ],
)
def test_a_tag_is_a_word(tags):
    with pytest.raises(ValueError, match=r"tags must be a tuple|A tag is a word"):
        job(tags=tags)
