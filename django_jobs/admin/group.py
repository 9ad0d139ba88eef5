"""Failure groups: what fails most and why, and all of its jobs at once."""

from functools import partial
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.db.models import Case, IntegerField, Value, When
from django.db.models.functions import Coalesce
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseNotAllowed
from django.http import HttpResponseRedirect as Redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from ..many import RETRYING
from ..models import FailureGroup, Job, JobAttempt, Status
from . import display
from .actions import act_on_selection
from .base import ReadOnlyAdmin
from .group_counts import LISTED_LIMIT, counts_of
from .paginator import COUNT_LIMIT, Count
from .readings import most_dead
from .searchbox import SearchedChangeList
from .selection import Selection
from .verbs import CANCEL, DISCARD, RETRY, Verb

PER_PAGE: Final = 25
# What the buttons say, each for all jobs of the group that it is for.
BUTTONS: Final = (
    (RETRY, ngettext_lazy("Retry the job", "Retry all %(count)s", "number")),
    (DISCARD, ngettext_lazy("Discard the job", "Discard all %(count)s", "number")),
    (CANCEL, ngettext_lazy("Cancel the job", "Cancel all %(count)s", "number")),
)


class WaitingFilter(admin.SimpleListFilter):
    title = gettext_lazy("jobs")
    parameter_name = "jobs"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("dead", _("Some are dead")),
            ("retrying", _("Some are retrying")),
            ("none", _("None is left")),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "dead":
                return queryset.filter(waiting=Status.DEAD)
            case "retrying":
                return queryset.filter(waiting=Status.SCHEDULED)
            case "none":
                return queryset.filter(waiting=None)
        return queryset


class GroupChangeList(SearchedChangeList):
    """
    Knows of the groups with the most dead jobs how many these are, ``known_dead``, to sort by;
    and counts the jobs of all groups on the page. Each takes one statement.
    """

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        known = [When(pk=pk, then=Value(dead)) for pk, dead in most_dead().items()]
        dead = Case(*known, default=Value(0), output_field=IntegerField())
        self.root_queryset = self.root_queryset.annotate(known_dead=dead)
        return super().get_queryset(request, *args, **kwargs)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        groups: Any = list(self.result_list)
        counts = counts_of([group.pk for group in groups], LISTED_LIMIT)
        for group in groups:
            group.counts = counts[group.pk]
        self.result_list = groups


