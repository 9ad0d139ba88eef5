"""The troubles, and a thread that makes them in random order."""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from django.db import DatabaseError, connection, transaction

from tests.support.processes import Process

from .cluster import LEASE, Cluster, restart


class Trouble(threading.Thread):
    """``counts`` says how often each was made, ``killed`` when which process was."""

    def __init__(self, cluster: Cluster, random: random.Random) -> None:
        super().__init__(name="chaos", daemon=True)
        self.cluster = cluster
        self.random = random
        self.counts: Counter[str] = Counter()
        self.killed: dict[int, float] = {}
        self.error: Exception | None = None
        self._ended = threading.Event()
        self._thaw: list[tuple[float, int]] = []

    def kinds(self) -> list[Callable[[], None]]:
        kinds = [self.kill, self.kill, self.kill_supervisor, self.terminate, self.freeze]
        if self.cluster.proxy is None:
            kinds += [self.lock]
        else:
            kinds += [self.cut, self.cut, self.refuse, self.stall, self.swallow, self.slow_down]
        if self.cluster.server is not None:
            kinds += [self.restart]
        return kinds

    def run(self) -> None:
        try:
            while not self._ended.is_set():
                # A bag, so that a short run has some of each as well.
                bag = self.kinds()
                self.random.shuffle(bag)
                for make in bag:
                    if self._ended.wait(self.random.uniform(0.3, 2)):
                        break
                    self._thaw_those_due()
                    self.counts[make.__name__] += 1
                    make()
                    self.cluster.look_after()
        except Exception as error:
            self.error = error
        finally:
            connection.close()

    def stop(self) -> None:
        """No more, and heal what is hurt."""
        self._ended.set()
        self.join()
        if self.cluster.proxy is not None:
            self.cluster.proxy.heal()
            # A job whose own connection was in a stall waits for as long as its task lets it:
            # here for ever.
            self.cluster.proxy.cut()
        for pid in list(self.cluster.frozen):
            self.cluster.thaw(pid)
        self.cluster.look_after()

    def _one_of_the_children(self) -> int | None:
        pids = self.cluster.children()
        return self.random.choice(pids) if pids else None

    def kill(self) -> None:
        if (pid := self._one_of_the_children()) is not None:
            self.killed[pid] = time.monotonic()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _a_supervisor(self) -> Process | None:
        """One of two, since they take seconds to start, and somebody has to run jobs."""
        ready = [each for each in self.cluster.workers if "woken by" in each.output]
        return self.random.choice(ready) if len(ready) > 1 else None

    def kill_supervisor(self) -> None:
        if (worker := self._a_supervisor()) is not None:
            worker.kill()

    def terminate(self) -> None:
        if (worker := self._a_supervisor()) is not None:
            self.cluster.terminate(worker)

    def freeze(self) -> None:
        """For one and a half to two and a half leases."""
        if (pid := self._one_of_the_children()) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
                self.cluster.frozen.add(pid)
                for_seconds = LEASE * self.random.uniform(1.5, 2.5)
                self._thaw.append((time.monotonic() + for_seconds, pid))

    def _thaw_those_due(self) -> None:
        now = time.monotonic()
        for due, pid in [each for each in self._thaw if each[0] <= now]:
            self._thaw.remove((due, pid))
            self.cluster.thaw(pid)

    def cut(self) -> None:
        self.cluster.proxy.cut()

    def refuse(self) -> None:
        self.cluster.proxy.refuse()
        self._ended.wait(self.random.uniform(0.5, 2 * LEASE))
        self.cluster.proxy.heal()

    def stall(self) -> None:
        self.cluster.proxy.stall()
        self._ended.wait(self.random.uniform(0.5, 2 * LEASE))
        self.cluster.proxy.heal()

    def swallow(self) -> None:
        needles = [(b"job.claim_no + 1",), (b"job.attempts - t.refund",), (b"COMMIT",)]
        self.cluster.proxy.swallow_answer(*self.random.choice(needles))

    def slow_down(self) -> None:
        self.cluster.proxy.delay = 0.05
        self._ended.wait(1)
        self.cluster.proxy.delay = 0.0

    def lock(self) -> None:
        """Hold the whole database (SQLite)."""
        with suppress(DatabaseError), transaction.atomic():
            self._ended.wait(self.random.uniform(0.2, 1.5))

    def restart(self) -> None:
        restart(self.cluster.server, crash=self.random.random() < 0.5)
