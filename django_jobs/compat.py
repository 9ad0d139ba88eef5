"""
The one place that knows where Django's Tasks API comes from.

Django 6.0 has it as ``django.tasks``; before that it is the backport ``django_tasks``
(https://pypi.org/project/django-tasks/). Every other module imports these names from here.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import django
from django.core.exceptions import ImproperlyConfigured

HAS_DJANGO_TASKS = django.VERSION >= (6, 0)

if TYPE_CHECKING or HAS_DJANGO_TASKS:
    from django.tasks import (
        DEFAULT_TASK_BACKEND_ALIAS,
        DEFAULT_TASK_QUEUE_NAME,
        Task,
        TaskContext,
        TaskResult,
        TaskResultStatus,
        task,
        task_backends,
    )
    from django.tasks import signals as task_signals
    from django.tasks.backends.base import BaseTaskBackend
    from django.tasks.base import DEFAULT_TASK_PRIORITY, TaskError
    from django.tasks.exceptions import (
        InvalidTask,
        InvalidTaskBackend,
        TaskResultDoesNotExist,
        TaskResultMismatch,
    )
    from django.tasks.signals import task_enqueued, task_finished, task_started
else:
    if find_spec("django_tasks") is None:
        raise ImproperlyConfigured(
            "Django before 6.0 has no django.tasks; install its backport with the extra "
            "'backport': pip install 'django-jobs[backport]'."
        )
    from django_tasks import (
        DEFAULT_TASK_BACKEND_ALIAS,
        DEFAULT_TASK_QUEUE_NAME,
        TaskContext,
        TaskResult,
        TaskResultStatus,
        task,
        task_backends,
    )
    from django_tasks import signals as task_signals
    from django_tasks.backends.base import BaseTaskBackend
    from django_tasks.base import DEFAULT_TASK_PRIORITY, Task, TaskError
    from django_tasks.exceptions import InvalidTaskBackendError as InvalidTaskBackend
    from django_tasks.exceptions import InvalidTaskError as InvalidTask
    from django_tasks.exceptions import TaskResultDoesNotExist, TaskResultMismatch
    from django_tasks.signals import task_enqueued, task_finished, task_started


def connect_tasks_app() -> None:
    """
    Connect the checks and log receivers of the Tasks API.

    Django's own are connected by being imported. The backport connects its own in its
    ``AppConfig``; doing it here too (a second import changes nothing) means that nobody
    has to list ``django_tasks`` in ``INSTALLED_APPS``.
    """
    if not HAS_DJANGO_TASKS:
        from django_tasks import checks, signals  # noqa: F401


__all__ = [
    "DEFAULT_TASK_BACKEND_ALIAS",
    "DEFAULT_TASK_PRIORITY",
    "DEFAULT_TASK_QUEUE_NAME",
    "HAS_DJANGO_TASKS",
    "BaseTaskBackend",
    "InvalidTask",
    "InvalidTaskBackend",
    "Task",
    "TaskContext",
    "TaskError",
    "TaskResult",
    "TaskResultDoesNotExist",
    "TaskResultMismatch",
    "TaskResultStatus",
    "connect_tasks_app",
    "task",
    "task_backends",
    "task_enqueued",
    "task_finished",
    "task_signals",
    "task_started",
]
