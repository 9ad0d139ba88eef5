"""The verbs as actions of the list, and as buttons of a job's page."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.templatetags.admin_urls import add_preserved_filters
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _

from ..exceptions import TaskModuleError
from ..models import Job, JobQuerySet
from . import log, wording
from .display import short_name, status_badge
from .paginator import Count
from .perform import Report, perform
from .selection import UNTIL, Selection
from .verbs import COPY, VERBS, Verb

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
    selection = Selection.of(request, listed)
    if verb is COPY and selection.count > COPY_LIMIT:
        text = _("At most %(limit)s jobs can be copied at once; %(count)s are selected.")
        counts = {"limit": Count(COPY_LIMIT).text, "count": selection.count.text}
        model_admin.message_user(request, text % counts, messages.ERROR)
        return None
    if selection.count > 1 and CONFIRMED not in request.POST:
        applicable = selection.count_for(verb)
        if applicable:
            return _confirmation(model_admin, request, verb, selection, applicable)
    where = f" Selected by {request.GET.urlencode()!r}." if selection.until else ""
    _do(model_admin, request, verb, selection.jobs, selection.count, where)
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
    if not Job.objects.filter(pk=job_id).exists():
        gone: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, str(job_id)
        )
        return gone
    report = _do(model_admin, request, verb, Job.objects.filter(pk=job_id), Count(1))
    shown = report.copies[0] if report.copies else job_id
    return HttpResponseRedirect(_job_url(model_admin, request, shown))


def _do(
    model_admin: Any,
    request: HttpRequest,
    verb: Verb,
    jobs: JobQuerySet,
    selected: Count,
    where: str = "",
) -> Report:
    report = Report()
    each = selected <= log.LOG_EACH and not where
    try:
        perform(verb, jobs, report, partial(_log_rows, request, verb, selected) if each else None)
    except TaskModuleError as error:
        model_admin.message_user(request, str(error), messages.ERROR)
    finally:
        if report.done and (selected > 1 or not each):
            _log_all(request, verb, report, selected, where)
    skipped = not report.is_complete or (report.done < selected and not selected.more)
    text: Any = wording.result(verb, report, selected)
    if len(report.copies) == 1:
        url = _job_url(model_admin, request, report.copies[0])
        text = format_html('{} <a href="{}">{}</a>', text, url, _("Show the copy"))
    level = messages.WARNING if skipped else messages.SUCCESS
    model_admin.message_user(request, text, level)
    return report


def _log_rows(request: HttpRequest, verb: Verb, selected: Count, jobs: list[Job]) -> None:
    with log.untranslated():
        label = str(verb.label)
    log.log_rows(request, jobs, label if selected == 1 else f"{label}, {selected} selected")


def _log_all(request: HttpRequest, verb: Verb, report: Report, selected: Count, where: str) -> None:
    with log.untranslated():
        what = f"{verb.label}: {wording.count('%(count)s', report.done)}"
        message = wording.result(verb, report, selected) + where
    log.log_many(request, Job, what, message)


def _job_url(model_admin: Any, request: HttpRequest, job_id: UUID) -> str:
    opts = model_admin.opts
    url = reverse(
        f"admin:{opts.app_label}_{opts.model_name}_change",
        args=[job_id],
        current_app=model_admin.admin_site.name,
    )
    preserved = model_admin.get_preserved_filters(request)
    return add_preserved_filters({"preserved_filters": preserved, "opts": opts}, url)


def _confirmation(
    model_admin: Any, request: HttpRequest, verb: Verb, selection: Selection, applicable: Count
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
        "original": verb.label,
        "has_view_permission": True,
        "media": model_admin.media,
        "verb": verb,
        "selected": selection.count,
        "applicable": applicable,
        "skipped": skipped,
        "because": wording.count(verb.because(skipped), skipped) if skipped else "",
        "examples": [
            {"job": job, "status": status_badge(job), "task": short_name(job.task_path)}
            for job in jobs[:EXAMPLES]
        ],
        "ids": selection.ids or (str(selection.until),),
        "until": selection.until,
        "until_name": UNTIL,
        "confirmed_name": CONFIRMED,
        "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        "back": request.get_full_path(),
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "django_jobs/admin/confirm.html", context)
