"""
Write what came of attempts.

Every UPDATE names the claim it is of: ``WHERE id IN … AND status = 'RUNNING' AND
claim_no = …``. Whoever lost the claim changes nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connections
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Cast

from .claim import Claim
from .db.clock import DbNow
from .db.transactions import write_transaction
from .failure import Failure, first_line
from .models import Job, JobAttempt, Status
from .policy import Kind, Next, Outcome

_CANCELLED: Final = Q(cancel_requested_at__isnull=False)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """An attempt that has ended: the claim, its outcome, and what it returned or raised."""

    claim: Claim
    outcome: Outcome
    return_value: Any = None
    failure: Failure | None = None

    @property
    def job(self) -> Job:
        return self.claim.job

    @property
    def last_error(self) -> str:
        """Why the job is where it is, in one line; empty where nothing went wrong."""
        if self.outcome.kind in (Kind.SUCCEEDED, Kind.RELEASED):
            return ""
        if self.failure is not None and self.outcome.kind is not Kind.SNOOZED:
            return self.failure.line
        return first_line(self.outcome.reason)


def refused(claim: Claim, error: Exception) -> Finished:
    """What is recorded where the real outcome can't be had or stored: dead, with ``error``."""
    outcome = Outcome(Kind.FAILED, Next.DEAD, reason="no outcome could be recorded")
    return Finished(claim, outcome, failure=Failure.of(error))


def record(batch: Sequence[Finished], using: str) -> list[Finished]:
    """
    Write the outcomes of ``batch``, in one transaction.

    :returns: those that lost their claim meanwhile, of which nothing was written. An outcome
        that an earlier try of this write got through is not among them.
    """
    with write_transaction(using):
        return write_outcomes(batch, using)


def write_outcomes(batch: Sequence[Finished], using: str) -> list[Finished]:
    """``record()`` within a transaction that the caller has open."""
    lost: list[Finished] = []
    groups: dict[tuple[int, Next, bool, bool], list[Finished]] = defaultdict(list)
    for finished in batch:
        outcome = finished.outcome
        is_loss = outcome.kind is Kind.LOST
        key = (finished.job.claim_no, outcome.next, outcome.refund, is_loss)
        groups[key].append(finished)
    # In one order everywhere, so that two batches can't lock rows against each other.
    for (claim_no, *_), group in sorted(groups.items()):
        rows = Job.objects.using(using).filter(
            pk__in=sorted(finished.job.pk for finished in group),
            status=Status.RUNNING,
            claim_no=claim_no,
        )
        if rows.update(**_assignments(group, using)) != len(group):
            lost += _find_lost(group, using)
    attempts = [
        _attempt(finished)
        for finished in batch
        if finished.claim.started
        and finished.outcome.kind is not Kind.SUCCEEDED
        and finished not in lost
    ]
    if attempts:
        JobAttempt.objects.using(using).bulk_create(attempts, ignore_conflicts=True)
    return lost


def _assignments(group: Sequence[Finished], using: str) -> dict[str, Any]:
    """
    The columns that a group's outcome sets. ``status`` comes last: MySQL assigns from left
    to right, and the others look at what is there.
    """
    outcome = group[0].outcome
    values: dict[str, Any] = {"last_error": _by_row(group, "last_error", _last_error, using)}
    if outcome.kind is Kind.LOST:
        values["crashes"] = F("crashes") + 1
    if outcome.refund:
        values["attempts"] = F("attempts") - 1
    if outcome.next is Next.SUCCESSFUL:
        values["return_value"] = _by_row(group, "return_value", _return_value, using)
    if outcome.next in (Next.SUCCESSFUL, Next.DEAD, Next.CANCELLED):
        values |= {"finished_at": DbNow(), "unique_hash": None, "status": outcome.next.value}
        return values
    if outcome.next is Next.SCHEDULED:
        values["run_after"] = _by_row(group, "run_after", _run_after, using)
    # A job that somebody wants cancelled is not tried again.
    return values | {
        "worker_id": None,
        "finished_at": Case(When(_CANCELLED, then=DbNow()), default=Value(None)),
        "unique_hash": Case(When(_CANCELLED, then=Value(None)), default=F("unique_hash")),
        "status": Case(
            When(_CANCELLED, then=Value(Status.CANCELLED)), default=Value(outcome.next.value)
        ),
    }


def _last_error(finished: Finished) -> Any:
    return Value(finished.last_error)


def _return_value(finished: Finished) -> Any:
    return Value(finished.return_value, output_field=Job._meta.get_field("return_value"))


def _run_after(finished: Finished) -> Any:
    return DbNow() + timedelta(seconds=finished.outcome.delay or 0)


def _by_row(
    group: Sequence[Finished], name: str, value: Callable[[Finished], Any], using: str
) -> Any:
    """One expression for a column whose value differs from row to row."""
    values = [value(finished) for finished in group]
    # By their text: Django takes Value(1) and Value(True) for equal.
    if len({repr(each) for each in values}) == 1:
        return values[0]
    field: Any = Job._meta.get_field(name)
    whens = [When(pk=f.job.pk, then=v) for f, v in zip(group, values, strict=True)]
    case = Case(*whens, output_field=field)
    if connections[using].features.requires_casted_case_in_updates:
        return Cast(case, output_field=field)
    return case


def _find_lost(group: Sequence[Finished], using: str) -> list[Finished]:
    """
    Those of ``group`` that are not written: not by this UPDATE, and not by an earlier one
    whose answer did not arrive. A write of ours is known by what it leaves behind.
    """
    ids = [finished.job.pk for finished in group]
    # What this transaction has just updated has left RUNNING too, and nobody else could
    # have moved it in between.
    left = {
        (pk, claim_no): status
        for pk, claim_no, status in Job.objects.using(using)
        .filter(pk__in=ids)
        .exclude(status=Status.RUNNING)
        .values_list("pk", "claim_no", "status")
    }
    history = {
        (job_id, claim_no): kind
        for job_id, claim_no, kind in JobAttempt.objects.using(using)
        .filter(job_id__in=ids)
        .values_list("job_id", "claim_no", "outcome")
    }

    def is_ours(finished: Finished) -> bool:
        key = (finished.job.pk, finished.job.claim_no)
        succeeded = left.get(key) == Status.SUCCESSFUL
        if succeeded or finished.outcome.kind is Kind.SUCCEEDED:
            return succeeded and finished.outcome.kind is Kind.SUCCEEDED
        return key in left and history.get(key, finished.outcome.kind) == finished.outcome.kind

    return [finished for finished in group if not is_ours(finished)]


def _attempt(finished: Finished) -> JobAttempt:
    job, outcome, failure = finished.job, finished.outcome, finished.failure
    return JobAttempt(
        job_id=job.pk,
        claim_no=job.claim_no,
        number=job.attempts,
        worker_id=finished.claim.worker_id,
        worker_name=finished.claim.worker_name[:255],
        started_at=job.last_attempted_at,
        finished_at=DbNow(),
        outcome=outcome.kind.value,
        exception_class=failure.exception_class if failure else "",
        message=failure.message if failure else outcome.reason,
        traceback=failure.traceback if failure else "",
        delay=outcome.delay,
    )
