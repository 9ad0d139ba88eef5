"""
Write what came of attempts.

One UPDATE writes a whole batch, and names for each row the claim it is of: ``status =
'RUNNING' AND claim_no = …``. Whoever lost the claim changes nothing.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import connections

from .claim import Claim
from .db.clock import DbNow
from .db.dialects import IDENTIFIER, INTEGER, JSON_TEXT, SECONDS, TEXT, Dialect, dialect
from .db.parameters import dump_once
from .db.transactions import write_transaction
from .failure import Failure, fingerprint, first_line
from .models import Job, JobAttempt, JobLog, JobQuerySet, Status
from .policy import SUCCEEDED, Kind, Next, Outcome
from .sensitive import hiding_for, masked_whole

# What an outcome says of its row.
_COLUMNS: Final = {
    "id": IDENTIFIER,
    "claim_no": INTEGER,
    "status": TEXT,
    "ends": INTEGER,
    "refund": INTEGER,
    "crashes": INTEGER,
    "interruptions": INTEGER,
    "delay": SECONDS,
    "last_error": TEXT,
    "failure_group": TEXT,
    "return_value": JSON_TEXT,
}
# Characters of logs in one statement, about.
LOGS_AT_ONCE: Final = 500_000
_ENDS: Final = (Next.SUCCESSFUL, Next.DEAD, Next.CANCELLED)
_FAILED: Final = (Kind.FAILED, Kind.TIMED_OUT, Kind.LOST)


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """
    An attempt that has ended: the claim, its outcome, and what it returned or raised.

    ``recorded`` says that it was written with the job's own effects, in one transaction.
    """

    claim: Claim
    outcome: Outcome
    return_value: Any = None
    failure: Failure | None = None
    recorded: bool = False

    @property
    def job(self) -> Job:
        return self.claim.job

    @property
    def crashes(self) -> int:
        """How many workers the job has lost in a row; with the first it becomes a suspect."""
        if self.outcome.kind is Kind.LOST:
            # One that was lost with other jobs is no proof against this one.
            return max(self.job.crashes, 1) if self.outcome.refund else self.job.crashes + 1
        came_through = self.claim.started and not self.outcome.interrupted
        return 0 if came_through else self.job.crashes

    @property
    def interrupted(self) -> bool:
        """Whether the worker's stop cut short what had started."""
        return self.claim.started and self.outcome.interrupted

    @property
    def interruptions(self) -> int:
        """How often in a row a stop has cut the job short; a lost worker is none."""
        if self.interrupted:
            return self.job.interruptions + 1
        ended = self.claim.started and self.outcome.kind is not Kind.LOST
        return 0 if ended else self.job.interruptions

    @property
    def last_error(self) -> str:
        """Why the job is where it is, in one line; empty where nothing went wrong."""
        if self.outcome.kind in (Kind.SUCCEEDED, Kind.RELEASED):
            return ""
        if self.failure is not None and self.outcome.kind is not Kind.SNOOZED:
            return self.failure.line
        return first_line(self.outcome.reason)

    @property
    def failure_group(self) -> str | None:
        """The group of failures that the attempt is one of; None where it used up no attempt."""
        outcome = self.outcome
        if outcome is SUCCEEDED or outcome.kind not in _FAILED or outcome.refund:
            return None
        failure = self.failure
        what = failure.exception_class if failure else self.outcome.kind.value
        return fingerprint(self.job.task_path, what, failure.place if failure else "")


def refused(claim: Claim, error: BaseException) -> Finished:
    """What is recorded where the real outcome can't be had or stored: dead, with ``error``."""
    outcome = Outcome(Kind.FAILED, Next.DEAD, reason="no outcome could be recorded")
    try:
        hide = hiding_for(claim.job)
    except Exception:  # whatever is wrong with the row costs no slot, and shows nothing
        hide = masked_whole
    return Finished(claim, outcome, failure=Failure.of(error, hide))


def record(
    batch: Sequence[Finished], using: str, *, delete_successful: bool = False, logs: bool = True
) -> list[Finished]:
    """
    Write the outcomes of ``batch``, all or none: successes with a single statement.

    :param delete_successful: delete the rows of successes, and their history.
    :param logs: write what the attempts have logged, with one more statement if there is any.
    :returns: those that lost their claim meanwhile, of which nothing was written. An outcome
        that an earlier try of this write got through is not among them.
    """
    succeeded = all(finished.outcome.kind is Kind.SUCCEEDED for finished in batch)
    logged = [finished for finished in batch if logs and finished.claim.log]
    if delete_successful:  # there will be nobody to look at theirs
        logged = [f for f in logged if f.outcome.kind is not Kind.SUCCEEDED]
    reported = [finished for finished in batch if finished.claim.progress is not None]
    one_statement = succeeded and not (logged or reported or delete_successful)
    batch = [finished for finished in batch if not finished.recorded]
    if not (batch or logged or reported):
        return []
    with nullcontext() if one_statement else write_transaction(using):
        lost = write_outcomes(batch, using) if batch else []
        _write_logs([finished for finished in logged if finished not in lost], using)
        for finished in reported:
            if finished not in lost:
                write_progress(finished.claim, Job.objects.using(using))
        if delete_successful:
            return _delete_successful(batch, lost, using)
        return lost


