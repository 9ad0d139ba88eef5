"""
django-ox: `ox_worker --concurrency N --processes P`, its thread pool and its own supervisor.

Persistent connections, with which its authors measure best; the rest is default.
"""

from collections.abc import Sequence
from typing import Any

from .base import DjangoTasks, count, django, empty


class DjangoOx(DjangoTasks):
    title = "django-ox"
    packages = ("django-ox",)
    settings_line = "`ox_worker --concurrency N --processes P`, defaults else"
    bulk = "enqueue_many"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        return {
            "INSTALLED_APPS": ["django_ox"],
            "TASKS": {"default": {"BACKEND": "django_ox.backend.OxBackend", "QUEUES": ["default"]}},
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        at_once = ["--concurrency", str(slots), "--processes", str(processes)]
        return [django("ox_worker", *at_once, "--verbosity", "0")]

    def clear(self) -> None:
        empty("django_ox_oxtask")
        self.enqueued = 0

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        from django_ox.bulk import enqueue_many

        from tests.benchmarks.tasks import work

        enqueue_many(work, [((number, milliseconds), {}) for number in numbers])
        self.enqueued += len(numbers)

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM django_ox_oxtask WHERE status = 'SUCCESSFUL'")


CONTENDER = DjangoOx
