"""What chaos is brought upon: a database of its own, a proxy before it, and two supervisors."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.support.databases import LOOPBACK_MARIADB, own_postgresql
from tests.support.own_mariadb import OwnMariaDB, can_run, own_mariadb
from tests.support.processes import Process, Processes
from tests.support.waiting import wait_until

LEASE = 2.0
SHUTDOWN_TIMEOUT = 5.0
PROCESSES = 2


class Cluster:
    """
    :param server: one that may be restarted, if there is one.
    :param proxy: what the workers reach their database by, if it has a network.
    """

    def __init__(self, folder: Path, server: Any, proxy: Any, *, processes: int) -> None:
        self.folder = folder
        self.server = server
        self.proxy = proxy
        self.processes = processes
        self.lease = LEASE
        self.threads = 4
        self.ledger = folder / "ledger.jsonl"
        self.ledger.touch()
        self.workers: list[Process] = []
        self.started = Processes(folder)
        self.frozen: set[int] = set()
        self.exits: list[float] = []  # seconds that a stop took

    def start_worker(self) -> Process:
        options = {
            "LEASE": self.lease,
            "TASK_MODULES": ["tests.chaos.tasks"],
            # Here it is never the job's fault.
            "MAX_CRASHES": 100,
            "MAX_INTERRUPTIONS": 1000,
        }
        env = {"CHAOS_LEDGER": str(self.ledger)}
        if self.proxy is not None:
            env["DATABASE_URL"] = self.proxy.url
        worker = self.started.worker(
            *("--threads", f"{self.threads}", "--interval", "0.5"),
            *("--shutdown-timeout", f"{SHUTDOWN_TIMEOUT}"),
            *(("--processes", f"{self.processes}") if self.processes > 1 else ()),
            options=options,
            env=env,
        )
        self.workers.append(worker)
        return worker

    def children(self) -> list[int]:
        """The processes that run jobs, less those that are frozen."""
        found = []
        for worker in self.workers:
            found += children(worker.pid) if self.processes > 1 else [worker.pid]
        return [pid for pid in found if pid not in self.frozen]

    def look_after(self) -> None:
        """Start anew what has ended."""
        for worker in list(self.workers):
            if not worker.running:
                self.workers.remove(worker)
        while len(self.workers) < 2:
            self.start_worker()

    def output(self) -> str:
        return "\n".join(process.output for process in self.started.started)

    def terminate(self, worker: Process) -> None:
        """Tell it to stop, and note how long that takes, whatever is done meanwhile."""
        self.workers.remove(worker)
        worker.terminate()
        told_at = time.monotonic()

        def wait() -> None:
            worker.popen.wait()
            self.exits.append(time.monotonic() - told_at)

        threading.Thread(target=wait, daemon=True).start()

    def thaw(self, pid: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        self.frozen.discard(pid)

    def stop(self) -> None:
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.wait(60)


def children(pid: int) -> list[int]:
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@contextmanager
def cluster(name: str, folder: Path, *, processes: int = PROCESSES) -> Iterator[Cluster]:
    """With a database of this run's own; sets Django up on it."""
    with ExitStack() as stack:
        server = None
        given = os.environ.get("DATABASE_URL", "")
        if name == "sqlite":
            os.environ["DATABASE_URL"] = f"sqlite:///{folder}/unused.sqlite3"
        elif name == "postgresql" and not given.startswith("postgres"):
            server = stack.enter_context(own_postgresql())
            os.environ["DATABASE_URL"] = server.get_uri()
        elif name == "mariadb" and not given.startswith("mysql"):
            if can_run():
                server = stack.enter_context(own_mariadb())
            os.environ["DATABASE_URL"] = server.get_uri() if server else LOOPBACK_MARIADB
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
        stack.enter_context(own_database(folder))

        from tests.support.proxy import to_test_database

        proxy = None if name == "sqlite" else to_test_database()
        if proxy is not None:
            stack.callback(proxy.close)
        found = Cluster(folder, server, proxy, processes=processes)
        stack.callback(end, found)
        yield found


@contextmanager
def own_database(folder: Path) -> Iterator[None]:
    import django

    django.setup()
    from django.db import connection

    from .tasks import EFFECTS

    is_file = connection.vendor == "sqlite"
    test_name = f"{folder}/chaos.sqlite3" if is_file else f"chaos_{os.getpid()}"
    connection.settings_dict["TEST"]["NAME"] = test_name
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {EFFECTS} (job VARCHAR(64), claim_no INTEGER)")
    try:
        yield
    finally:
        connection.close()
        connection.creation.destroy_test_db("unused", verbosity=0)


def end(cluster: Cluster) -> None:
    for pid in list(cluster.frozen):
        cluster.thaw(pid)
    for process in cluster.started.started:
        process.end()


def restart(server: Any, *, crash: bool) -> None:
    """Stop the server, in peace or at once, and start it again."""
    is_mariadb = isinstance(server, OwnMariaDB)
    if not crash:
        server.stop()
    elif is_mariadb:
        server.kill()
    else:
        pid = server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), 50, "the server's end")
    if is_mariadb:
        server.start()
    else:
        server.ensure_postgres_running()
