"""
procrastinate, in Django: `manage.py procrastinate worker --concurrency N`, one command a process.

The task is a coroutine, its native form, which costs it no thread; LISTEN/NOTIFY is on by default.
"""

from collections.abc import Sequence
from typing import Any

from .base import Contender, call_main, count, empty


class Procrastinate(Contender):
    title = "procrastinate"
    packages = ("procrastinate",)
    settings_line = "`procrastinate worker --concurrency N`, a coroutine task"
    databases = ("postgresql",)
    bulk = "batch_defer"

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        return {
            "INSTALLED_APPS": ["procrastinate.contrib.django"],
            "PROCRASTINATE_ON_APP_READY": "tests.benchmarks.contenders.on_procrastinate.register",
        }

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots)] * processes

    def clear(self) -> None:
        empty("procrastinate_jobs")
        self.enqueued = 0

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        from procrastinate.contrib.django import app

        app.configure_task("work").defer(number=number, milliseconds=milliseconds)
        self.enqueued += 1

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        from procrastinate.contrib.django import app

        calls = [{"number": number, "milliseconds": milliseconds} for number in numbers]
        app.configure_task("work").batch_defer(*calls)
        self.enqueued += len(calls)

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM procrastinate_jobs WHERE status = 'succeeded'")


def register(app: Any) -> None:
    from tests.benchmarks.work import work_async

    app.task(work_async, name="work")


def main(slots: int) -> None:
    """As the command does, whose own options can't turn down its log."""
    import asyncio

    import django

    django.setup()

    from procrastinate.contrib.django import app

    with app.replace_connector(app.connector.get_worker_connector()) as worker_app:
        asyncio.run(worker_app_run(worker_app, slots))


async def worker_app_run(app: Any, slots: int) -> None:
    async with app.open_async():
        await app.run_worker_async(concurrency=slots)


CONTENDER = Procrastinate
