"""
PgQueuer at its best: asyncpg and uvloop, a coroutine entry point, batches of 100.

No cap on concurrency, but for the sleeping jobs: `max_concurrent_tasks` has to be at least twice
the batch, so that N slots mean batches of N / 2. One worker a process; LISTEN/NOTIFY is built in.
The aggregation of its log into statistics is turned off.
"""

import asyncio
import os
import struct
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from .base import Contender, call_main, count, empty

payload = struct.Struct("<ii")


class PgQueuer(Contender):
    title = "pgqueuer"
    packages = ("pgqueuer", "asyncpg", "uvloop")
    settings_line = (
        "asyncpg, uvloop, a coroutine entry point, batches of 100 and no concurrency cap "
        "(batches of 16 and a cap of 32 for the sleeping jobs)"
    )
    databases = ("postgresql",)
    bulk = "enqueue([...])"
    transactional = False
    loop: asyncio.AbstractEventLoop
    queries: Any = None

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        return [call_main(__name__, slots if slots > 10 else 0)] * processes

    def connect(self) -> Any:
        if self.queries is None:
            self.loop = asyncio.new_event_loop()
            self.queries = self.loop.run_until_complete(_queries())
        return self.queries

    def install(self) -> None:
        self.loop_run(self.connect().install())

    def loop_run(self, coroutine: Any) -> Any:
        self.connect()
        return self.loop.run_until_complete(coroutine)

    def clear(self) -> None:
        empty("pgqueuer", "pgqueuer_log", "pgqueuer_statistics")
        self.enqueued = 0

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        call = payload.pack(number, milliseconds)
        self.loop_run(self.connect().enqueue("work", call))
        self.enqueued += 1

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        calls = [payload.pack(number, milliseconds) for number in numbers]
        names, zeros = ["work"] * len(calls), [0] * len(calls)
        self.loop_run(self.connect().enqueue(names, calls, zeros))
        self.enqueued += len(calls)

    def recorded(self) -> int:
        return count("SELECT COUNT(*) FROM pgqueuer_log WHERE status = 'successful'")


async def _queries() -> Any:
    import asyncpg
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.queries import Queries

    return Queries(AsyncpgDriver(await asyncpg.connect(os.environ["DATABASE_URL"])))


def main(cap: int) -> None:
    import uvloop

    uvloop.run(_work(cap))


async def _work(cap: int) -> None:
    import asyncpg
    from pgqueuer import PgQueuer as App
    from pgqueuer.db import AsyncpgDriver

    from tests.benchmarks.work import work_async

    app = App(AsyncpgDriver(await asyncpg.connect(os.environ["DATABASE_URL"])))

    @app.entrypoint("work")
    async def run(job: Any) -> None:
        await work_async(*payload.unpack(job.payload))

    await app.qm.run(
        batch_size=cap // 2 or 100,
        max_concurrent_tasks=cap or None,
        log_aggregation_interval=timedelta(0),
    )


CONTENDER = PgQueuer
