"""The attempts of a job, and what each took on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.utils import timezone

from ..models import Job, JobAttempt, JobLog, Status
from ..sensitive import Hide
from . import display
from .outlook import Surroundings
from .paginator import Count

ATTEMPTS_SHOWN: Final = 50
# The least width of what took any time at all, in percent of the axis.
LEAST: Final = 0.4


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a job did from ``start`` to ``end``: it waited, ran or backed off."""

    kind: str
    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(slots=True)
class Run:
    """
    One attempt.

    :param end: None while it runs.
    :param delay: seconds that the job then backed off.
    :param shown: what the template prints of it.
    """

    claim_no: int
    start: datetime | None
    end: datetime | None
    delay: float
    shown: dict[str, Any]
    parts: list[Part] = field(default_factory=list)


def timeline(job: Job, around: Surroundings, hide: Hide, *, with_logs: bool) -> dict[str, Any]:
    """
    The attempts, latest first, each with its parts; where the axis begins and ends, and how
    many older ones are left out. One statement, and one more for the logs.
    """
    rows: Any = JobAttempt.objects.filter(job=job).order_by("-claim_no")
    attempts = list(rows[: ATTEMPTS_SHOWN + 1])
    left_out = Count(0)
    if len(attempts) > ATTEMPTS_SHOWN:
        left_out = Count(rows.count() - ATTEMPTS_SHOWN)
    runs = [_past(attempt) for attempt in attempts[:ATTEMPTS_SHOWN]]
    if job.status in (Status.RUNNING, Status.SUCCESSFUL):
        runs.insert(0, _present(job, around))
    logs = _logs(job) if with_logs and runs else {}
    for run in runs:
        run.shown["log"] = _log(logs.get(run.claim_no), hide)
    take_apart(runs[::-1], None if left_out else job.enqueued_at, timezone.now())
    axis = _draw(runs)
    return {"timeline": [run.shown for run in runs], "left_out": left_out, "axis": axis}


def take_apart(runs: list[Run], since: datetime | None, now: datetime) -> None:
    """
    Find the parts of ``runs``, oldest first.

    :param since: from when on the first of them was waited for, where that is known.
    """
    for n, run in enumerate(runs):
        start = run.start or run.end or now
        # Times of two clocks may disagree.
        end = max(start, run.end or now)
        if since is not None and since < start:
            run.parts.append(Part("waited", since, start))
        run.parts.append(Part("ran", start, end))
        since = end + timedelta(seconds=max(run.delay, 0.0))
        later = runs[n + 1].start if n + 1 < len(runs) else None
        if since > end:
            # Somebody may have had it run before.
            since = max(end, min(since, later)) if later is not None else since
            run.parts.append(Part("backed-off", end, since))


def _waited(run: Run) -> str:
    return "".join(display.duration(p.seconds) for p in run.parts if p.kind == "waited")


def _draw(runs: list[Run]) -> dict[str, Any] | None:
    """Give each run its bars, on the axis that is returned; None where nothing took any time."""
    parts = [part for run in runs for part in run.parts]
    if not parts:
        return None
    start = min(part.start for part in parts)
    seconds = (max(part.end for part in parts) - start).total_seconds()
    if seconds <= 0:
        return None
    for run in runs:
        run.shown["waited"] = _waited(run)
        run.shown["bars"] = [_bar(part, start, seconds) for part in run.parts]
    return {
        "start": display.moment(start),
        "end": display.moment_after(start, start + timedelta(seconds=seconds)),
        "length": display.duration(seconds),
        "kinds": {part.kind for part in parts},
    }


def _bar(part: Part, start: datetime, seconds: float) -> dict[str, str]:
    """Attributes of SVG: with a point, whatever the language."""
    width = max(LEAST, 100 * part.seconds / seconds)
    x = 100 * (part.start - start).total_seconds() / seconds
    return {"kind": part.kind, "x": f"{min(x, 100 - width):.2f}%", "width": f"{width:.2f}%"}


def _logs(job: Job) -> dict[int, str]:
    rows = JobLog.objects.filter(job=job).order_by("-claim_no")
    return dict(rows.values_list("claim_no", "text")[: ATTEMPTS_SHOWN + 1])


def _log(text: str | None, hide: Hide) -> dict[str, Any] | None:
    if not text:
        return None
    # It was hidden when it was written too; the task may have learned of more since.
    return {"text": hide(text), "lines": text.count("\n") + 1}


def worker_name(job: Job, around: Surroundings) -> str:
    """``host:pid`` of the worker that runs it or ran it last; its id where no more is known."""
    if around.worker is not None:
        return around.worker.name
    return str(job.worker_id or "")


def _present(job: Job, around: Surroundings) -> Run:
    runs = job.status == Status.RUNNING
    end = timezone.now() if runs else job.finished_at
    took = display.between(job.last_attempted_at, end)
    shown = {
        "number": job.attempts,
        "badge": display.status_badge(job),
        "worker": worker_name(job, around),
        "started": display.moment(job.last_attempted_at),
        "took": "" if runs else took,
        "runs_for": took if runs else "",
    }
    return Run(job.claim_no, job.last_attempted_at, end, 0.0, shown)


def _past(attempt: JobAttempt) -> Run:
    outcome = JobAttempt.Outcome(attempt.outcome)
    first, _newline, rest = attempt.message.strip().partition("\n")
    shown = {
        "number": attempt.number,
        "badge": display.badge(outcome.label, display.OUTCOME_TONES[outcome]),
        "worker": attempt.worker_name or str(attempt.worker_id or ""),
        "started": display.moment(attempt.started_at),
        "took": display.between(attempt.started_at, attempt.finished_at),
        "exception": attempt.exception_class,
        "message": first,
        "more": attempt.message if rest or display.is_long(first) else "",
        "traceback": attempt.traceback,
        "delay": "" if attempt.delay is None else display.duration(attempt.delay),
    }
    delay = attempt.delay or 0.0
    return Run(attempt.claim_no, attempt.started_at, attempt.finished_at, delay, shown)
