"""What this worker has counted, and when it is written."""

import logging
import random
import threading
import time
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.db import connections

from ..db.watch import Answered
from ..figures import PRUNED, Key, prune_figures, write
from ..log import one_line
from ..models.figures import SPANS
from ..policy import SUCCEEDED, Kind, Next
from ..record import Finished
from ..tally import Tally

logger = logging.getLogger("django_jobs")

FAILURES: Final = frozenset({Kind.FAILED, Kind.TIMED_OUT})
# Where a project has a queue for each of its customers, those beyond this many between two
# writes are counted together: a heartbeat must not be held up by thousands of rows.
MOST: Final = 200
HOUR: Final = 3600.0


class Tallies:
    """
    The recorder counts what is recorded; the heartbeat has the totals saved.

    Each attempt is counted in the minute of its record, and that minute into longer spans. The
    totals are this worker's alone, so a row is written whole, as often as it changes.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[tuple[int, str, str], Tally] = {}
        # The heartbeat's, of which the recorder knows nothing.
        self._totals: dict[Key, Tally] = {}
        self._unwritten: set[Key] = set()
        # Workers that were started together come apart.
        self._prune_at = time.monotonic() + HOUR * random.random()  # noqa: S311 (jitter)

    def count(self, batch: Sequence[Finished]) -> None:
        """Count the attempts of ``batch``, which is recorded, that succeeded or failed."""
        minute = 0
        with self._lock:
            fresh = self._fresh
            for finished in batch:
                claim, outcome = finished.claim, finished.outcome
                job, succeeded = claim.job, outcome is SUCCEEDED
                began = job.last_attempted_at
                if began is None or not (succeeded or outcome.kind in FAILURES):
                    continue
                # By the database's clock, as far as the answer to the claim told it.
                minute = minute or int(began.timestamp() + time.monotonic() - claim.taken) // 60
                key = (minute * 60, job.task_path, job.queue_name)
                tally = fresh.get(key)
                if tally is None:
                    if len(fresh) >= MOST:
                        key = (minute * 60, job.task_path, "")
                    tally = fresh.setdefault(key, Tally())
                tally.add(
                    claim.ran,
                    (began - job.run_after).total_seconds() + claim.stood,
                    failed=not succeeded,
                    dead=outcome.next is Next.DEAD,
                )

    def save(self, worker_id: UUID, using: str) -> None:
        """
        Write what has changed, and about once an hour delete what is old. No statement where
        there is nothing to do. Never raises: what could not be written is written next time.
        """
        totals = self._take()
        prunes = time.monotonic() >= self._prune_at
        if not (totals or prunes):
            return
        try:
            with Answered(using):
                if totals:
                    write(totals, worker_id, using)
                    self._written()
                if prunes and prune_figures(using) < PRUNED:
                    pause = HOUR * random.uniform(0.8, 1.2)  # noqa: S311 (jitter)
                    self._prune_at = time.monotonic() + pause
        except Exception as error:
            connections[using].close()
            logger.warning(
                "Figures for the overview were not written; again at the next heartbeat: %s",
                one_line(" ".join(str(error).split())),
                extra={"event": "figures_not_written"},
            )

    def _take(self) -> dict[Key, Tally]:
        with self._lock:
            fresh, self._fresh = self._fresh, {}
        for (minute, task_path, queue_name), tally in fresh.items():
            for span in SPANS:
                key = (span, minute - minute % span, task_path, queue_name)
                self._totals.setdefault(key, Tally()).merge(tally)
                self._unwritten.add(key)
        return {key: self._totals[key] for key in self._unwritten}

    def _written(self) -> None:
        self._unwritten.clear()
        newest = max(start for _span, start, *_names in self._totals)
        # Twice the span: the clock is known to within an answer's time, so that the next batch
        # may be of the minute before.
        self._totals = {
            key: tally for key, tally in self._totals.items() if key[1] + 2 * key[0] > newest
        }
