"""The listener: wakes the claimer when it hears of new jobs."""

import threading

from ..db.connections import patiently
from ..db.wakeup import Bell
from ..queues import QueueFilter
from .board import Board


class Listener(threading.Thread):
    def __init__(self, bell: Bell, board: Board, queues: QueueFilter, using: str) -> None:
        super().__init__(name="django_jobs-listener", daemon=True)
        self.bell = bell
        self.board = board
        self.queues = queues
        self.using = using

    def stop(self) -> None:
        """Listen no more; returns at once."""
        self.bell.stop()

    def run(self) -> None:
        stopping = self.bell.stopping
        try:
            while not stopping.is_set():
                patiently(self._listen, self.using, stopping.is_set, stopping, idles=True)
        finally:
            self.bell.close()

    def _listen(self) -> None:
        if self.bell.wait(self.queues.matches):
            self.board.wake()
