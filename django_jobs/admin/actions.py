"""The verbs as actions of the list, and as buttons of a job's page."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from ..exceptions import TaskModuleError
from ..many import ACT_ON_JOBS
from ..models import FailureGroup, Job, JobQuerySet
from . import log, wording
from .display import short_name, status_badge
from .handover import chosen, hand_over, is_for_a_job
from .paginator import Count
from .perform import Report, perform
from .selection import BEFORE, UNTIL, Selection, may_redo
from .urls import job_url, page_url
from .verbs import COPY, RETRY, VERBS, Verb

COPY_LIMIT: Final = 1000
EXAMPLES: Final = 10
CONFIRMED: Final = "confirmed"


def list_actions() -> list[Callable[..., Any]]:
    """An action of the list for each verb."""
    return [_list_action(verb) for verb in VERBS.values()]


def _list_action(verb: Verb) -> Callable[..., Any]:
    @admin.action(permissions=[verb.name], description=verb.label)
    def act(
        model_admin: Any, request: HttpRequest, queryset: JobQuerySet
    ) -> HttpResponseBase | None:
        return act_on_list(model_admin, request, queryset, verb)

    act.__name__ = verb.name
    return act


def act_on_list(
    model_admin: Any, request: HttpRequest, listed: JobQuerySet, verb: Verb
) -> HttpResponseBase | None:
    """Do ``verb`` to what is selected; where that is more than one row, ask first."""
    selection = Selection.of(request, listed, model_admin)
    if verb is COPY and selection.count > COPY_LIMIT:
        text = _("At most %(limit)s jobs can be copied at once; %(count)s are selected.")
        counts = {"limit": Count(COPY_LIMIT).text, "count": selection.count.text}
        model_admin.message_user(request, text % counts, messages.ERROR)
        return None
    return act_on_selection(model_admin, request, selection, verb, request.get_full_path())


def act_on_selection(
    model_admin: Any,
    request: HttpRequest,
    selection: Selection,
    verb: Verb,
    back: str,
) -> HttpResponseBase | None:
    """
    Do ``verb`` to ``selection``: ask first where that is more than one row or a group, and leave
    very many to a job of its own.

    :param back: where somebody goes who would rather not.
    """
    if selection.count > 1 or selection.group is not None:
        applicable = selection.count_for(verb)
        which = chosen(request, selection, verb) if is_for_a_job(verb, applicable) else None
        if applicable and CONFIRMED not in request.POST:
            by_job = which is not None
            return _confirmation(model_admin, request, verb, selection, applicable, back, by_job)
        if which is not None:
            return hand_over(model_admin, request, verb, which, applicable, selection)
    _do(model_admin, request, verb, selection)
    return None


def act_on_job(
    request: HttpRequest, job_id: UUID, *, model_admin: Any, verb: Verb
) -> HttpResponseBase:
    """Do ``verb`` to one job, from its own page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    allowed = getattr(model_admin, f"has_{verb.name}_permission")
    if not (model_admin.has_view_permission(request) and allowed(request)):
        raise PermissionDenied
    rows = model_admin.get_queryset(request).filter(pk=job_id)
    job = rows.only("task_path", "args").first()
    if job is None:
        gone: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, str(job_id)
        )
        return gone
    if verb is RETRY and job.task_path == ACT_ON_JOBS and not may_redo(request, job):
        raise PermissionDenied
    report = _do(model_admin, request, verb, Selection(rows, Count(1)))
    shown = next(iter([*report.copies, *report.holders]), job_id)
    return HttpResponseRedirect(job_url(model_admin, request, shown))


def _do(model_admin: Any, request: HttpRequest, verb: Verb, selection: Selection) -> Report:
    report, selected = Report(), selection.count
    each = selected <= log.LOG_EACH and not selection.where
    on_chunk = partial(_log_rows, request, verb, selected) if each else None
    try:
        perform(verb, selection.for_verb(verb), report, on_chunk)
    except TaskModuleError as error:
        model_admin.message_user(request, str(error), messages.ERROR)
    finally:
        if report.done and (selected > 1 or not each):
            _log_all(request, verb, report, selection)
    skipped = not report.is_complete or (report.done < selected and not selected.more)
    text: Any = wording.result(verb, report, selected)
    if len(report.copies) == 1:
        text = _with_link(model_admin, request, text, report.copies[0], _("Show the copy"))
    elif len(report.holders) == 1:
        text = _with_link(model_admin, request, text, report.holders[0], _("Show that job"))
    level = messages.WARNING if skipped else messages.SUCCESS
    model_admin.message_user(request, text, level)
    return report


def _with_link(model_admin: Any, request: HttpRequest, text: str, to: UUID, label: str) -> str:
    return format_html('{} <a href="{}">{}</a>', text, job_url(model_admin, request, to), label)


def _log_rows(request: HttpRequest, verb: Verb, selected: Count, jobs: list[Job]) -> None:
    with log.untranslated():
        label = str(verb.label)
    log.log_rows(request, jobs, label if selected == 1 else f"{label}, {selected} selected")


def _log_all(request: HttpRequest, verb: Verb, report: Report, selection: Selection) -> None:
    with log.untranslated():
        what = f"{verb.label}: {wording.count('%(count)s', report.done)}"
        message = wording.result(verb, report, selection.count) + selection.where
    model = Job if selection.group is None else FailureGroup
    log.log_many(request, model, what, message, object_id=selection.group)


def _url(model_admin: Any, request: HttpRequest, job: Job) -> str:
    """The page of a job, from the list of jobs or from a page of something else."""
    if model_admin.model is Job:
        return job_url(model_admin, request, job.pk)
    return page_url(model_admin, request, Job, "change", job.pk)


def _confirmation(
    model_admin: Any,
    request: HttpRequest,
    verb: Verb,
    selection: Selection,
    applicable: Count,
    back: str,
    by_job: bool,
) -> TemplateResponse:
    jobs = (
        selection.for_verb(verb)
        .order_by("-pk")
        .only("task_path", "status", "last_error", "cancel_requested_at")
    )
    skipped = None if selection.count.more else Count(selection.count - applicable)
    context = {
        **model_admin.admin_site.each_context(request),
        "title": wording.count(verb.question(applicable), applicable),
        "subtitle": None,
        "opts": model_admin.opts,
        # For the breadcrumbs of Django's change form.
        "original": str(verb.label),
        "has_view_permission": True,
        "media": model_admin.media,
        "verb": verb,
        "by_job": by_job,
        "selected": selection.count,
        "applicable": applicable,
        "skipped": skipped,
        "because": wording.count(verb.because(skipped), skipped) if skipped else "",
        "examples": [
            {
                "job": job,
                "status": status_badge(job),
                "task": short_name(job.task_path),
                "url": _url(model_admin, request, job),
            }
            for job in jobs[:EXAMPLES]
        ],
        "ids": selection.ids or (str(selection.until),),
        "until": selection.until,
        "until_name": UNTIL,
        "before": selection.before and selection.before.isoformat(),
        "before_name": BEFORE,
        "confirmed_name": CONFIRMED,
        "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "back": back,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "django_jobs/admin/confirm.html", context)
