"""
Django Q2 with its ORM broker: `qcluster` with N worker processes, which is how it runs N at once.

`bulk` 50 takes fifty rows a poll instead of one, `queue_limit` lets them wait, `save_limit` 0
keeps every result without counting them for each job, as it does by default, and `recycle` is
beyond the run. The signed packages and the poll of 0.2 s are default.
"""

from typing import Any

from .base import Contender, count, django, empty


class DjangoQ2(Contender):
    title = "django-q2 (ORM)"
    packages = ("django-q2",)
    settings_line = "`qcluster`, N worker processes, bulk 50, save_limit 0, recycle 100,000"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        return {
            "INSTALLED_APPS": ["django_q"],
            "Q_CLUSTER": {
                "name": "bench",
                "orm": "default",
                "workers": slots,
                "bulk": 50,
                "queue_limit": 500,
                "save_limit": 0,
                "recycle": 100_000,
                "timeout": 300,
                "retry": 600,
                "scheduler": False,
                "log_level": "WARNING",
            },
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [django("qcluster", "--verbosity", "0")] * processes

    def runners(self, slots: int, processes: int) -> int:
        return slots * processes

    def clear(self) -> None:
        empty("django_q_ormq", "django_q_task")
        self.enqueued = 0

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        from django_q.tasks import async_task

        async_task("tests.benchmarks.work.work", number, milliseconds)
        self.enqueued += 1

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM django_q_task WHERE success = TRUE")


CONTENDER = DjangoQ2
