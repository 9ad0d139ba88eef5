"""Enqueues jobs of every kind, and remembers which."""

import random
import time
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from django_jobs.models import Job

from .tasks import KINDS

WEIGHTS = {
    **{"plain": 30, "coroutine": 10, "atomic": 30, "steps": 8, "flaky": 8},
    **{"doomed": 3, "snoozing": 5, "slow": 3, "cancelled": 3, "unique": 10},
}
SLOTS = 3  # of unique jobs


class RolledBack(Exception):
    pass


class Enqueuer:
    """
    :ivar sure: the kind of each key whose enqueue was committed.
    :ivar unsure: of each whose COMMIT was not answered; it may run or not.
    :ivar never: of each that was rolled back.
    :ivar enqueued: of each unique job, when its enqueue was over.
    :ivar shared: for each unique enqueue that got the job of another its slot, that job, and when
        it asked.
    """

    def __init__(self, random: random.Random) -> None:
        self.random = random
        self.sure: dict[str, str] = {}
        self.unsure: dict[str, str] = {}
        self.never: dict[str, str] = {}
        self.enqueued: dict[str, datetime] = {}
        self.shared: list[tuple[int, UUID, datetime]] = []
        self._number = 0
        self._to_cancel: list[tuple[float, UUID]] = []
        self.ended: dict[UUID, tuple[object, ...]] = {}

    def one(self, kind: str = "") -> None:
        if not kind:
            [kind] = self.random.choices(list(WEIGHTS), WEIGHTS.values())
        self._number += 1
        key = f"{kind}-{self._number}"
        rolled_back = self.random.random() < 0.03
        call: dict[str, Any] = {"key": key, "seconds": self.random.uniform(0, 0.05)}
        if kind == "unique":
            call["slot"] = self.random.randrange(SLOTS)
        asked_at = timezone.now()
        try:
            with transaction.atomic():
                result = KINDS[kind].enqueue(**call)
                if rolled_back:
                    raise RolledBack
        except RolledBack:
            self.never[key] = kind
        except DatabaseError:
            connection.close()
            (self.never if rolled_back else self.unsure)[key] = kind
            time.sleep(0.1)
        else:
            if result.kwargs["key"] != key:
                self.shared.append((call["slot"], UUID(result.id), asked_at))
                return
            self.sure[key] = kind
            if kind == "unique":
                self.enqueued[key] = timezone.now()
            if kind == "cancelled":
                self._to_cancel.append((time.monotonic() + self.random.uniform(0, 3), result.id))

    def cancel_those_due(self, *, everything: bool = False) -> None:
        now = time.monotonic()
        due = [pk for at, pk in self._to_cancel if everything or at <= now]
        if due:
            try:
                Job.objects.filter(pk__in=due).cancel()
            except DatabaseError:
                connection.close()
            else:
                self._to_cancel = [each for each in self._to_cancel if each[1] not in due]

    def note_what_has_ended(self) -> None:
        """So that it can be seen whether terminal stays terminal."""
        try:
            rows = Job.objects.exclude(finished_at=None).order_by("-finished_at")[:500]
            for row in rows.values_list("pk", "status", "claim_no", "finished_at"):
                self.ended.setdefault(row[0], row[1:])
        except DatabaseError:
            connection.close()