@admin.register(FailureGroup)
class FailureGroupAdmin(ReadOnlyAdmin):
    list_display = ("failure", "error", "dead", "retrying", "attempts", "first", "last")
    list_filter = (WaitingFilter,)
    lookups = frozenset({"jobs"})
    list_per_page = PER_PAGE
    list_max_show_all = PER_PAGE
    sortable_by: ClassVar[Any] = ("dead", "attempts", "first", "last")
    search_fields = ("task_path", "exception_class", "place", "message")
    search_help_text = gettext_lazy(
        "A part of a task’s name, of an exception’s, of its message, or of a place."
    )
    actions: Any = None
    fields = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return FailureGroup.objects.with_waiting()

    def get_ordering(self, request: HttpRequest) -> tuple[Any, ...]:
        """Where jobs wait for somebody first, and most of them; those that are over last."""
        return (Coalesce("waiting", Value("Z")).asc(), "-known_dead", "-last_seen", "-pk")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return GroupChangeList

    @admin.display(description=gettext_lazy("task"))
    def failure(self, group: FailureGroup) -> str:
        return display.short_name(group.task_path)

    @admin.display(description=gettext_lazy("error"))
    def error(self, group: FailureGroup) -> str:
        place = display.name(_("in %s") % group.place) if group.place else ""
        return format_html(
            "<strong>{}</strong>{} {}",
            display.name(group.error),
            place,
            display.error(group.message),
        )

    @admin.display(description=gettext_lazy("dead"), ordering="known_dead")
    def dead(self, group: Any) -> str:
        return self._listed(group, Status.DEAD, Status.DEAD)

    @admin.display(description=gettext_lazy("retrying"))
    def retrying(self, group: Any) -> str:
        return self._listed(group, Status.SCHEDULED, RETRYING)

    def _listed(self, group: Any, status: Status, value: str) -> str:
        """How many, with a link to them."""
        count: Count = group.counts[status]
        if not count:
            return count.text
        return format_html('<a href="{}">{}</a>', self._jobs_url(group, value), count.text)

    @admin.display(description=gettext_lazy("failed"), ordering="seen")
    def attempts(self, group: FailureGroup) -> str:
        return number_format(group.seen, force_grouping=True)

    @admin.display(description=gettext_lazy("first seen"), ordering="first_seen")
    def first(self, group: FailureGroup) -> str:
        return display.age(group.first_seen, timezone.now())

    @admin.display(description=gettext_lazy("last seen"), ordering="last_seen")
    def last(self, group: FailureGroup) -> str:
        return display.age(group.last_seen, timezone.now())

    def may(self, request: HttpRequest, verb: str) -> bool:
        """Whether the user may do ``verb`` to jobs; it takes looking at them too."""
        user: Any = request.user
        return all(user.has_perm(f"django_jobs.{name}_job") for name in ("view", verb))

    def shown(self, request: HttpRequest, row: FailureGroup) -> dict[str, Any]:
        return self._context(request, row)

    def _context(self, request: HttpRequest, group: FailureGroup) -> dict[str, Any]:
        counts = counts_of([group.pk], COUNT_LIMIT)[group.pk]
        outcome = JobAttempt.Outcome(group.outcome)
        tone = display.OUTCOME_TONES[outcome] if any(counts.values()) else "quiet"
        sees_jobs = self.may(request, "view")
        example = Job.objects.filter(pk=group.job_id).only("pk").first() if sees_jobs else None
        return {
            "title": str(group),
            "subtitle": None,
            "group": group,
            "badge": display.badge(outcome.label, tone),
            "is_over": not any(counts.values()),
            "tasks_url": self._tasks_url(group) if sees_jobs else "",
            "counts": [
                {
                    "label": label,
                    "count": counts[status].text,
                    "url": self._jobs_url(group, value) if counts[status] and sees_jobs else "",
                }
                for label, status, value in (
                    (_("Dead"), Status.DEAD, Status.DEAD),
                    (_("Retrying"), Status.SCHEDULED, RETRYING),
                )
            ],
            "seen": self.attempts(group),
            "first": display.moment(group.first_seen),
            "last": display.moment(group.last_seen),
            "example": example and self._url("job_change", example.pk),
            "buttons": [
                {
                    "verb": verb,
                    "label": label % {"number": count, "count": count.text},
                    "url": self._url(f"failuregroup_{verb.name}", group.pk),
                }
                for verb, label in BUTTONS
                if (count := counts[verb.statuses[0]]) and self.may(request, verb.name)
            ],
        }

    def _url(self, name: str, *args: Any) -> str:
        name = f"admin:django_jobs_{name}"
        return reverse(name, args=args, current_app=self.admin_site.name)

    def _jobs_url(self, group: FailureGroup, status: str) -> str:
        return (
            f"{self._url('job_changelist')}?{urlencode([('group', group.pk), ('status', status)])}"
        )

    def _tasks_url(self, group: FailureGroup) -> str:
        return f"{self._url('job_changelist')}?{urlencode([('task', group.task_path)])}"

    def own_urls(self) -> list[URLPattern]:
        return [
            path(
                f"<slug:group>/{verb.name}/",
                self.admin_site.admin_view(partial(act_on_group, model_admin=self, verb=verb)),
                name=f"django_jobs_failuregroup_{verb.name}",
            )
            for verb, _label in BUTTONS
        ]


def act_on_group(
    request: HttpRequest, group: str, *, model_admin: Any, verb: Verb
) -> HttpResponseBase:
    """Do ``verb`` to all jobs of a group that it is for."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not (model_admin.has_view_permission(request) and model_admin.may(request, verb.name)):
        raise PermissionDenied
    row = FailureGroup.objects.filter(pk=group).first()
    if row is None:
        gone: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, group
        )
        return gone
    try:
        selection = Selection.of_group(request, row, verb)
    except ValidationError as error:
        raise BadRequest("That is no selection of rows.") from error
    back = model_admin._url("failuregroup_change", group)
    asked = act_on_selection(model_admin, request, selection, verb, back)
    return asked or Redirect(back)
