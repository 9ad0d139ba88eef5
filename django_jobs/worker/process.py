"""One worker: its parts, and how they start."""

import os
import queue
import socket
import threading
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import connections, router

from .. import __version__
from ..backend import DatabaseBackend
from ..capture import capturing
from ..claim import Claim
from ..db.clock import DbNow
from ..db.wakeup import bell
from ..ids import uuid7
from ..log import logger
from ..models import Job, Phase, Worker
from ..models.worker import QUEUES_LENGTH
from ..registry import is_coroutine, known_tasks
from .board import Board
from .claimer import Claimer
from .config import WorkerConfig
from .control import Control
from .coroutines import Coroutines
from .executors import Executor
from .heartbeat import Heartbeat
from .listener import Listener
from .overdue import Overdue
from .recorder import Recorder
from .signals import handled
from .stacks import stacks
from .stop import Stop

# The main thread never sleeps for longer: Python runs a handler between two of its own
# steps, so that a signal which comes just before a wait would otherwise be seen after it.
WAKE_SECONDS: Final = 0.5


class WorkerProcess:
    """
    The worker of this process. ``inbox`` takes the reason to stop: a signal, or text.

    :param config: what ``runjobs`` was told.
    :param backend: the backend whose jobs it runs.
    :param worker_id: the id of its row, where somebody has chosen it.
    """

    def __init__(
        self, config: WorkerConfig, backend: DatabaseBackend, worker_id: UUID | None = None
    ) -> None:
        self.config = config
        self.backend = backend
        self.options = backend.jobs_options
        # When the process has to be gone (monotonic); set by a signal.
        self.deadline = float("inf")
        self.using = router.db_for_write(Job)
        self.inbox: queue.SimpleQueue[object] = queue.SimpleQueue()
        self.worker = Worker(
            id=worker_id or uuid7(),
            hostname=socket.gethostname()[:255],
            pid=os.getpid(),
            version=__version__,
            release=self.options.release,
            backend_name=backend.alias,
            queues=str(config.queues)[:QUEUES_LENGTH],
            threads=config.threads,
            phase=Phase.STARTING,
            started_at=DbNow(),
            last_heartbeat_at=DbNow(),
            lease_expires_at=DbNow() + timedelta(seconds=self.options.lease),
        )
        # A project without coroutine tasks is not to notice that there could be some.
        coroutines = config.async_concurrency if any(map(is_coroutine, known_tasks())) else 0
        self.board = Board(config.threads, self.options.lease, coroutines)
        self.recorder = Recorder(backend, self.board, self.using)
        self.control = Control(self.board, self.stack, self.inbox.put)
        self.heartbeat = Heartbeat(
            self.worker,
            backend,
            self.board,
            self.using,
            self.recorder.put,
            self.control,
            self.recorder.tallies,
        )
        self.executors = [
            Executor(n, backend, self.board, self.recorder.put, self.heartbeat.report)
            for n in range(1, config.threads + 1)
        ]
        self.coroutines = Coroutines(
            config.threads, backend, self.board, self.recorder.put, self.heartbeat.report
        )
        heard = bell(self.using, notify=self.options.notify)
        if heard is not None:
            heard.on_cancel = self.heartbeat.look
            heard.on_command = self.heartbeat.attend
        self.listener = heard and Listener(heard, self.board, config.queues, self.using)
        self.claimer = Claimer(
            config,
            self.worker,
            self.board,
            self.using,
            self.recorder.put,
            self.inbox.put,
            bell=heard,
        )
        self.overdue = Overdue(self)

    def run(self) -> int:
        """
        Work until there is a reason to stop; returns the exit code.

        Must run in the main thread, where Python delivers signals. Does not return, but ends
        the process, where it has to leave running jobs behind.
        """
        with handled(self.inbox), capturing(self.options.keep_logs):
            self.heartbeat.register()
            logger.info("%s", self.banner(), extra={"event": "worker_started"})
            connections[self.using].close()
            for thread in self.threads:
                thread.start()
            return Stop(self, self._wait_for_reason()).run()

    def _wait_for_reason(self) -> object:
        while True:
            try:
                return self.inbox.get(timeout=WAKE_SECONDS)
            except queue.Empty:
                if self.overdue.look():
                    return "a job ignores its timeout"

    @property
    def threads(self) -> list[threading.Thread]:
        loop = [self.coroutines] if self.board.loop.most else []
        ears = [self.listener] if self.listener else []
        return [self.recorder, self.heartbeat, *self.executors, *loop, self.claimer, *ears]

    def stack(self, claim: Claim) -> str:
        """Where the job of ``claim`` is now; empty where it has not started."""
        executors = [each for each in self.executors if each.ident == claim.thread]
        return stacks(executors) or self.coroutines.stack(claim)

    def banner(self) -> str:
        """Version, database, queues, threads and how the worker is woken, in one line."""
        connection = connections[self.using]
        count = self.config.processes
        processes = f" in each of {count} processes" if count > 1 else ""
        version = ".".join(map(str, connection.get_database_version()))
        most = self.board.loop.most
        coroutines = f" and {most} coroutines" if most else ""
        return (
            f"django_jobs {__version__}, worker {self.worker.name}: "
            f"{connection.display_name} {version} ({self.using}), "
            f"queues: {self.config.queues}, {self.config.threads} threads{coroutines}{processes}, "
            f"woken by {f'{self.listener.bell.name}, ' if self.listener else ''}"
            f"due times and polling every {self.config.interval:g} s"
        )
