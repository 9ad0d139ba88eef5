"""Plays a scenario with real processes, and notes what it did to them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.db.models import Count

from django_jobs.models import Job, Worker
from shop.models import OrderJob
from shop.services import place_order

from .display import Display
from .processes import DrillError, Process, Processes, terminate
from .scenario import Scenario
from .servers import Contact, MailServer, WebhookServer

MAIL_SECONDS = 0.02  # how long the mail server takes; with none, there is no "mid-run"
AT_MOST = 120.0  # seconds for the whole drill
SETTLE = 0.3  # seconds in which what was done is recorded, before a worker is killed
LINES = {"Teapot": (1, "24.00"), "Green tea, 100 g": (2, "6.50")}
FINISHED = {"SUCCESSFUL", "DEAD", "CANCELLED", "DISCARDED"}


@dataclass(frozen=True, slots=True)
class Stopped:
    """A worker that was told to stop; ``running`` is what it left RUNNING, and must not."""

    name: str
    exit_code: int | None
    seconds: float
    running: int


@dataclass(frozen=True, slots=True)
class Killed:
    """A worker that was killed at ``at`` (on the wall clock) while it ran ``running``."""

    name: str
    at: float
    running: set[UUID]


@dataclass(slots=True)
class Facts:
    """
    What was done, and what the outside world saw of it.

    :param held: the e-mail addresses whose mails were on their way when the workers were
        stopped, and stayed there until after the deadline.
    """

    stops: list[Stopped] = field(default_factory=list)
    held: set[str] = field(default_factory=set)
    kills: list[Killed] = field(default_factory=list)
    last_stops: list[Stopped] = field(default_factory=list)
    mails: list[Contact] = field(default_factory=list)
    notices: list[Contact] = field(default_factory=list)
    logs: list[Path] = field(default_factory=list)
    seconds: float = 0.0


class Runner:
    """
    :param folder: for the logs of the processes.
    :param mail_folder: for the mails that arrived.
    """

    def __init__(
        self, scenario: Scenario, folder: Path, mail_folder: Path, display: Display
    ) -> None:
        self.scenario = scenario
        self.display = display
        self.facts = Facts()
        self._mail = MailServer(scenario.refused_mails(), MAIL_SECONDS, mail_folder)
        self._notices = WebhookServer(scenario.refused_notices())
        env = {"EMAIL_URL": self._mail.url, "TEAM_WEBHOOK_URL": self._notices.url}
        self._processes = Processes(folder, env)
        self._workers: list[Process] = []
        self._confirmer: Process | None = None
        self._counted_at = 0.0
        self._counts: dict[str, int] = {}

    def run(self) -> Facts:
        with transaction.atomic():
            for case in self.scenario.cases:
                place_order("A customer", case.email, LINES, reference=case.reference)
        with self._mail, self._notices, self._processes:
            self._confirmer = self._processes.confirmer(self.scenario.run)
            self._start_workers(self.scenario.workers)
            self._until(lambda: self._delivered >= self.scenario.stop_at, "the first mails")
            self._stop_in_mid_run()
            self._start_workers(self.scenario.workers)
            self._until(lambda: self._delivered >= self.scenario.kill_at, "half of the mails")
            self._kill_in_mid_run()
            self._start_workers(1)
            self._until(self._all_done, "the last job")
            self.facts.last_stops = self._stop_workers()
            self.display.say("all workers stopped")
            self.facts.mails = self._mail.book.contacts()
            self.facts.notices = self._notices.book.contacts()
            self.facts.logs = self._processes.logs
        self.facts.seconds = self.display.seconds
        return self.facts

    # The two blows.

    def _stop_in_mid_run(self) -> None:
        """
        SIGTERM while one mail is on its way and stays there. The other jobs may finish; that
        one can't, and must be given back at the deadline.
        """
        self._mail.hold(1)
        self._until(lambda: len(self._mail.held) == 1, "a mail on its way")
        self.facts.held = set(self._mail.held)
        self.display.say(f"SIGTERM to {self._names(self._workers)}, one mail on its way")
        self.facts.stops = self._stop_workers()
        self._mail.release()
        for stop in self.facts.stops:
            self.display.say(
                f"{stop.name} stopped after {stop.seconds:.1f} s, exit {stop.exit_code}"
            )

    def _kill_in_mid_run(self) -> None:
        """
        SIGKILL while every thread waits for the mail server's answer.

        So the moment is well defined: no mail is between accepted and marked as sent. A
        worker killed there would send it twice, as send_invoice explains; the drill is about
        what is promised.
        """
        self._mail.hold(self.scenario.slots)
        self._until(lambda: len(self._mail.held) == self.scenario.slots, "all threads in mid-mail")
        self._pause(SETTLE)
        victim = self._workers.pop(0)
        self.display.say(f"SIGKILL to {victim.name}, all its threads in mid-mail")
        at = time.time()
        victim.kill()
        self.facts.kills.append(Killed(victim.name, at, set(self._running_jobs(victim))))
        self._mail.release()

    # The parts.

    @property
    def _delivered(self) -> int:
        return len(self._mail.messages)

    def _start_workers(self, number: int) -> None:
        new = [self._processes.worker(self.scenario.threads) for _ in range(number)]
        self._workers += new
        self.display.say(f"started {self._names(new)}")

    def _stop_workers(self) -> list[Stopped]:
        # One that still starts knows no signal yet. The others may have done all the work.
        self._until(self._all_announced, "each worker to announce itself")
        stopped = terminate(self._workers)
        self._workers = []
        return [
            Stopped(process.name, process.exit_code, seconds, len(self._running_jobs(process)))
            for process, seconds in stopped
        ]

    def _all_announced(self) -> bool:
        there = set(Worker.objects.filter(stopped_at=None).live().values_list("pid", flat=True))
        return there >= {process.pid for process in self._workers}

    def _running_jobs(self, process: Process) -> list[UUID]:
        # The newest: process ids are used again.
        worker = Worker.objects.filter(pid=process.pid).order_by("-started_at").first()
        if worker is None:
            raise DrillError(f"{process.name} never announced itself: {process.last_words()}")
        return list(
            Job.objects.filter(worker_id=worker.pk, status="RUNNING").values_list("pk", flat=True)
        )

    def _all_done(self) -> bool:
        confirmer = self._confirmer
        if confirmer.exit_code is None:
            return False
        if confirmer.exit_code:
            raise DrillError(f"confirming failed: {confirmer.last_words()}")
        counts = self._count()
        # The jobs to draw and to notify come with the payment, the one to send with the invoice.
        return sum(counts.values()) == 3 * len(self.scenario.cases) and set(counts) <= FINISHED

    def _count(self) -> dict[str, int]:
        """How many of this run's jobs have which status; asked twice a second at most."""
        if time.monotonic() - self._counted_at >= 0.5:
            self._counted_at = time.monotonic()
            ids = OrderJob.objects.filter(
                order__reference__startswith=f"{self.scenario.run}-"
            ).values_list("result_id", flat=True)
            rows = Job.objects.filter(pk__in=list(ids)).values_list("status")
            self._counts = dict(rows.annotate(Count("pk")).order_by())
        return self._counts

    def _until(self, happened: Callable[[], bool], what: str) -> None:
        while not happened():
            if self.display.seconds > AT_MOST:
                raise DrillError(f"waited for {what} until {AT_MOST:g} s had passed")
            for worker in self._workers:
                if worker.exit_code is not None:
                    raise DrillError(f"{worker.name} ended by itself: {worker.last_words()}")
            self._show()
            time.sleep(0.02)

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self._until(lambda: time.monotonic() >= end, "")

    def _show(self) -> None:
        counts = self._count()
        self.display.show(
            f"{self._delivered}/{self.scenario.mails} mails, "
            f"{len(self._notices.requests)}/{self.scenario.notices} notices; jobs: "
            f"{counts.get('READY', 0)} ready, {counts.get('RUNNING', 0)} running, "
            f"{counts.get('SCHEDULED', 0)} to be tried again, {counts.get('DEAD', 0)} dead"
        )

    @staticmethod
    def _names(processes: list[Process]) -> str:
        return " and ".join(process.name for process in processes)
