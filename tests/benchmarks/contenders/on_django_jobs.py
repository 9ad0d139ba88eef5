"""
django_jobs itself: `runjobs --threads N` with every option at its default, one command a process.
"""

from collections.abc import Sequence
from typing import Any

from .base import DjangoTasks, count, django, empty


class DjangoJobs(DjangoTasks):
    title = "django_jobs"
    packages = ("django-jobs",)
    settings_line = "`runjobs --threads N`, with `--processes 2` for two, defaults else"
    bulk = "enqueue_many"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        from importlib.util import find_spec

        backport = ["django_tasks"] if find_spec("django.tasks") is None else []
        return {
            "INSTALLED_APPS": ["django_jobs", *backport],
            "TASKS": {
                "default": {"BACKEND": "django_jobs.backend.DatabaseBackend", "QUEUES": []},
            },
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        shape = ("--threads", str(slots), "--processes", str(processes))
        return [django("runjobs", *shape, "--no-reload", "--verbosity", "0")]

    def clear(self) -> None:
        empty("django_jobs_jobattempt", "django_jobs_job", "django_jobs_worker")
        self.enqueued = 0

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        from django_jobs import enqueue_many
        from tests.benchmarks.tasks import work

        self.enqueued += len(enqueue_many(work, [(number, milliseconds) for number in numbers]))

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM django_jobs_job WHERE status = 'SUCCESSFUL'")

    def left(self) -> int:
        ready = count("SELECT COUNT(*) FROM django_jobs_job WHERE status = 'READY'")
        return ready + count("SELECT COUNT(*) FROM django_jobs_job WHERE status = 'RUNNING'")


CONTENDER = DjangoJobs
