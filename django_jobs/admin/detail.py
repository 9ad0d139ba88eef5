"""What a job's own page shows."""

from typing import Any, Final

from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..compat import InvalidTaskBackend, task_backends
from ..exceptions import JobsError
from ..models import Job, JobAttempt, JobStep, Status
from ..registry import look_up
from ..sensitive import Hide, hiding, masked
from . import display
from .copies import COPY_OF
from .outlook import Surroundings, surroundings, what_next
from .paginator import Count
from .verbs import VERBS, Verb

ATTEMPTS_SHOWN: Final = 50
STEPS_SHOWN: Final = 200

Call = tuple[list[Any], dict[str, Any]]


def detail_context(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any]:
    """The context of the page: one or two statements for what is around, one for the history."""
    around = surroundings(job)
    may_view = model_admin.has_view_arguments_permission(request)
    call, hide = _shown_call(job)
    timeline, left_out = _timeline(job, around)
    return {
        "title": job.task_name or job.task_path,
        "subtitle": None,
        "status": display.status_badge(job),
        "what_next": what_next(job, around),
        "progress": display.progress_of(job.metadata, hide),
        "buttons": [
            {"verb": verb, "url": _verb_url(model_admin, request, job, verb)}
            for verb in VERBS.values()
            if verb.applies_to(job) and getattr(model_admin, f"has_{verb.name}_permission")(request)
        ],
        "facts": _facts(model_admin, job, around),
        "may_view_arguments": may_view,
        "task_is_known": call is not None,
        "values": _values(job, call, hide) if may_view else [],
        "metadata": _folded(_("Metadata"), job.metadata, hide) if job.metadata else None,
        "timeline": timeline,
        "left_out": left_out,
        "steps": [_step(step, may_view, hide) for step in _steps(job)],
    }


def _verb_url(model_admin: Any, request: HttpRequest, job: Job, verb: Verb) -> str:
    opts = model_admin.opts
    url = reverse(
        f"admin:{opts.app_label}_{opts.model_name}_{verb.name}",
        args=[job.pk],
        current_app=model_admin.admin_site.name,
    )
    preserved = model_admin.get_preserved_filters(request)
    return add_preserved_filters({"preserved_filters": preserved, "opts": opts}, url)


def _facts(model_admin: Any, job: Job, around: Surroundings) -> list[dict[str, Any]]:
    now = timezone.now()
    facts = [
        (_("Task"), job.task_path),
        (_("Id"), job.pk),
        (_("Queue"), job.queue_name),
        (_("Priority"), job.priority),
        (_("Attempts"), f"{job.attempts}/{job.max_attempts}"),
        (_("Worker crashes"), job.crashes or ""),
        (_("Interrupted"), _interruptions(job.interruptions)),
        (_("Backend"), job.backend_name),
        (_("Enqueued"), display.moment(job.enqueued_at)),
        (_("Run after"), display.moment(job.run_after)),
        (_("First started"), display.moment(job.started_at)),
        (_("Last attempted"), display.moment(job.last_attempted_at)),
        (_("Finished"), display.moment(job.finished_at)),
        (_("Cancel requested"), display.moment(job.cancel_requested_at)),
        (_("Time"), display.timing(job, now)),
        (_("Worker"), _worker_name(job, around)),
        (_("Last error"), job.last_error),
    ]
    rows = [{"label": label, "value": value, "url": ""} for label, value in facts if value != ""]
    original = job.metadata.get(COPY_OF) if isinstance(job.metadata, dict) else None
    if isinstance(original, str):
        opts = model_admin.opts
        url = reverse(
            f"admin:{opts.app_label}_{opts.model_name}_change",
            args=[original],
            current_app=model_admin.admin_site.name,
        )
        rows.append({"label": _("Copy of"), "value": original, "url": url})
    return rows


def _interruptions(count: int) -> str:
    if not count:
        return ""
    return ngettext("%(count)s time in a row", "%(count)s times in a row", count) % {"count": count}


def _worker_name(job: Job, around: Surroundings) -> str:
    if around.worker is not None:
        return around.worker.name
    return str(job.worker_id or "")


def _shown_call(job: Job) -> tuple[Call | None, Hide]:
    """
    The arguments as they may be shown, and what masks them elsewhere; no arguments where the
    task isn't known here, so that nobody can say which are sensitive.
    """
    try:
        backend: Any = task_backends[job.backend_name]
        task = look_up(job.task_path, backend.jobs_options.task_modules)
    except (JobsError, InvalidTaskBackend, ImproperlyConfigured, AttributeError):
        return None, str
    return masked(task, job.args, job.kwargs), hiding(task, job) or str


def _values(job: Job, call: Call | None, hide: Hide) -> list[dict[str, Any]]:
    shown = []
    if call is not None:
        args, kwargs = call
        values = [(_("Arguments"), args), (_("Keyword arguments"), kwargs)]
        shown = [_folded(label, value) for label, value in values if value]
    if job.status == Status.SUCCESSFUL:
        shown.append(_folded(_("Return value"), job.return_value, hide))
    return shown


def _folded(label: str, value: Any, hide: Hide = str) -> dict[str, Any]:
    text = hide(display.json_text(value))
    return {"label": label, "text": text, "is_long": display.is_long(text)}


def _timeline(job: Job, around: Surroundings) -> tuple[list[dict[str, Any]], str]:
    """The attempts, latest first, and how many older ones are left out."""
    rows: Any = JobAttempt.objects.filter(job=job).order_by("-claim_no")
    attempts = list(rows[: ATTEMPTS_SHOWN + 1])
    left_out = ""
    if len(attempts) > ATTEMPTS_SHOWN:
        left_out = Count(rows.count() - ATTEMPTS_SHOWN).text
    items = [_past(attempt) for attempt in attempts[:ATTEMPTS_SHOWN]]
    if job.status in (Status.RUNNING, Status.SUCCESSFUL):
        items.insert(0, _present(job, around))
    return items, left_out


def _steps(job: Job) -> list[JobStep]:
    """The first of them, in the order in which they were done."""
    return list(JobStep.objects.filter(job=job).order_by("finished_at", "pk")[:STEPS_SHOWN])


def _step(step: JobStep, may_view: bool, hide: Hide) -> dict[str, Any]:
    shown = may_view and step.result is not None
    return {
        "name": str(step),
        "number": step.number,
        "finished": display.moment(step.finished_at),
        "took": display.between(step.started_at, step.finished_at),
        "result": _folded(_("Result"), step.result, hide) if shown else None,
    }


def _present(job: Job, around: Surroundings) -> dict[str, Any]:
    runs = job.status == Status.RUNNING
    end = timezone.now() if runs else job.finished_at
    return {
        "number": job.attempts,
        "badge": display.status_badge(job),
        "worker": _worker_name(job, around),
        "started": display.moment(job.last_attempted_at),
        "took": "" if runs else display.between(job.last_attempted_at, end),
        "runs_for": display.between(job.last_attempted_at, end) if runs else "",
    }


def _past(attempt: JobAttempt) -> dict[str, Any]:
    outcome = JobAttempt.Outcome(attempt.outcome)
    first, _newline, rest = attempt.message.strip().partition("\n")
    return {
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
