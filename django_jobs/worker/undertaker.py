"""
The undertaker: ends the lease of a worker that its supervisor saw die, and takes back what it
had claimed, at once. In a thread of its own, so that no database holds up the supervisor.
"""

import logging
import queue
import threading
import time
from functools import partial
from typing import Final
from uuid import UUID

from django.db import connections

from ..backend import DatabaseBackend
from ..db.clock import DbNow
from ..db.connections import clean_connections, patiently
from ..models import Worker
from ..rescue import rescue
from ..results import announce_finished

logger = logging.getLogger("django_jobs")

# What it may still take at the supervisor's own end, at the most and at the least.
END_SECONDS: Final = 1.0
LEAST_SECONDS: Final = 0.2


class Undertaker(threading.Thread):
    def __init__(self, backend: DatabaseBackend, using: str) -> None:
        super().__init__(name="django_jobs-undertaker", daemon=True)
        self.backend = backend
        self.using = using
        self._queue: queue.SimpleQueue[UUID | None] = queue.SimpleQueue()
        self._stopping = threading.Event()

    def bury(self, worker_id: UUID) -> None:
        """Take the worker for lost; returns at once."""
        self._queue.put(worker_id)

    def stop(self, by: float) -> None:
        """Finish what is there, for ``END_SECONDS`` at the most, and until ``by`` (monotonic)."""
        self._queue.put(None)
        self.join(timeout=min(END_SECONDS, max(LEAST_SECONDS, by - time.monotonic())))
        self._stopping.set()

    def run(self) -> None:
        while (worker_id := self._queue.get()) is not None:
            patiently(
                partial(self._bury, worker_id), self.using, self._stopping.is_set, self._stopping
            )
            connections[self.using].close()  # the next one may be far away

    def _bury(self, worker_id: UUID) -> None:
        Worker.objects.using(self.using).filter(pk=worker_id).update(
            stopped_at=DbNow(), lease_expires_at=DbNow()
        )
        while rescued := rescue(self.using, max_crashes=self.backend.jobs_options.max_crashes):
            for finished in rescued:
                try:
                    announce_finished(self.backend, finished)
                except BaseException:
                    # A signal receiver's SystemExit doesn't end this thread.
                    logger.exception("Unexpected error", extra={"event": "error"})
                finally:
                    clean_connections()
