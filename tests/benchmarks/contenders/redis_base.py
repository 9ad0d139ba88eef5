"""What the contenders on Redis share: a database of their own in it, emptied and left empty."""

import os
from functools import cached_property
from typing import Any

from .base import Contender

URL = "BENCH_REDIS_URL"


class OnRedis(Contender):
    databases = ("redis",)
    transactional = False

    @cached_property
    def redis(self) -> Any:
        import redis

        return redis.Redis.from_url(os.environ[URL])

    def install(self) -> None:
        self.redis.ping()

    def clear(self) -> None:
        self.redis.flushdb()  # this database only; the harness found it empty
        self.enqueued = 0

    def enqueue_many(self, numbers: Any, milliseconds: int = 0) -> None:
        for number in numbers:
            self.enqueue(number, milliseconds)
