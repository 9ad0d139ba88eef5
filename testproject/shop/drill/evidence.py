"""What came of a drill, from three witnesses: the database, the servers and the logs."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from django_jobs.models import Job, JobAttempt
from shop.models import Invoice, Order, OrderJob

from .runner import Facts
from .scenario import Case, Scenario
from .servers import Contact


@dataclass(slots=True)
class JobStory:
    """
    One job of the run, from its row, its history and the logs.

    :param released: how often the logs say that it was given back.
    """

    job: Job
    task: str
    case: Case
    history: list[JobAttempt]
    released: int

    def attempts(self, *outcomes: str) -> list[JobAttempt]:
        return [attempt for attempt in self.history if attempt.outcome in outcomes]

    @property
    def failed(self) -> list[JobAttempt]:
        return self.attempts("FAILED", "TIMED_OUT")

    @property
    def lost(self) -> list[JobAttempt]:
        return self.attempts("LOST")

    @property
    def error(self) -> str:
        """The class of the last error, without its module."""
        return self.failed[-1].exception_class.rpartition(".")[2] if self.failed else ""

    @property
    def is_meant_to_fail(self) -> bool:
        return self.case.fate.refusal is not None and self.case.fate.task == self.task

    @property
    def is_meant_to_die(self) -> bool:
        return self.is_meant_to_fail and self.case.fate.dies

    def __str__(self) -> str:
        return f"{self.task} of {self.case.reference}"


@dataclass(slots=True)
class Evidence:
    scenario: Scenario
    facts: Facts
    jobs: list[JobStory]
    orders: dict[str, Order]
    invoices: dict[str, Invoice]
    rescued_at: dict[str, float] = field(default_factory=dict)

    def stories(self, task: str) -> list[JobStory]:
        return [story for story in self.jobs if story.task == task]


def collect(scenario: Scenario, facts: Facts) -> Evidence:
    orders = {
        order.reference: order
        for order in Order.objects.filter(reference__startswith=f"{scenario.run}-")
    }
    invoices = Invoice.objects.filter(order__in=orders.values()).select_related("order")
    events = _events(facts.logs)
    released = Counter(e["job_id"] for e in events if e.get("event") == "released")
    return Evidence(
        scenario=scenario,
        facts=facts,
        jobs=_stories(scenario, released),
        orders=orders,
        invoices={invoice.order.reference: invoice for invoice in invoices.defer("pdf")},
        rescued_at={e["job_id"]: e["time"] for e in events if e.get("event") == "rescued"},
    )


def _stories(scenario: Scenario, released: Counter[str]) -> list[JobStory]:
    cases = {case.reference: case for case in scenario.cases}
    links = list(
        OrderJob.objects.filter(order__reference__startswith=f"{scenario.run}-").select_related(
            "order"
        )
    )
    ids = [link.result_id for link in links]
    jobs = {str(job.pk): job for job in Job.objects.filter(pk__in=ids)}
    history: dict[str, list[JobAttempt]] = defaultdict(list)
    for attempt in JobAttempt.objects.filter(job__in=ids).order_by("claim_no"):
        history[str(attempt.job_id)].append(attempt)
    return [
        JobStory(
            job=jobs[link.result_id],
            task=link.task,
            case=cases[link.order.reference],
            history=history[link.result_id],
            released=released[link.result_id],
        )
        for link in links
        if link.result_id in jobs
    ]


def _events(logs: list[Path]) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for log in logs
        if log.exists()
        for line in log.read_text().splitlines()
        if line.endswith("}")  # a killed process may have left half a line
    ]


def gaps(contacts: list[Contact]) -> dict[str, list[float]]:
    """Per recipient, the seconds from each refusal to the contact that followed it."""
    seen: dict[str, list[Contact]] = defaultdict(list)
    for contact in contacts:
        seen[contact.recipient].append(contact)
    return {
        recipient: [after.at - before.at for before, after in pairwise(times) if before.code >= 400]
        for recipient, times in seen.items()
    }
