"""
Measure how long it takes until work goes on after a fault, and see that nothing is lost by it:
`python -m tests.chaos.recovery --database postgresql`.

Two supervisors of two workers each, but for `lost`, which has workers without one; leases of
30 seconds, the default. Exit code 1: a job did not come to its end.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection

from tests.support.databases import NAMES
from tests.support.sessions import end_other_sessions
from tests.support.waiting import wait_until

from .cluster import Cluster, cluster, restart

LEASE = 30.0
VICTIMS = 10  # of `lost`, at a time
BATCH = 40  # jobs around each fault of the database
EXHAUSTED_SECONDS = 3.0


class Recovery:
    """
    One kind of fault, brought upon ``cluster`` as often as is asked.

    :ivar seconds: that each took.
    """

    def __init__(self, name: str, cluster: Cluster, random: random.Random) -> None:
        self.name = name
        self.cluster = cluster
        self.random = random
        self.seconds: list[float] = []
        self.enqueued = 0

    def lines(self, event: str) -> dict[str, list[dict[str, Any]]]:
        """What the jobs have noted of ``event``, by their keys."""
        found: dict[str, list[dict[str, Any]]] = {}
        for text in self.cluster.ledger.read_text().splitlines():
            line = json.loads(text)
            if line["event"] == event:
                found.setdefault(line["key"], []).append(line)
        return found

    def enqueue(self, kind: str, **more: Any) -> str:
        """Until it is committed: the database may be away."""
        from .tasks import held, plain

        self.enqueued += 1
        key = f"{self.name}-{self.enqueued}"

        def committed() -> bool:
            try:
                {"held": held, "plain": plain}[kind].enqueue(key=key, **more)
            except DatabaseError:
                connection.close()
                return False
            return True

        wait_until(committed, 60, f"the enqueue of {key}")
        return key

    def start(self, key: str, number: int = 1) -> dict[str, Any]:
        """The ``number``\\ th start of a job, waited for."""

        def found() -> dict[str, Any] | None:
            starts = self.lines("start").get(key, [])
            return starts[number - 1] if len(starts) >= number else None

        return wait_until(found, 180, f"start {number} of {key}") or {}

    def supervise(self) -> None:
        while len(self.cluster.workers) < 2:
            self.cluster.start_worker()
        self.all_work()

    def all_work(self) -> None:
        """Wait until each supervisor has its two workers, and they have begun."""

        def begun() -> bool:
            from django_jobs.models import Worker

            pids = self.cluster.children()
            rows = Worker.objects.live().filter(pid__in=pids).count()
            return len(pids) == rows == 2 * self.cluster.processes

        wait_until(begun, 180, lambda: f"workers: {self.cluster.output()[-3000:]}")

    def kill_and_wait(self, keys: list[str], number: int = 1) -> None:
        """Kill who runs these jobs, each at a moment of its own; wait for the next starts."""
        killed = {}
        for key in keys:
            pid = self.start(key, number)["pid"]
            time.sleep(self.random.uniform(0, 1))
            killed[key] = time.monotonic()
            os.kill(pid, signal.SIGKILL)
        for key in keys:
            self.seconds.append(self.start(key, number + 1)["at"] - killed[key])

    def killed(self, count: int) -> None:
        """A supervised worker is killed in the middle of a job."""
        self.supervise()
        for _ in range(count):
            self.all_work()
            self.kill_and_wait([self.enqueue("held", claims=1)])

    def lost(self, count: int) -> None:
        """A worker without a supervisor is killed; another takes the job when the lease ends."""
        supervised, self.cluster.processes = self.cluster.processes, 1
        for _ in range(0, count, VICTIMS):
            self.cluster.threads = 1
            victims = [self.cluster.start_worker() for _ in range(VICTIMS)]
            keys = [self.enqueue("held", claims=1) for _ in victims]
            owners = {self.start(key)["pid"] for key in keys}
            assert owners == {victim.pid for victim in victims}, "each has one"
            self.cluster.threads = VICTIMS
            rescuers = [self.cluster.start_worker() for _ in range(2)]
            for rescuer in rescuers:
                rescuer.wait_for("woken by", timeout=180)
            self.kill_and_wait(keys)
            for rescuer in rescuers:
                rescuer.terminate()
                rescuer.wait()
            self.cluster.workers.clear()
        self.cluster.processes = supervised

    def again_and_again(self, count: int) -> None:
        """Whoever runs a job is killed, three times for each job, whatever is left of workers."""
        self.supervise()
        for _ in range(0, count, 3):
            key = self.enqueue("held", claims=3)
            for number in (1, 2, 3):
                self.kill_and_wait([key], number)

    def around(self, fault: Callable[[int], None], count: int) -> None:
        """The seconds from the end of each fault until a job that is enqueued then has begun."""
        self.supervise()
        for number in range(count):
            for _ in range(BATCH):
                self.enqueue("plain", seconds=0.05)
            fault(number)
            healed = time.monotonic()
            key = self.enqueue("plain", seconds=0)
            self.seconds.append(self.start(key)["at"] - healed)
            time.sleep(self.random.uniform(0.5, 1.5))

    def restarted(self, count: int) -> None:
        """The server is restarted, in peace and by SIGQUIT in turn."""
        self.around(lambda number: restart(self.cluster.server, crash=number % 2 == 1), count)

    def sessions_ended(self, count: int) -> None:
        """The server ends all sessions but ours."""
        self.around(lambda _: end_other_sessions(), count)

    def exhausted(self, count: int) -> None:
        """All connections of the server are taken by others, for three seconds."""

        def exhaust(_: int) -> None:
            with all_connections_taken(self.cluster.server.get_uri()):
                time.sleep(EXHAUSTED_SECONDS)

        self.around(exhaust, count)

    def unfinished(self) -> list[str]:
        """Wait for the end of all jobs; what has not come to a good one."""
        from django_jobs.models import Job, Status

        open_ = (Status.SCHEDULED, Status.READY, Status.RUNNING)
        with suppress(AssertionError):
            wait_until(lambda: not Job.objects.filter(status__in=open_).exists(), 90)
        jobs = Job.objects.filter(kwargs__key__startswith=f"{self.name}-")
        bad = jobs.exclude(status=Status.SUCCESSFUL)
        missing = self.enqueued - jobs.count()
        found = [f"{job.kwargs['key']} is {job.status}: {job.last_error}" for job in bad]
        return [*found, f"{missing} jobs have no row"] if missing else found


@contextmanager
def all_connections_taken(uri: str) -> Iterator[None]:
    """Until a new one is refused, and no worker has one."""
    import psycopg

    taken: list[psycopg.Connection[Any]] = []
    try:
        for _ in range(3):
            end_other_sessions()
            with suppress(psycopg.OperationalError):
                while True:
                    taken.append(psycopg.connect(uri, autocommit=True))
        yield
    finally:
        for each in taken:
            each.close()


FAULTS: dict[str, Callable[[Recovery, int], None]] = {
    "killed": Recovery.killed,
    "again": Recovery.again_and_again,
    "sessions": Recovery.sessions_ended,
    "restart": Recovery.restarted,
    "exhausted": Recovery.exhausted,
    "lost": Recovery.lost,
}


def can_be_made(name: str, cluster: Cluster, database: str) -> bool:
    if name == "exhausted":
        return cluster.server is not None and database == "postgresql"
    if name == "restart":
        return cluster.server is not None
    return name != "sessions" or cluster.proxy is not None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.recovery", description=__doc__)
    parser.add_argument("--database", choices=NAMES, default="sqlite")
    parser.add_argument("--times", type=int, default=50, help="that each fault is made")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"{options.database}, seed {options.seed}", flush=True)
    bad = 0
    with (
        tempfile.TemporaryDirectory(prefix="django-jobs-recovery-") as folder,
        cluster(options.database, Path(folder)) as found,
    ):
        found.lease = LEASE
        for name in options.faults:
            if not can_be_made(name, found, options.database):
                print(f"{name:<10} left out: there is nothing to do it to", flush=True)
                continue
            recovery = Recovery(name, found, random.Random(options.seed))
            FAULTS[name](recovery, options.times)
            unfinished = recovery.unfinished()
            found.stop()
            found.workers.clear()
            bad += len(unfinished)
            seconds = recovery.seconds
            print(
                f"{name:<10} {len(seconds)} times, {recovery.enqueued} jobs, "
                f"{len(unfinished)} not finished; seconds: "
                f"p50 {statistics.median(seconds):.2f}, worst {max(seconds):.2f}",
                *unfinished[:20],
                sep="\n",
                flush=True,
            )
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
