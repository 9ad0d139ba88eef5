"""The filters of the job list. None of them reads more of the table than an index holds."""

from datetime import timedelta
from typing import Any, Final

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..failure import is_storable
from ..ids import first_uuid7
from ..many import RETRYING
from ..models import FailureGroup, Status
from .names import Names, known_names


def names_for(request: HttpRequest) -> Names:
    """The known names, looked up once for each request."""
    holder: Any = request
    if not hasattr(holder, "_django_jobs_names"):
        holder._django_jobs_names = known_names()
    names: Names = holder._django_jobs_names
    return names


class Filter(admin.SimpleListFilter):
    """
    A filter by one parameter, for the rows with that value in ``column``. One that is not offered
    may come in a link all the same.
    """

    column: str = ""

    def choices_with_current(self, names: list[str]) -> list[str]:
        value = self.value()
        return names if value is None or value in names else [*names, value]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        value = self.value()
        if value is None:
            return queryset
        return queryset.filter(self.condition(value)) if is_storable(value) else queryset.none()

    def condition(self, value: str) -> Q:
        return Q(**{self.column: value})


class StatusFilter(Filter):
    title = _("status")
    parameter_name = "status"
    column = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        choices: list[tuple[Any, Any]] = list(Status.choices)
        choices.insert(1, (RETRYING, _("Retrying")))
        return choices

    def condition(self, value: str) -> Q:
        if value == RETRYING:
            return Q(status=Status.SCHEDULED, attempts__gt=0)
        return super().condition(value)


class QueueFilter(Filter):
    title = _("queue")
    parameter_name = "queue"
    column = "queue_name"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(name, name) for name in self.choices_with_current(names_for(request).queues)]


class TaskFilter(Filter):
    title = _("task")
    parameter_name = "task"
    column = "task_path"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        paths = self.choices_with_current(names_for(request).tasks)
        names = [path.rpartition(".")[2] for path in paths]
        labels = [
            name if names.count(name) == 1 else path
            for path, name in zip(paths, names, strict=True)
        ]
        return sorted(zip(paths, labels, strict=True), key=lambda choice: choice[1])


class SinceFilter(Filter):
    """By the time in the job's id, so that the primary key serves it."""

    title = _("enqueued")
    parameter_name = "since"
    periods: Final = {
        "1h": (_("In the last hour"), timedelta(hours=1)),
        "24h": (_("In the last 24 hours"), timedelta(hours=24)),
        "7d": (_("In the last 7 days"), timedelta(days=7)),
        "30d": (_("In the last 30 days"), timedelta(days=30)),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [(name, label) for name, (label, _period) in self.periods.items()]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in self.periods:
            return queryset
        _label, period = self.periods[self.value() or ""]
        return queryset.filter(pk__gte=first_uuid7(timezone.now() - period))


class GroupFilter(Filter):
    """By the failure; shown where a link has chosen one, since there may be very many."""

    title = _("failure")
    parameter_name = "group"
    column = "failure_group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        value = self.value()
        if value is None:
            return []
        group = FailureGroup.objects.filter(pk=value).first() if is_storable(value) else None
        return [(value, group or value)]
