"""Queues: what waits in each and who serves it; pause, resume and limit them."""

from typing import Any, ClassVar, Final
from urllib.parse import urlencode

import django
from django import forms
from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.contrib.admin.utils import quote
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ..conf import QUEUE_NAME
from ..failure import is_storable
from ..models import Job, Queue, Status, Worker
from . import display
from .base import ReadOnlyAdmin
from .lanes import MOST, RATE_MINUTES, Lane, lane_of, lanes
from .paginator import Count
from .queueactions import ACTIONS, QueueAction
from .queueforms import QueueForm
from .urls import page_url

CONFIRMED: Final = "confirmed"
WORKERS_SHOWN: Final = 3


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    form = QueueForm
    fields: ClassVar[Any] = ()

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "pause")

    def has_limit_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "limit")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_pause_permission(request) or self.has_limit_permission(request)

    def get_queryset(self, request: HttpRequest) -> Any:
        rows: Any = super().get_queryset(request)
        return rows.with_state()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj is not None:
            return super().get_fields(request, obj)
        pause = ("pause", "until", "reason") if self.has_pause_permission(request) else ()
        return ("name", *pause, *(("limit",) if self.has_limit_permission(request) else ()))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        obj.limit = None  # so that what follows changes it, and logs that
        super().save_model(request, obj, form, change)
        if form.cleaned_data["pause"] and self.has_pause_permission(request):
            ACTIONS["pause"].act(request, [obj.pk], form)
        if form.cleaned_data["limit"] and self.has_limit_permission(request):
            ACTIONS["limit"].act(request, [obj.pk], form)

    def shown(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        site = self.admin_site.name
        return {
            "title": row.name,
            "subtitle": None,
            "row": _row(self, request, lane_of(row)),
            "may_pause": self.has_pause_permission(request),
            "may_limit": self.has_limit_permission(request),
            "list_url": reverse("admin:django_jobs_queue_changelist", current_app=site),
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
        }

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        if not self.has_view_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            return self._act(request)
        shown = lanes()
        context = {
            **self.admin_site.each_context(request),
            "title": capfirst(self.opts.verbose_name_plural),
            "subtitle": None,
            "opts": self.opts,
            "media": self.media,
            "rows": [_row(self, request, lane) for lane in shown[:MOST]],
            "is_cut": len(shown) > MOST,
            "may_pause": self.has_pause_permission(request),
            "may_limit": self.has_limit_permission(request),
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "crumbs_are_a_list": django.VERSION >= (6, 1),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name
        template = "admin/django_jobs/queue/change_list.html"
        return TemplateResponse(request, template, context)

    def _act(self, request: HttpRequest) -> HttpResponseBase:
        """Do what the buttons of the list say with the queues that are ticked."""
        action = ACTIONS.get(request.POST.get("action", ""))
        names = list(dict.fromkeys(request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)))
        if action is not None and not self.is_allowed(request, action.permission):
            raise PermissionDenied
        if action is None or not _are_queues(names):
            raise BadRequest("That is nothing to be done with queues.")
        if not names:
            self.message_user(request, _("No queue was selected."), messages.WARNING)
            return HttpResponseRedirect(request.get_full_path())
        form = None
        if action.form is not None:
            # Unconfirmed, what is filled in already is where the next page begins.
            filled = {n: request.POST[n] for n in action.form.base_fields if n in request.POST}
            form = action.form(
                request.POST if CONFIRMED in request.POST else None,
                initial=action.present(names) | filled,
            )
            if not form.is_valid():
                return self._ask(request, action, names, form)
        n = action.act(request, names, form)
        level = messages.SUCCESS if n else messages.WARNING
        self.message_user(request, action.told(n), level)
        return HttpResponseRedirect(request.get_full_path())

    def _ask(
        self, request: HttpRequest, action: QueueAction, names: list[str], form: forms.Form
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": action.asked(len(names)),
            "subtitle": None,
            "opts": self.opts,
            # For the breadcrumbs of Django's change form.
            "original": str(action.label),
            "has_view_permission": True,
            "media": self.media,
            "form": form,
            "names": names,
            "action": action,
            "action_name": request.POST["action"],
            "confirmed_name": CONFIRMED,
            "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            "back": request.get_full_path(),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "django_jobs/admin/ask_queues.html", context)


def _are_queues(names: list[str]) -> bool:
    """Whether a queue can have each of these names, or has it already: of an older release, say."""
    odd = {name for name in names if not QUEUE_NAME.fullmatch(name)}
    if not all(is_storable(name) for name in odd):
        return False
    return odd <= set(Queue.objects.filter(pk__in=odd).values_list("pk", flat=True))


def _running(lane: Lane) -> str:
    """How many of its jobs run, and of how many that may."""
    if lane.limit is None:
        return lane.running.text
    return _("%(running)s of %(limit)s") % {
        "running": lane.running.text,
        "limit": Count(lane.limit).text,
    }


def _row(model_admin: Any, request: HttpRequest, lane: Lane) -> dict[str, Any]:
    """What the list shows of a queue; links only to where the user may go."""
    jobs_url = page_url(model_admin, request, Job, "changelist")

    def jobs(text: Any, *of_status: Status) -> str:
        where = urlencode([("queue", lane.name), *(("status", each) for each in of_status)])
        return display.link(text, jobs_url and f"{jobs_url}?{where}")

    row: Any = lane.row if lane.is_paused else None
    return {
        "lane": lane,
        "name": jobs(display.name(lane.name)),
        "url": lane.row and page_url(model_admin, request, Queue, "change", quote(lane.row.pk)),
        "state": display.queue_state(lane.is_paused),
        "since": row and display.moment(row.paused_at),
        "until": row and display.moment(row.paused_until),
        "reason": row.pause_reason if row else "",
        "by": row.paused_by if row else "",
        "ready": jobs(lane.ready.text, Status.READY),
        "scheduled": jobs(lane.scheduled.text, Status.SCHEDULED),
        "running": jobs(_running(lane), Status.RUNNING),
        "rate": display.tenths(lane.done / RATE_MINUTES),
        "oldest": lane.oldest and display.age(lane.oldest, timezone.now()),
        "workers": [
            {
                "name": display.link(
                    worker.name, page_url(model_admin, request, Worker, "change", worker.pk)
                ),
                "phase": "" if worker.phase in ("", "running") else worker.get_phase_display(),
            }
            for worker in lane.workers[:WORKERS_SHOWN]
        ],
        "more_workers": max(0, len(lane.workers) - WORKERS_SHOWN),
        "nobody": bool(lane.ready) and not lane.is_served,
    }
