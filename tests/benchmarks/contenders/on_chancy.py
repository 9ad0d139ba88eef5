"""
Chancy: a worker a process, the asyncio executor with a concurrency of N, eager polling.

Eager polling asks for the next jobs as soon as some are done instead of waiting for the poll, and
outcomes are sent every 0.1 s instead of every second. The task is a coroutine, which is what the
asyncio executor runs. Notifications are on by default.
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from .base import Contender, call_main, count, empty


class ChancyContender(Contender):
    title = "chancy"
    packages = ("chancy",)
    settings_line = "asyncio executor, concurrency N, eager polling, outcomes sent every 0.1 s"
    databases = ("postgresql",)
    bulk = "push_many"
    transactional = False
    app: Any = None

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots)] * processes

    def connect(self) -> Any:
        if self.app is None:
            from chancy import Chancy

            self.app = Chancy(os.environ["DATABASE_URL"])
            self.app.sync_pool.open()
        return self.app

    def install(self) -> None:
        asyncio.run(_migrate())

    def clear(self) -> None:
        empty("chancy_jobs")
        self.enqueued = 0

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        self.connect().sync_push(_job(number, milliseconds))
        self.enqueued += 1

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        jobs = [_job(number, milliseconds) for number in numbers]
        for references in self.connect().sync_push_many(jobs):
            self.enqueued += len(references)

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM chancy_jobs WHERE state = 'succeeded'")


def _job(number: int, milliseconds: int) -> Any:
    from chancy import Job

    from tests.benchmarks.work import work_async

    job = Job.from_func(work_async, queue="default")
    return job.with_kwargs(number=number, milliseconds=milliseconds)


async def _migrate() -> None:
    from chancy import Chancy

    async with Chancy(os.environ["DATABASE_URL"]) as chancy:
        await chancy.migrate()


def main(slots: int) -> None:
    asyncio.run(_work(slots))


async def _work(slots: int) -> None:
    from chancy import Chancy, Queue, Worker

    queue = Queue("default", concurrency=slots, executor=Chancy.Executor.Async, eager_polling=True)
    async with Chancy(os.environ["DATABASE_URL"]) as chancy:
        await chancy.declare(queue, upsert=True)
        worker = Worker(chancy)
        worker.send_outgoing_interval = 0.1
        async with worker:
            await worker.wait_for_shutdown()


CONTENDER = ChancyContender
