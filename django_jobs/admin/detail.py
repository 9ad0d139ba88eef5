"""What a job's own page shows."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..compat import InvalidTaskBackend, Task, task_backends
from ..exceptions import JobsError
from ..many import ACT_ON_JOBS
from ..models import FailureGroup, Job, JobStep, Queue, Status, Worker
from ..registry import look_up
from ..sensitive import Hide, hiding, masked, masked_whole
from ..tags import tags_of
from . import display
from .copies import COPY_OF, IsAnAction
from .outlook import Surroundings, surroundings, what_next
from .relatives import relatives
from .selection import action_of, may_redo
from .stack import stack_context
from .timeline import timeline, worker_name
from .uniqueness import Uniqueness, uniqueness
from .urls import job_url, list_url, page_url
from .verbs import COPY, RETRY, VERBS, Verb

STEPS_SHOWN: Final = 200

Call = tuple[list[Any], dict[str, Any]]


def detail_context(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any]:
    """
    The context of the page: one or two statements for what is around, one each for the
    failure group, the history, the logs, the steps, the parent, the children and who holds its
    unique key.
    """
    around = surroundings(job)
    may_view = model_admin.has_view_arguments_permission(request)
    task = _task(job)
    call = None if task is None else masked(task, job.args, job.kwargs)
    hide = hiding(task, job) or str
    # What the task gave out itself is stored as it is. Errors and logs were masked before that.
    hide_own = hide if task is not None else masked_whole
    unique = uniqueness(job, task)
    steps = _steps(job, may_view)
    return {
        "title": _title(job),
        "subtitle": None,
        "status": display.status_badge(job),
        "what_next": what_next(job, around),
        "has_ended": job.finished_at is not None,
        "failure": _failure(model_admin, request, job),
        "progress": display.progress_of(job.metadata, hide_own),
        "buttons": [
            {
                "verb": verb,
                "url": job_url(model_admin, request, job.pk, verb.name),
                "refused": _refused(request, verb, job, unique),
            }
            for verb in VERBS.values()
            if verb.applies_to(job) and getattr(model_admin, f"has_{verb.name}_permission")(request)
        ],
        "stack": stack_context(model_admin, request, job, around, hide),
        "facts": [
            *_facts(model_admin, request, job, around, unique),
            *_tags(model_admin, task),
        ],
        "may_view_arguments": may_view,
        "task_is_known": call is not None,
        "values": _values(job, call, hide_own) if may_view else [],
        "metadata": _folded(_("Metadata"), job.metadata, hide_own) if job.metadata else None,
        "steps": [_step(step, may_view, hide_own) for step in steps[:STEPS_SHOWN]],
        "more_steps": len(steps) > STEPS_SHOWN,
        **timeline(job, around, hide, with_logs=may_view),
        **relatives(model_admin, request, job),
    }


def _title(job: Job) -> str:
    """The task's name; of a job that does an action of the list, what that is."""
    verb = action_of(job) if job.task_path == ACT_ON_JOBS else ""
    if verb:
        return _("%(verb)s: many jobs") % {"verb": VERBS[verb].label}
    return job.task_name or job.task_path


def _refused(request: HttpRequest, verb: Verb, job: Job, unique: Uniqueness | None) -> str:
    """Why it can't be done now, although the job's status would allow it."""
    if job.task_path == ACT_ON_JOBS:
        if verb is COPY:
            return str(IsAnAction())
        if verb is RETRY and not may_redo(request, job):
            return _("It does what you may not do.")
    return unique.no_retry if verb is RETRY and unique is not None else ""


def _facts(
    model_admin: Any,
    request: HttpRequest,
    job: Job,
    around: Surroundings,
    unique: Uniqueness | None,
) -> list[dict[str, Any]]:
    now = timezone.now()
    urls = _urls(model_admin, request, job, around)
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
        (_("Worker"), worker_name(job, around)),
        (_("Last error"), job.last_error),
    ]
    rows = [
        {"label": label, "value": value, "url": urls.get(label, "")}
        for label, value in facts
        if value != ""
    ]
    original = job.metadata.get(COPY_OF) if isinstance(job.metadata, dict) else None
    if isinstance(original, str):
        url = job_url(model_admin, request, original)
        rows.append({"label": _("Copy of"), "value": original, "url": url})
    if unique is not None:
        url = job_url(model_admin, request, unique.holder) if unique.holder else ""
        rows.append({"label": _("Unique"), "value": unique.says, "url": url})
    return rows


def _urls(model_admin: Any, request: HttpRequest, job: Job, around: Surroundings) -> dict[str, str]:
    """Where the facts of these labels lead."""
    queues = page_url(model_admin, request, Queue, "changelist")
    urls = {
        _("Task"): list_url(model_admin, task=job.task_path),
        _("Queue"): queues and f"{queues}#queue-{quote(job.queue_name)}",
    }
    if around.worker is not None:
        urls[_("Worker")] = page_url(model_admin, request, Worker, "change", around.worker.pk)
    return urls


def _failure(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any] | None:
    """The group of its last failure; None where there is none, or its row is gone."""
    if job.failure_group is None:
        return None
    url = page_url(model_admin, request, FailureGroup, "change", job.failure_group)
    group = FailureGroup.objects.filter(pk=job.failure_group).first() if url else None
    return None if group is None else {"url": url, "name": str(group)}


def _interruptions(count: int) -> str:
    if not count:
        return ""
    return ngettext("%(count)s time in a row", "%(count)s times in a row", count) % {"count": count}


def _task(job: Job) -> Task[Any, Any] | None:
    """
    The job's task; None where it isn't known here, so that nobody can say which of its arguments
    are sensitive.
    """
    try:
        backend: Any = task_backends[job.backend_name]
        return look_up(job.task_path, backend.jobs_options.task_modules)
    except (JobsError, InvalidTaskBackend, ImproperlyConfigured, AttributeError):
        return None


def _tags(model_admin: Any, task: Task[Any, Any] | None) -> list[dict[str, Any]]:
    """The tags of a job's task, each with a link to all jobs of it."""
    tags = () if task is None else tags_of(task)
    site = model_admin.admin_site.name
    url = reverse("admin:django_jobs_job_changelist", current_app=site)
    links = [{"text": tag, "url": f"{url}?{urlencode({'q': f'tag:{tag}'})}"} for tag in tags]
    return [{"label": _("Tags"), "links": links}] if links else []


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


def _steps(job: Job, may_view: bool) -> list[JobStep]:
    """The first of them in the order in which they were done, and one more if there are more."""
    rows = JobStep.objects.filter(job=job).order_by("finished_at", "pk")
    if not may_view:
        rows = rows.defer("result")
    return list(rows[: STEPS_SHOWN + 1])


def _step(step: JobStep, may_view: bool, hide: Hide) -> dict[str, Any]:
    shown = may_view and step.result is not None
    return {
        "name": str(step),
        "number": step.number,
        "finished": display.moment(step.finished_at),
        "took": display.between(step.started_at, step.finished_at),
        "result": _folded(_("Result"), step.result, hide) if shown else None,
    }
