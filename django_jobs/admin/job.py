"""Jobs: a list to find and act on them, a page for each."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from ..models import Job
from . import display
from .actions import act_on_job, list_actions
from .base import ReadOnlyAdmin
from .changelist import JobChangeList, searched_from
from .detail import detail_context
from .filters import GroupFilter, QueueFilter, SinceFilter, StatusFilter, TaskFilter
from .paginator import Count
from .search import is_indexed, matching, needs_arguments, terms
from .stack import ask_for_stack
from .verbs import VERBS, Verb


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("task", "state", "tries", "time", "error", "queue", "enqueued")
    list_display_links = ("task",)
    list_filter = (StatusFilter, QueueFilter, TaskFilter, SinceFilter, GroupFilter)
    lookups = frozenset({"status", "queue", "task", "since", "group"})
    ordering = ("-pk",)
    search_fields = ("task_path",)
    search_help_text = gettext_lazy(
        "A part of a task’s name, or the id of a job. Also queue:mail, tag:billing, "
        'worker:host:123, error:"timed out", parent:<id>, and order_id=17 for a keyword argument.'
    )
    actions: Any = list_actions()
    fields = ()

    @admin.display(description=gettext_lazy("task"))
    def task(self, job: Job) -> str:
        return display.short_name(job.task_path)

    @admin.display(description=gettext_lazy("status"))
    def state(self, job: Job) -> str:
        return display.status_badge(job)

    @admin.display(description=gettext_lazy("queue"))
    def queue(self, job: Job) -> str:
        return display.name(job.queue_name)

    @admin.display(description=gettext_lazy("attempts"))
    def tries(self, job: Job) -> str:
        return f"{job.attempts}/{job.max_attempts}"

    @admin.display(description=gettext_lazy("time"))
    def time(self, job: Job) -> str:
        return display.timing(job, timezone.now())

    @admin.display(description=gettext_lazy("enqueued"))
    def enqueued(self, job: Job) -> str:
        return display.age(job.enqueued_at, timezone.now())

    @admin.display(description=gettext_lazy("error"), empty_value="")
    def error(self, job: Job) -> str:
        return display.error(job.last_error) if job.last_error else ""

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "retry")

    def has_discard_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "discard")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "cancel")

    def has_copy_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "copy")

    def has_view_arguments_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.view_job_arguments"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[JobChangeList]:
        return JobChangeList

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        wanted = terms(search_term)
        if needs_arguments(wanted) and not self.has_view_arguments_permission(request):
            return queryset.none(), False
        match = request.resolver_match
        if match is not None and match.url_name == "autocomplete" and not is_indexed(wanted):
            # The list sees to that itself, by what it is filtered by.
            oldest = searched_from(Job.objects.all())
            queryset = queryset if oldest is None else queryset.filter(pk__gt=oldest)
        return matching(queryset, wanted), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        response = super().changelist_view(request, extra_context)
        changes = getattr(response, "context_data", {}).get("cl")
        if changes is not None and isinstance(changes.result_count, Count):
            count = changes.result_count
            text = ngettext("%(count)s selected", "All %(count)s selected", count)
            response.context_data["selection_note_all"] = text % {"count": count.text}
        return response

    def shown(self, request: HttpRequest, row: Job) -> dict[str, Any]:
        return detail_context(self, request, row)

    def own_urls(self) -> list[URLPattern]:
        stack = path(
            "<uuid:job_id>/stack/",
            self.admin_site.admin_view(partial(ask_for_stack, model_admin=self)),
            name=f"{self.opts.app_label}_{self.opts.model_name}_stack",
        )
        return [*(self._verb_url(verb) for verb in VERBS.values()), stack]

    def _verb_url(self, verb: Verb) -> URLPattern:
        view = partial(act_on_job, model_admin=self, verb=verb)
        return path(
            f"<uuid:job_id>/{verb.name}/",
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{verb.name}",
        )
