"""
dj-queue: the `fork` supervisor (its default) with P worker processes of N threads.

SKIP LOCKED and LISTEN/NOTIFY are on by default; `prefetch_multiplier` 2 and the polling interval
of 0.1 s are defaults as well.
"""

from collections.abc import Sequence
from typing import Any

from .base import DjangoTasks, count, django, empty


class DjQueue(DjangoTasks):
    title = "dj-queue"
    packages = ("dj-queue",)
    settings_line = "`dj_queue`, mode fork, P processes of N threads, prefetch 2 (the default)"
    bulk = "enqueue_all"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        worker = {"queues": "*", "threads": slots, "processes": processes}
        return {
            "INSTALLED_APPS": ["dj_queue"],
            "TASKS": {
                "default": {
                    "BACKEND": "dj_queue.backend.DjQueueBackend",
                    "QUEUES": [],
                    "OPTIONS": {"mode": "fork", "workers": [worker]},
                }
            },
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [django("dj_queue", "--verbosity", "0")]

    def clear(self) -> None:
        empty(
            "dj_queue_ready_executions",
            "dj_queue_claimed_executions",
            "dj_queue_scheduled_executions",
            "dj_queue_failed_executions",
            "dj_queue_jobs",
        )
        self.enqueued = 0

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        from tests.benchmarks.tasks import work

        backend: Any = work.get_backend()
        backend.enqueue_all([(work, [number, milliseconds], {}) for number in numbers])
        self.enqueued += len(numbers)

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM dj_queue_jobs WHERE finished_at IS NOT NULL")


CONTENDER = DjQueue
