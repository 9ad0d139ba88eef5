"""What a worker's own page shows."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Command, JobAttempt, Phase, Worker
from . import display
from .control import STACKS, VERBS

# How many attempts of this worker are listed that did not succeed, and among how many of the
# newest of all workers they are looked for.
SHOWN: Final = 20
SEARCHED: Final = 10_000
_BAD: Final = (
    JobAttempt.Outcome.FAILED,
    JobAttempt.Outcome.TIMED_OUT,
    JobAttempt.Outcome.LOST,
)


def page_context(model_admin: Any, request: HttpRequest, worker: Any) -> dict[str, Any]:
    """The context of the page; two statements, for what the worker has ended badly."""
    site = model_admin.admin_site.name
    may_see_stacks = model_admin.has_stacks_permission(request)
    user: Any = request.user
    may_see_jobs = user.has_perm("django_jobs.view_job")
    to = site if may_see_jobs else None
    offered = [*VERBS, STACKS]
    return {
        "title": worker.name,
        "subtitle": None,
        "occupation": occupation(worker),
        "pending": pending(worker),
        "is_live": worker.is_live,
        "is_lost": not worker.is_live and worker.stopped_at is None,
        "buttons": [
            {
                "verb": verb,
                "url": reverse(
                    f"admin:django_jobs_worker_{verb.name}", args=[worker.pk], current_app=site
                ),
            }
            for verb in offered
            if verb.applies_to(worker) and getattr(model_admin, verb.permission)(request)
        ],
        "says_what_runs": worker.running is not None,
        "runs": [shown(entry, to) for entry in entries(worker.running)],
        "more": _more(worker),
        "may_see_stacks": may_see_stacks,
        "stacks": [
            shown(entry, to) | {"stack": str(entry.get("stack") or "")}
            for entry in entries(worker.stacks)
        ]
        if may_see_stacks
        else [],
        "stacks_at": display.moment(worker.stacks_at),
        "stacks_asked": worker.is_live and worker.stacks_asked_at is not None,
        "may_see_jobs": may_see_jobs,
        "attempts": [_attempt(attempt, site) for attempt in _ended_badly(worker)]
        if may_see_jobs
        else [],
        "facts": _facts(worker),
    }


def occupation(worker: Worker) -> str:
    """How many of its threads are busy, in words."""
    figures = {"threads": worker.threads, "busy": worker.threads_busy}
    if worker.threads_busy is None:
        text = ngettext("%(threads)s thread", "%(threads)s threads", worker.threads)
    elif worker.threads_busy >= worker.threads:
        text = ngettext("its thread is busy", "all %(threads)s threads busy", worker.threads)
    else:
        text = ngettext(
            "%(busy)s of %(threads)s thread busy",
            "%(busy)s of %(threads)s threads busy",
            worker.threads,
        )
    parts = [text % figures]
    if worker.coroutines_running:
        count = worker.coroutines_running
        parts.append(ngettext("%(n)s coroutine", "%(n)s coroutines", count) % {"n": count})
    return ", ".join(parts)


def pending(worker: Any) -> str:
    """What it was told and has not done yet, by what it said last; empty where there is none."""
    if not worker.is_live or worker.phase == "":
        return ""
    match worker.command:
        case Command.QUIET if worker.phase != Phase.QUIET:
            return _("It was told to be quiet, and hears of it at its next heartbeat.")
        case Command.WORK if worker.phase == Phase.QUIET:
            return _("It was told to claim jobs again, and hears of it at its next heartbeat.")
        case Command.STOP if worker.phase != Phase.STOPPING:
            return _("It was told to stop, and hears of it at its next heartbeat.")
        case Command.STOP:
            return _("It was told to stop. What runs may finish until the deadline.")
    return ""


def entries(rows: Any) -> list[dict[str, Any]]:
    """The jobs that a worker has listed; what is none of them is left out."""
    listed = rows if isinstance(rows, list) else []
    return [each for each in listed if isinstance(each, dict) and _is_id(each.get("job"))]


def _is_id(text: Any) -> bool:
    try:
        UUID(str(text))
    except ValueError:
        return False
    return True


def shown(entry: dict[str, Any], site: str | None) -> dict[str, Any]:
    """
    An entry of ``Worker.running`` or ``Worker.stacks`` as a page has it.

    :param site: whose pages it links to; None for somebody who may not see them.
    """
    page = "admin:django_jobs_job_change"
    since = _moment(entry.get("since"))
    return {
        "job": entry["job"],
        "url": site and reverse(page, args=[entry["job"]], current_app=site),
        "task": display.short_name(str(entry.get("task") or "")),
        "attempt": entry.get("attempt"),
        "since": display.moment(since),
        "runs_for": display.between(since, timezone.now()),
    }


def _moment(text: Any) -> datetime | None:
    try:
        found = parse_datetime(str(text))
    except ValueError:
        return None
    return None if found is None or timezone.is_naive(found) else found


def _more(worker: Worker) -> int:
    """How many more it runs, or has for a thread of its own, than it lists."""
    counted = (worker.threads_busy or 0) + (worker.coroutines_running or 0)
    return max(0, counted - len(entries(worker.running)))


def _ended_badly(worker: Worker) -> list[JobAttempt]:
    """By key, among the newest of all: attempts are not indexed by their worker."""
    rows: Any = JobAttempt.objects.order_by("-pk")
    last = rows.values_list("pk", flat=True).first()
    if last is None:
        return []
    return list(
        rows.filter(pk__gt=last - SEARCHED, worker_id=worker.pk, outcome__in=_BAD)
        .select_related("job")
        .only("number", "finished_at", "outcome", "exception_class", "message", "job__task_path")[
            :SHOWN
        ]
    )


def _attempt(attempt: JobAttempt, site: str) -> dict[str, Any]:
    outcome = JobAttempt.Outcome(attempt.outcome)
    url = reverse("admin:django_jobs_job_change", args=[attempt.job_id], current_app=site)
    return {
        "url": url,
        "task": display.short_name(attempt.job.task_path),
        "number": attempt.number,
        "badge": display.badge(outcome.label, display.OUTCOME_TONES[outcome]),
        "finished": display.moment(attempt.finished_at),
        "error": ": ".join(
            filter(None, [attempt.exception_class.rpartition(".")[2], attempt.message])
        )[:500],
    }


def _facts(worker: Worker) -> list[tuple[str, Any]]:
    facts = [
        (_("Id"), worker.pk),
        (_("Queues"), worker.queues),
        (_("Backend"), worker.backend_name),
        (_("Threads"), worker.threads),
        (_("Memory"), "" if worker.memory is None else filesizeformat(worker.memory)),
        (_("Version"), worker.version),
        (_("Release"), worker.release),
        (_("Started"), display.moment(worker.started_at)),
        (_("Last heartbeat"), display.moment(worker.last_heartbeat_at)),
        (_("Lease expires"), display.moment(worker.lease_expires_at)),
        (_("Stopped"), display.moment(worker.stopped_at)),
    ]
    return [(label, value) for label, value in facts if value != ""]
