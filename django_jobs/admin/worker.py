"""Workers: who runs jobs, what each is at, and who has been lost."""

from functools import partial
from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import F
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..db.clock import DbNow
from ..models import Phase, Worker
from . import display
from .base import ReadOnlyAdmin
from .control import STACKS, VERBS, WorkerVerb, act_on_worker
from .outlook import with_liveness
from .readings import lost, lost_workers
from .workerpage import occupation, page_context


class WorkerChangeList(ChangeList):
    """Leaves the columns out that may be large."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_queryset(*args, **kwargs).defer("running", "stacks")


class StateFilter(admin.SimpleListFilter):
    """Live workers unless others are asked for: old ones are many, and of little interest."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Any:
        return [
            ("live", _("Live")),
            ("lost", _("Lost")),
            ("stopped", _("Stopped")),
            ("all", _("All")),
        ]

    def choices(self, changelist: Any) -> Any:
        for value, title in self.lookup_choices:
            yield {
                "selected": value == (self.value() or "live"),
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": title,
            }

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        match self.value():
            case "lost":
                return lost(queryset)
            case "stopped":
                return queryset.exclude(stopped_at=None)
            case "all":
                return queryset
        return queryset.filter(stopped_at=None, lease_expires_at__gt=DbNow())


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    list_display = (
        "name",
        "state",
        "queues_served",
        "occupied",
        "heartbeat",
        "held",
        "version",
        "release",
    )
    list_filter = (StateFilter,)
    lookups = frozenset({"state"})
    fields = ()
    ordering: ClassVar[Any] = (F("stopped_at").desc(nulls_first=True), "-pk")

    def has_control_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "control")

    def has_stacks_permission(self, request: HttpRequest) -> bool:
        user: Any = request.user
        return bool(user.has_perm(f"{self.opts.app_label}.view_worker_stacks"))

    def get_queryset(self, request: HttpRequest) -> Any:
        return with_liveness(super().get_queryset(request))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[WorkerChangeList]:
        return WorkerChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        response = super().changelist_view(request, extra_context)
        context = getattr(response, "context_data", None)
        if context is not None and request.GET.get("state") in (None, "live"):
            count = lost_workers()
            context["lost"] = count.text if count else ""
        return response

    def shown(self, request: HttpRequest, row: Worker) -> dict[str, Any]:
        return {**page_context(self, request, row), "state": self.state(row)}

    def own_urls(self) -> list[URLPattern]:
        return [self._verb_url(verb) for verb in (*VERBS, STACKS)]

    def _verb_url(self, verb: WorkerVerb) -> URLPattern:
        view = partial(act_on_worker, model_admin=self, verb=verb)
        return path(
            f"<uuid:worker_id>/{verb.name}/",
            self.admin_site.admin_view(view),
            name=f"{self.opts.app_label}_{self.opts.model_name}_{verb.name}",
        )

    @admin.display(description=gettext_lazy("name"))
    def name(self, worker: Worker) -> str:
        return display.name(worker.name)

    @admin.display(description=gettext_lazy("state"))
    def state(self, worker: Any) -> str:
        if worker.stopped_at is not None:
            return display.badge(_("Stopped"), "quiet")
        if not worker.is_live:
            return display.badge(_("Lost"), "bad")
        if worker.phase in ("", Phase.RUNNING):
            return display.badge(_("Live"), "good")
        return display.badge(worker.get_phase_display(), "wait")

    @admin.display(description=gettext_lazy("queues"))
    def queues_served(self, worker: Worker) -> str:
        return display.name(worker.queues)

    @admin.display(description=gettext_lazy("occupied"))
    def occupied(self, worker: Worker) -> str:
        return occupation(worker)

    @admin.display(description=gettext_lazy("memory"))
    def held(self, worker: Worker) -> str:
        return "-" if worker.memory is None else filesizeformat(worker.memory)

    @admin.display(description=gettext_lazy("heartbeat"))
    def heartbeat(self, worker: Worker) -> str:
        return display.age(worker.last_heartbeat_at, timezone.now())
