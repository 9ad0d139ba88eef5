"""What shall happen in a drill, and what must come of it."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.utils.crypto import get_random_string

from shop.models import READABLE

from .servers import ALWAYS, Refusal

# How the shop is set up for the drill: as ever, but less patient. Seconds.
LEASE = 3.0
RETRY_BASE = 0.5
JITTER = 0.2
MAX_ATTEMPTS = 4  # enough for two failures, one lost worker and a success
SHUTDOWN_TIMEOUT = 2.0
# By design a worker renews its lease, and looks for lost ones, every third of a lease.
RESCUE_WITHIN = LEASE + LEASE / 3
EXIT_WITHIN = SHUTDOWN_TIMEOUT + 1.0
# What two slow cores may add before the drill calls it broken.
PATIENCE = 2.0

ENVIRONMENT: Mapping[str, str] = {
    "DEBUG": "0",
    "TASKS_LEASE": str(LEASE),
    "SHOP_RETRY_BASE": str(RETRY_BASE),
    "SHOP_MAX_ATTEMPTS": str(MAX_ATTEMPTS),
}


@dataclass(frozen=True, slots=True)
class Fate:
    """
    What the outside world does to an order's mail and notice.

    :param share: how many of a hundred orders meet it.
    :param error: the class of the error that the job dies of; empty where it does not die.
    """

    name: str
    share: int = 0
    mail: Refusal | None = None
    notice: Refusal | None = None
    error: str = ""

    @property
    def task(self) -> str:
        """The task that fails."""
        return "send_invoice" if self.mail else "notify_team"

    @property
    def refusal(self) -> Refusal | None:
        return self.mail or self.notice

    @property
    def dies(self) -> bool:
        return bool(self.error)

    @property
    def gives_up(self) -> bool:
        """Whether the first refusal is final."""
        return self.error in ("BadAddress", "Refused")


WELL = Fate("all goes well")
FAILURES = (
    Fate("mail refused twice", 8, mail=Refusal(451, 2)),
    Fate("notice refused twice", 4, notice=Refusal(503, 2)),
    Fate("no such mailbox", 3, mail=Refusal(550), error="BadAddress"),
    Fate("mail refused always", 2, mail=Refusal(451), error="SMTPRecipientsRefused"),
    Fate("notice unwanted", 2, notice=Refusal(410), error="Refused"),
    Fate("notice refused always", 1, notice=Refusal(503), error="HTTPError"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One order of the drill."""

    reference: str
    email: str
    fate: Fate

    @property
    def mails(self) -> int:
        """How many mails must reach the customer."""
        return int(not (self.fate.mail and self.fate.dies))

    @property
    def notices(self) -> int:
        return int(not (self.fate.notice and self.fate.dies))


@dataclass(frozen=True, slots=True)
class Scenario:
    """
    :param run: the beginning of this run's references; no two runs share one.
    :param stop_at: after how many mails the workers are stopped.
    :param kill_at: after how many mails one of them is killed.
    """

    run: str
    threads: int
    workers: int
    cases: list[Case] = field(default_factory=list)

    @property
    def slots(self) -> int:
        return self.threads * self.workers

    @property
    def mails(self) -> int:
        return sum(case.mails for case in self.cases)

    @property
    def notices(self) -> int:
        return sum(case.notices for case in self.cases)

    @property
    def failing(self) -> list[Case]:
        return [case for case in self.cases if case.fate is not WELL]

    @property
    def stop_at(self) -> int:
        return self.mails // 5

    @property
    def kill_at(self) -> int:
        """Early enough that there are mails left to keep every slot busy."""
        return max(self.stop_at, min(self.mails // 2, self.mails - 3 * self.slots))

    def refused_mails(self) -> dict[str, Refusal]:
        return {case.email: case.fate.mail for case in self.cases if case.fate.mail}

    def refused_notices(self) -> dict[str, Refusal]:
        return {case.reference: case.fate.notice for case in self.cases if case.fate.notice}


def fewest_orders(threads: int, workers: int) -> int:
    """With fewer, a worker could not be killed while all its threads are busy."""
    return max(30, 6 * threads * workers)


def plan(orders: int, seed: int, threads: int, workers: int) -> Scenario:
    """``orders`` orders, of which a fifth fail; ``seed`` decides which."""
    fates = [fate for fate in FAILURES for _ in range(max(1, fate.share * orders // 100))]
    fates += [WELL] * (orders - len(fates))
    random.Random(seed).shuffle(fates)
    run = f"D{get_random_string(5, READABLE)}"
    cases = [
        Case(f"{run}-{n:03d}", f"customer{n}.{run.lower()}@example.com", fate)
        for n, fate in enumerate(fates, 1)
    ]
    return Scenario(run, threads, workers, cases)


def delay_range(attempt: int) -> tuple[float, float]:
    """Between which delays the next attempt must be, from the formula in the documentation."""
    delay = RETRY_BASE * 2 ** (attempt - 1)
    return delay * (1 - JITTER), delay * (1 + JITTER)


def refusals(fate: Fate, lost: int) -> tuple[int, int]:
    """
    How often ``fate`` refuses a job, at least and at most, of which ``lost`` attempts were
    lost with their worker: such an attempt counts, and may or may not have been refused.
    """
    if fate.refusal is None:
        return 0, 0
    if fate.gives_up:
        return 1, 1 + lost
    if fate.refusal.times == ALWAYS:
        return MAX_ATTEMPTS - lost, MAX_ATTEMPTS
    return fate.refusal.times, fate.refusal.times
