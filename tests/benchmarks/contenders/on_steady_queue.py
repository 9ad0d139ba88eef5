"""
steady-queue: its supervisor with P worker processes of N threads, and no recurring tasks.

The polling interval of 0.1 s is the default, and its shortest documented one.
"""

from typing import Any

from .base import DjangoTasks, count, django, empty


class SteadyQueue(DjangoTasks):
    title = "steady-queue"
    packages = ("steady-queue",)
    settings_line = "`steady_queue`, P processes of N threads, queues `*`, no recurring tasks"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        from steady_queue.configuration import Configuration

        worker = Configuration.Worker(queues=["*"], threads=slots, processes=processes)
        return {
            "INSTALLED_APPS": ["steady_queue"],
            "TASKS": {
                "default": {
                    "BACKEND": "steady_queue.backend.SteadyQueueBackend",
                    "QUEUES": ["default"],
                }
            },
            "STEADY_QUEUE": Configuration.Options(workers=[worker], recurring_tasks=[]),
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [django("steady_queue", "--verbosity", "0")]

    def clear(self) -> None:
        empty(
            "steady_queue_readyexecution",
            "steady_queue_claimedexecution",
            "steady_queue_failedexecution",
            "steady_queue_job",
        )
        self.enqueued = 0

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM steady_queue_job WHERE finished_at IS NOT NULL")


CONTENDER = SteadyQueue
