"""
Celery on Redis, results in the same Redis: `celery worker --pool threads --concurrency N`.

One worker a process. Without gossip, mingle and heartbeat, which a single worker doesn't need,
and events are off by default. Prefork, its default pool, is no faster for jobs that do nothing,
and slower in one process.
"""

import os
from typing import Any

from .base import call_main
from .redis_base import URL, OnRedis


class CeleryContender(OnRedis):
    title = "Celery (Redis)"
    packages = ("celery", "redis")
    settings_line = "`--pool threads --concurrency N`, prefetch ×64, results in Redis"

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots, number) for number in range(processes)]

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        _app().tasks["work"].delay(number, milliseconds)
        self.enqueued += 1

    def recorded(self) -> int:
        # SCAN would do as well, but costs more as it is asked again and again.
        return len(self.redis.keys("celery-task-meta-*"))


_made: Any = None


def _app() -> Any:
    global _made
    if _made is None:
        from celery import Celery

        from tests.benchmarks.work import work

        _made = Celery("bench", broker=os.environ[URL], backend=os.environ[URL])
        _made.conf.worker_prefetch_multiplier = 64
        _made.conf.worker_hijack_root_logger = False
        _made.task(work, name="work")
        _made.finalize()
    return _made


def main(slots: int, number: int) -> None:
    pool = ["--pool", "threads", "--concurrency", str(slots)]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    _app().worker_main(["worker", "--hostname", f"bench{number}@localhost", *pool, *quiet])


CONTENDER = CeleryContender
