"""
A limit of the machine: N threads that take jobs from a queue in memory, and nothing else.

No database and nothing recorded: what Python itself costs to hand work to threads and run it.
"""

import queue
import threading
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.work import work

from .base import Contender


class Threads(Contender):
    title = "a pool of threads, no database"
    packages = ()
    settings_line = "N threads take jobs from a queue.SimpleQueue; nothing is stored"
    databases = ("none",)
    in_agent = True
    enqueues = False
    picks_up = False
    numbers: Sequence[int] = ()
    milliseconds = 0

    def install(self) -> None:
        pass

    def clear(self) -> None:
        self.numbers = ()

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        self.numbers, self.milliseconds = numbers, milliseconds

    def left(self) -> int:
        return 0

    def run(self, slots: int) -> None:
        waiting: queue.SimpleQueue[Any] = queue.SimpleQueue()
        threads = [threading.Thread(target=self._execute, args=(waiting,)) for _ in range(slots)]
        for thread in threads:
            thread.start()
        for number in self.numbers:
            waiting.put(number)
        for _ in threads:
            waiting.put(None)
        for thread in threads:
            thread.join()

    def _execute(self, waiting: "queue.SimpleQueue[Any]") -> None:
        while (number := waiting.get()) is not None:
            work(number, self.milliseconds)


CONTENDER = Threads