def write_outcomes(batch: Sequence[Finished], using: str) -> list[Finished]:
    """``record()`` within a transaction that the caller has open."""
    connection = connections[using]
    speaks = dialect(connection)
    # In one order everywhere, so that two batches can't lock rows against each other.
    rows = sorted(_row(finished, speaks) for finished in batch)
    with connection.cursor() as cursor:
        same, params = dump_once(_COLUMNS, rows)
        cursor.execute(_update(speaks, same), params)
        written = cursor.rowcount
    lost = [] if written == len(batch) else _find_lost(batch, using)
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


def write_progress(claim: Claim, jobs: JobQuerySet) -> None:
    """Write to the row of ``claim``, if it is one of ``jobs``, what its task reported last."""
    progress = claim.progress
    if progress is None:
        return
    claim.job.metadata["progress"] = progress
    jobs.filter(pk=claim.job.pk, claim_no=claim.job.claim_no).update(metadata=claim.job.metadata)


def _write_logs(logged: Sequence[Finished], using: str) -> None:
    rows = [
        JobLog(job_id=job.pk, claim_no=job.claim_no, number=job.attempts, text=log.text)
        for job, log in ((finished.job, finished.claim.log) for finished in logged)
        if log is not None
    ]
    if rows:
        # Servers refuse what is too large.
        most = max(1, LOGS_AT_ONCE * len(rows) // sum(len(row.text) for row in rows))
        written = JobLog.objects.using(using)
        written.bulk_create(rows, batch_size=most, ignore_conflicts=True)


def _delete_successful(
    batch: Sequence[Finished], lost: list[Finished], using: str
) -> list[Finished]:
    """Returns those of ``lost`` that are: a row that is gone was deleted by an earlier try."""
    done = {f.job.pk for f in batch if f.outcome.kind is Kind.SUCCEEDED and f not in lost}
    Job.objects.using(using).filter(pk__in=done).delete()
    if not lost:
        return []
    ids = [finished.job.pk for finished in lost]
    there = set(Job.objects.using(using).filter(pk__in=ids).values_list("pk", flat=True))
    return [f for f in lost if f.job.pk in there or f.outcome.kind is not Kind.SUCCEEDED]


@cache
def _update(speaks: Dialect, same: tuple[str, ...]) -> str:
    # A job that somebody wants cancelled is not tried again.
    cancelled = "t.ends = 0 AND job.cancel_requested_at IS NOT NULL"
    ends = "t.ends = 1 OR job.cancel_requested_at IS NOT NULL"
    values = {
        "attempts": "job.attempts - t.refund",
        "crashes": "t.crashes",
        "interruptions": "t.interruptions",
        "run_after": (
            f"CASE WHEN t.delay IS NULL THEN job.run_after ELSE {speaks.later('t.delay')} END"
        ),
        "worker_id": "CASE WHEN t.ends = 1 THEN job.worker_id END",
        "finished_at": f"CASE WHEN {ends} THEN {speaks.now} END",
        "unique_hash": f"CASE WHEN NOT ({ends}) THEN job.unique_hash END",
        "last_error": "t.last_error",
        "failure_group": "t.failure_group",
        "return_value": "t.return_value",
        "status": f"CASE WHEN {cancelled} THEN '{Status.CANCELLED}' ELSE t.status END",
    }
    # Wrapped, so that no planner takes the index of running jobs instead of the primary key:
    # it believes that few are running, and reads all that ran since the last vacuum. It made
    # a batch thirty times as slow.
    fence = f"COALESCE(job.status, '') = '{Status.RUNNING}' AND job.claim_no = t.claim_no"
    return speaks.update(Job._meta.db_table, _COLUMNS, values, fence, same)


def _row(finished: Finished, speaks: Dialect) -> tuple[Any, ...]:
    """One row of _COLUMNS."""
    job, outcome = finished.job, finished.outcome
    delay = (outcome.delay or 0) if outcome.next is Next.SCHEDULED else None
    value = finished.return_value if outcome.next is Next.SUCCESSFUL else None
    return (
        speaks.uuid(job.pk),
        job.claim_no,
        outcome.next.value,
        int(outcome.next in _ENDS),
        int(outcome.refund),
        finished.crashes,
        finished.interruptions,
        delay,
        finished.last_error,
        finished.failure_group,
        None if value is None else json.dumps(value),
    )


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
