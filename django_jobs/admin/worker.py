"""Workers: who runs jobs, and who has been lost."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..db.clock import DbNow
from ..models import Worker
from . import display
from .base import ReadOnlyAdmin
from .outlook import with_liveness


class StateFilter(admin.SimpleListFilter):
    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [("live", _("Live")), ("lost", _("Lost")), ("stopped", _("Stopped"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "live":
                return queryset.filter(stopped_at=None, lease_expires_at__gt=DbNow())
            case "lost":
                return queryset.filter(stopped_at=None, lease_expires_at__lte=DbNow())
            case "stopped":
                return queryset.exclude(stopped_at=None)
        return queryset


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = ("name", "state", "queues_served", "threads", "version", "start", "heartbeat")
    list_filter = (StateFilter,)
    lookups = frozenset({"state"})
    fields: ClassVar[Any] = (
        "name",
        "state",
        "id",
        "backend_name",
        "queues_served",
        "threads",
        "version",
        "start",
        "heartbeat",
        "lease",
        "stop",
    )
    ordering = (F("stopped_at").desc(nulls_first=True), "-pk")

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_liveness(super().get_queryset(request))

    @admin.display(description=gettext_lazy("name"))
    def name(self, worker: Worker) -> str:
        return display.name(worker.name)

    @admin.display(description=gettext_lazy("state"))
    def state(self, worker: Any) -> str:
        if worker.stopped_at is not None:
            return display.badge(_("Stopped"), "quiet")
        if worker.is_live:
            return display.badge(_("Live"), "good")
        return display.badge(_("Lost"), "bad")

    @admin.display(description=gettext_lazy("queues"))
    def queues_served(self, worker: Worker) -> str:
        return display.name(worker.queues)

    @admin.display(description=gettext_lazy("started"))
    def start(self, worker: Worker) -> str:
        return display.moment(worker.started_at)

    @admin.display(description=gettext_lazy("last heartbeat"))
    def heartbeat(self, worker: Worker) -> str:
        return display.moment(worker.last_heartbeat_at)

    @admin.display(description=gettext_lazy("lease expires"))
    def lease(self, worker: Worker) -> str:
        return display.moment(worker.lease_expires_at)

    @admin.display(description=gettext_lazy("stopped"))
    def stop(self, worker: Worker) -> str:
        return display.moment(worker.stopped_at) or "-"
