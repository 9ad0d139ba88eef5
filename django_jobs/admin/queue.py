"""Queues: pause and resume them."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.validators import RegexValidator
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from ..conf import QUEUE_NAME
from ..models import Queue
from . import display, log, wording
from .base import ReadOnlyAdmin
from .names import known_queues


class QueueNameInput(forms.TextInput):
    """A text input that suggests the names of queues already in use."""

    template_name = "django_jobs/admin/queue_name.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["known_queues"] = known_queues()
        return context


class QueueForm(forms.ModelForm):  # type: ignore[type-arg]
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=64,
        validators=[
            RegexValidator(
                rf"^{QUEUE_NAME.pattern}\Z",
                gettext_lazy("Use letters, digits, “_”, “.” and “-”, 64 at most."),
            )
        ],
        widget=QueueNameInput(attrs={"class": "vTextField", "list": "jobs-known-queues"}),
        help_text=gettext_lazy(
            "A queue works without being listed here. List one in order to pause it."
        ),
    )
    pause = forms.BooleanField(
        label=gettext_lazy("Pause it now"),
        required=False,
        initial=True,
        help_text=gettext_lazy("Workers finish what they run and claim no more jobs of it."),
    )

    class Meta:
        model = Queue
        fields = ("name",)


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    form = QueueForm
    list_display = ("queue", "state", "since")
    ordering = ("name",)
    actions: Any = ("pause", "resume")
    fields: ClassVar[Any] = ("queue", "state", "since")

    def has_pause_permission(self, request: HttpRequest) -> bool:
        return self.is_allowed(request, "pause")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.has_pause_permission(request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else ("name", "pause")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if form.cleaned_data["pause"]:
            Queue.objects.filter(pk=obj.pk).pause()
            with log.untranslated():
                log.log_rows(request, [obj], PAUSE)

    @admin.display(description=gettext_lazy("name"))
    def queue(self, queue: Queue) -> str:
        return display.name(queue.name)

    @admin.display(description=gettext_lazy("state"))
    def state(self, queue: Queue) -> str:
        if queue.paused_at is None:
            return display.badge(_("Open"), "good")
        return display.badge(_("Paused"), "wait")

    @admin.display(description=gettext_lazy("paused since"))
    def since(self, queue: Queue) -> str:
        return display.moment(queue.paused_at) or "-"

    @admin.action(permissions=["pause"], description=gettext_lazy("Pause"))
    def pause(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset.filter(paused_at=None))
        n = Queue.objects.filter(pk__in=[row.pk for row in rows]).pause()
        self._tell(
            request,
            rows,
            PAUSE,
            ngettext("%(count)s queue was paused.", "%(count)s queues were paused.", n),
            n,
        )

    @admin.action(permissions=["pause"], description=gettext_lazy("Resume"))
    def resume(self, request: HttpRequest, queryset: Any) -> None:
        rows = list(queryset.paused())
        n = Queue.objects.filter(pk__in=[row.pk for row in rows]).resume()
        self._tell(
            request,
            rows,
            RESUME,
            ngettext("%(count)s queue was resumed.", "%(count)s queues were resumed.", n),
            n,
        )

    def _tell(self, request: HttpRequest, rows: list[Queue], done: str, text: str, n: int) -> None:
        if rows:
            log.log_rows(request, rows, done)
        level = messages.SUCCESS if n else messages.WARNING
        self.message_user(request, wording.count(text, n), level)


PAUSE = "Pause"
RESUME = "Resume"
