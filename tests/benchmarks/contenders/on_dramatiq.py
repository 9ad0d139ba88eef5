"""
Dramatiq on Redis: `dramatiq --processes P --threads N`, the default middleware without Prometheus.

It prefetches 200 messages instead of twice its threads (`dramatiq_queue_prefetch`), without which
it often sleeps while Redis has work. It has no results by default and needs none: the outcome is
the acknowledgement, after which the message is gone from Redis.
"""

import os
import sys
from typing import Any

from .redis_base import URL, OnRedis

PREFETCH = 200


class DramatiqContender(OnRedis):
    title = "Dramatiq (Redis)"
    packages = ("dramatiq", "redis")
    settings_line = (
        "`dramatiq --processes P --threads N`, prefetch 200, no results: acknowledged is recorded"
    )

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        at_once = ["--processes", str(processes), "--threads", str(slots), "--skip-logging"]
        worker = [sys.executable, "-m", "dramatiq", f"{__name__}:broker", *at_once]
        return [["env", f"dramatiq_queue_prefetch={PREFETCH}", *worker]]

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        _actor().send(number, milliseconds)
        self.enqueued += 1

    def recorded(self) -> int:
        return self.enqueued - self.left()

    def left(self) -> int:
        return int(self.redis.hlen("dramatiq:default.msgs"))


_made: Any = None


def _actor() -> Any:
    global _made
    if _made is None:
        import dramatiq
        from dramatiq.brokers.redis import RedisBroker

        from tests.benchmarks.work import work

        dramatiq.set_broker(RedisBroker(url=os.environ[URL]))
        _made = dramatiq.actor(work, actor_name="work")
    return _made


def __getattr__(name: str) -> Any:
    """What the command imports: the broker, made with its actor."""
    if name != "broker":
        raise AttributeError(name)
    return _actor().broker


CONTENDER = DramatiqContender
