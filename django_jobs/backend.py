"""``django.tasks`` ↔ ``Job``: the backend that ``TASKS`` names. Thin: the steps do the work."""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.db import router

from .compat import (
    BaseTaskBackend,
    InvalidTask,
    Task,
    TaskResult,
    TaskResultDoesNotExist,
    task_backends,
)
from .conf import QUEUE_NAME, Options, Problem, read_options
from .exceptions import InvalidOptions, UnknownTask
from .task import JobTask, policy_of

TASK_PATH_LENGTH: Final = 255


class DatabaseBackend(BaseTaskBackend):
    """Jobs are rows of the database that the router names for ``django_jobs.Job``."""

    task_class = JobTask
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self._read_options, self.problems = read_options(params.get("OPTIONS", {}))
        for name in sorted(self.queues, key=str):
            if not isinstance(name, str) or not QUEUE_NAME.fullmatch(name):
                self.problems.append(
                    Problem(
                        "django_jobs.E003",
                        f"QUEUES holds {name!r}, which is no queue name.",
                        "Use letters, digits, '_', '.' and '-', 64 at most.",
                    )
                )

    @cached_property
    def jobs_options(self) -> Options:
        """
        The options, checked.

        :raises InvalidOptions: ``manage.py check`` lists what is wrong.
        """
        if self.problems:
            listed = " ".join(f"{p.message} {p.hint}".strip() for p in self.problems)
            raise InvalidOptions(f"TASKS[{self.alias!r}]: {listed}")
        return self._read_options

    def validate_task(self, task: Task[Any, Any]) -> None:
        """
        Refuse a task that can't be run later.

        :raises InvalidTask: says why.
        """
        run_after: object = task.run_after
        super().validate_task(_undelayed(task) if isinstance(run_after, timedelta) else task)
        if not QUEUE_NAME.fullmatch(task.queue_name):
            raise InvalidTask(
                f"{task.queue_name!r} is no queue name: use letters, digits, '_', '.' and '-', "
                "64 at most."
            )
        if len(task.module_path) > TASK_PATH_LENGTH:
            raise InvalidTask(f"The task's path is longer than {TASK_PATH_LENGTH} characters.")
        try:
            policy_of(task, self._read_options.policy)
        except ValueError as error:
            raise InvalidTask(str(error)) from None

    def enqueue(self, task: Task[Any, Any], args: Any, kwargs: Any) -> TaskResult[Any, Any]:
        from .insert import enqueue, prepare, target

        to = target(self, task)
        return enqueue(to, prepare(to, args, kwargs))

    def get_result(self, result_id: str) -> TaskResult[Any, Any]:
        from .models import Job
        from .registry import look_up
        from .results import job_result

        try:
            # Only the form that was given out: UUID() takes braces and "urn:" too.
            job_id = UUID(result_id)
            if str(job_id) != str(result_id):
                raise ValueError(result_id)
            job = Job.objects.prefetch_related("history").get(pk=job_id, backend_name=self.alias)
        except (ValueError, TypeError, AttributeError, Job.DoesNotExist):
            raise TaskResultDoesNotExist(result_id) from None
        try:
            task = look_up(job.task_path, self.jobs_options.task_modules)
        except UnknownTask as error:
            raise TaskResultDoesNotExist(str(error)) from None
        history = sorted(job.history.all(), key=lambda attempt: attempt.claim_no)
        return job_result(task, job, history)

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        where = f"TASKS[{self.alias!r}]"
        found = [
            Problem(problem.id, f"{where}: {problem.message}", problem.hint)
            for problem in self.problems
        ]
        if not settings.USE_TZ:
            found.append(
                Problem(
                    "django_jobs.E004",
                    "django_jobs needs USE_TZ = True.",
                    "Jobs fall due by the database's clock, in UTC.",
                )
            )
        if not apps.is_installed("django_jobs"):
            found.append(
                Problem(
                    "django_jobs.E005",
                    f"{where} uses django_jobs, which is not in INSTALLED_APPS.",
                    "Add 'django_jobs' to INSTALLED_APPS and run manage.py migrate.",
                )
            )
        elif _has_own_time_zone():
            found.append(
                Problem(
                    "django_jobs.E006",
                    "The database of the jobs has a TIME_ZONE of its own in DATABASES.",
                    "Jobs fall due by the database's clock, in UTC: remove TIME_ZONE there.",
                )
            )
        return [checks.Error(p.message, hint=p.hint or None, id=p.id) for p in found]


def notifies() -> bool:
    """Whether workers of any backend of ours listen to a ``NOTIFY``."""
    ours = (backend for backend in task_backends.all() if isinstance(backend, DatabaseBackend))
    return any(backend._read_options.notify for backend in ours)


def _undelayed(task: Task[Any, Any]) -> Task[Any, Any]:
    """``task`` without its ``run_after``. From Django 6.1, ``copy()`` would validate it again."""
    bare: Task[Any, Any] = object.__new__(type(task))
    for field in fields(task):
        object.__setattr__(bare, field.name, getattr(task, field.name))
    object.__setattr__(bare, "run_after", None)
    return bare


def _has_own_time_zone() -> bool:
    from .db.setup import has_own_time_zone
    from .models import Job

    return has_own_time_zone(router.db_for_write(Job))
