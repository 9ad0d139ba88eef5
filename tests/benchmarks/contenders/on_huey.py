"""
Huey on Redis, its blocking queue, or on a SQLite file of its own: `huey_consumer -w N -k thread`.

One consumer a process. `store_none` has every outcome stored, as everybody else does. On SQLite
it writes durably (`fsync`), like everybody else there. The delays of its polling are default.
"""

import os
import sys
from typing import Any

from .redis_base import URL, OnRedis


class HueyContender(OnRedis):
    title = "Huey"
    packages = ("huey", "redis")
    settings_line = "`huey_consumer -w N -k thread`, no periodic tasks, every result stored"
    databases = ("redis", "sqlite")

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        path = f"{__name__}.huey"
        at_once = ["-w", str(slots), "-k", "thread", "-n", "-q"]
        return [[sys.executable, "-m", "huey.bin.huey_consumer", path, *at_once]] * processes

    def install(self) -> None:
        _huey()

    def clear(self) -> None:
        _huey().storage.flush_all()
        self.enqueued = 0

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        _task()(number, milliseconds)
        self.enqueued += 1

    def recorded(self) -> int:
        return int(_huey().result_count())


_made: dict[str, Any] = {}


def _huey() -> Any:
    if not _made:
        import huey

        from tests.benchmarks.work import work

        if os.environ["BENCH_DATABASE"] == "redis":
            _made["huey"] = huey.RedisHuey("bench", url=os.environ[URL], store_none=True)
        else:
            path = os.environ["DATABASE_URL"].removeprefix("sqlite:///") + ".huey"
            _made["huey"] = huey.SqliteHuey(
                "bench", filename=f"/{path.lstrip('/')}", store_none=True, fsync=True
            )
        _made["work"] = _made["huey"].task(name="work")(work)
    return _made["huey"]


def _task() -> Any:
    _huey()
    return _made["work"]


def __getattr__(name: str) -> Any:
    """What the command imports."""
    if name != "huey":
        raise AttributeError(name)
    return _huey()


CONTENDER = HueyContender
