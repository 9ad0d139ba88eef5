"""
django-tasks-db: `db_worker` runs one job at a time, so N at once are N processes.

`--verbosity 0` because every other level logs each job, `--no-startup-delay` since the delay only
spreads the start of a fleet. `--interval` (1 s) is the default.
"""

from typing import Any

from .base import DjangoTasks, count, django, empty


class DjangoTasksDb(DjangoTasks):
    title = "django-tasks-db"
    packages = ("django-tasks-db",)
    settings_line = "`db_worker --no-startup-delay`, one process for each of the N jobs at once"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        return {
            "INSTALLED_APPS": ["django_tasks_db"],
            "TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}},
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        worker = django("db_worker", "--no-startup-delay", "--no-reload", "--verbosity", "0")
        return [worker] * (slots * processes)

    def runners(self, slots: int, processes: int) -> int:
        return slots * processes

    def clear(self) -> None:
        empty("django_tasks_database_dbtaskresult")
        self.enqueued = 0

    def recorded(self) -> int:
        return count(
            "SELECT COUNT(*) FROM django_tasks_database_dbtaskresult WHERE status = 'SUCCESSFUL'"
        )


CONTENDER = DjangoTasksDb
