"""What people are asked when they pause, limit or list a queue."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..conf import QUEUE_NAME
from ..models import Queue
from ..models.queue import LIMIT_MOST, PAUSE_MOST, REASON_LENGTH
from .names import known_queues

NAME_LENGTH: Final = 64


class QueueNameInput(forms.TextInput):
    """A text input that suggests the names of queues already in use."""

    template_name = "django_jobs/admin/queue_name.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        context["known_queues"] = known_queues()
        return context


class PauseForm(forms.Form):
    """How long a queue is to be paused, and why."""

    until = forms.DateTimeField(
        label=gettext_lazy("Until"),
        required=False,
        # With seconds, which a browser shows where there are any: the end of a pause that is there
        # is not to be cut.
        widget=forms.DateTimeInput(format="%Y-%m-%dT%H:%M:%S", attrs={"type": "datetime-local"}),
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"class": "vTextField"}),
        help_text=gettext_lazy("For whoever sees it later."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        text = _("Empty: until somebody resumes it. In the time zone %s.")
        self.fields["until"].help_text = text % timezone.get_current_timezone_name()

    def clean_until(self) -> datetime | None:
        until: datetime | None = self.cleaned_data["until"]
        if until is not None and until <= timezone.now():
            raise forms.ValidationError(_("This time is past."))
        if until is not None and until - timezone.now() > PAUSE_MOST:
            raise forms.ValidationError(_("A pause ends within a hundred years."))
        return until


class LimitForm(forms.Form):
    """How many jobs of a queue may run at once."""

    limit = forms.IntegerField(
        label=gettext_lazy("Limit"),
        required=False,
        min_value=1,
        max_value=LIMIT_MOST,
        help_text=gettext_lazy("How many of its jobs run at once, over all workers. Empty: any."),
    )


class QueueForm(forms.ModelForm, PauseForm, LimitForm):  # type: ignore[type-arg]
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=NAME_LENGTH,
        validators=[
            RegexValidator(
                rf"^{QUEUE_NAME.pattern}\Z",
                gettext_lazy("Use letters, digits, “_”, “.” and “-”, 64 at most."),
            )
        ],
        widget=QueueNameInput(attrs={"class": "vTextField", "list": "jobs-known-queues"}),
        help_text=gettext_lazy(
            "A queue works without being listed here. List one in order to pause or limit it."
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

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        given = self.cleaned_data
        if not given.get("pause") and (given.get("until") or given.get("reason")):
            text = _("An end and a reason are those of a pause: tick this, or leave both empty.")
            self.add_error("pause", text)
        return cleaned
