"""What a job's row should be: its life in plain Python, for tests/contract/test_model.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from django_jobs import (
    Cancel,
    CancelRequested,
    GiveUp,
    Retry,
    ShuttingDown,
    Snooze,
    TimedOut,
)
from django_jobs.models import Status
from django_jobs.models.job import FINISHED

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True)
class End:
    """How an attempt ends: what is raised, and what the model says of it."""

    raised: BaseException | None
    kind: str
    then: str
    at_last: str  # in its last attempt
    refund: int = 0


ENDS: Final = {
    "succeed": End(None, "SUCCEEDED", "SUCCESSFUL", "SUCCESSFUL"),
    "fail": End(ValueError("no luck"), "FAILED", "SCHEDULED", "DEAD"),
    "ask for a retry": End(Retry(after=HOUR), "FAILED", "SCHEDULED", "DEAD"),
    "run out of time": End(TimedOut(), "TIMED_OUT", "SCHEDULED", "DEAD"),
    "raise what is given up on": End(KeyError("x"), "FAILED", "DEAD", "DEAD"),
    "give up": End(GiveUp("why"), "FAILED", "DEAD", "DEAD"),
    "snooze": End(Snooze(after=HOUR), "SNOOZED", "SCHEDULED", "SCHEDULED", refund=1),
    "cancel itself": End(Cancel("why"), "CANCELLED", "CANCELLED", "CANCELLED"),
    "obey a cancel": End(CancelRequested(), "CANCELLED", "CANCELLED", "CANCELLED"),
    "be interrupted": End(ShuttingDown(), "RELEASED", "READY", "READY", refund=1),
}
GIVEN_BACK: Final = ENDS["be interrupted"]

PRUNED: Final = ("SUCCESSFUL", "CANCELLED", "DISCARDED")
# What a job may become, unless a person acts; pruning is a person's too.
LEGAL: Final = {
    Status.SCHEDULED: {Status.READY, Status.CANCELLED},
    Status.READY: {Status.RUNNING, Status.CANCELLED},
    Status.RUNNING: {*Status} - {Status.RUNNING, Status.DISCARDED},
}


@dataclass
class Modelled:
    """
    A job as it should be; ``history`` is by claim number. Those that are ``unique`` have one key.
    """

    max_attempts: int
    status: str
    unique: bool = False
    due: bool = False
    attempts: int = 0
    claim_no: int = 0
    crashes: int = 0
    asked: bool = False
    owner: UUID | None = None
    history: dict[int, tuple[int, str]] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)

    def row(self) -> tuple[Any, ...]:
        """As ``rows()`` of the test reads it."""
        ended = self.status in FINISHED
        counts = (self.attempts, self.max_attempts, self.claim_no, self.crashes)
        holds = self.unique and not ended
        return self.status, *counts, self.owner, self.asked, ended, self.claim_no > 0, holds

    def owned_by(self, claim_no: int) -> bool:
        return self.status == "RUNNING" and self.claim_no == claim_no

    def end(self, how: End, number: int, *, started: bool = True) -> None:
        """The attempt ``number``, whose claim owns the job."""
        status = how.at_last if number >= self.max_attempts else how.then
        if started and how.kind != "SUCCEEDED":
            self.history[self.claim_no] = (number, how.kind)
        if status not in FINISHED:
            self.owner = None
            status = "CANCELLED" if self.asked else status
        self.attempts -= how.refund
        if started and how is not GIVEN_BACK:
            self.crashes = 0
        self.status, self.due = status, False

    def lose_worker(self, *, alone: bool) -> None:
        """Whoever was alone with it pays for it, and whoever may be started only once."""
        self.history[self.claim_no] = (self.attempts, "LOST")
        pays = alone or self.max_attempts == 1
        if pays:
            self.crashes += 1
        else:
            self.crashes = max(self.crashes, 1)
            self.attempts -= 1
        dead = pays and (self.attempts >= self.max_attempts or (alone and self.crashes >= 3))
        self.status = "DEAD" if dead else "CANCELLED" if self.asked else "READY"
        self.owner, self.due = (self.owner if dead else None), False

    def looks_written(self, claim_no: int, how: End) -> bool:
        """Whether the row is as an earlier try of this very write would have left it."""
        if self.claim_no != claim_no or self.status == "RUNNING":
            return False
        if how.kind == "SUCCEEDED" or self.status == "SUCCESSFUL":
            return how.kind == "SUCCEEDED" and self.status == "SUCCESSFUL"
        return self.history.get(claim_no, (0, how.kind))[1] == how.kind
