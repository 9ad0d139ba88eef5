"""
Jobs that ignore their timeout. Python can't end a thread, so the process that runs one is
*degraded*: it claims nothing more, and makes way for another one.
"""

import logging
import time
from typing import TYPE_CHECKING

from ..claim import Claim
from ..log import log_job

if TYPE_CHECKING:
    from .process import WorkerProcess


class Overdue:
    """
    ``stacks`` has the claims that still ran when they were overdue, and where they were then.
    """

    def __init__(self, process: "WorkerProcess") -> None:
        self.process = process
        self.stacks: dict[Claim, str] = {}

    def look(self) -> bool:
        """Whether there is or was one; called now and then, from one thread."""
        now = time.monotonic()
        for claim in self.process.board.running():
            if now >= claim.token.overdue_at and claim not in self.stacks:
                self.stacks[claim] = stack = self.process.stack(claim)
                log_job(
                    logging.ERROR,
                    "overdue",
                    claim.job,
                    "ignores its timeout: the worker is degraded; its stack:\n"
                    + stack.replace("%", "%%"),
                    worker=claim.worker_name,
                )
        return bool(self.stacks)

    def is_alone(self) -> bool:
        """Whether one still runs, and nothing else that is worth waiting for."""
        board = self.process.board
        running = set(board.running())
        if not running & self.stacks.keys():
            return False
        # Without the lease nothing can be recorded; and on SQLite it may be the very job that
        # holds up the database.
        others = board.claims() if board.lease.is_held else running
        return not others - self.stacks.keys() - self.process.coroutines.held_up()
