"""What people do with queues: pause, resume and limit them; each is logged."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from django import forms
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext

from ..models import Queue
from ..models.queue import PERSON_LENGTH, QueueQuerySet
from . import log, wording
from .queueforms import LimitForm, PauseForm


@dataclass(frozen=True, slots=True)
class QueueAction:
    """
    :param permission: the verb of it.
    :param act: takes the names and the form, where there is one; returns how many changed.
    :param told: what is said of so many.
    :param form: what is asked first; None for nothing.
    :param present: what the form begins with, for those names.
    :param asked: the title of the page that asks, for so many.
    :param explains: what it does.
    :param label: of the button.
    """

    permission: str
    act: Callable[[HttpRequest, list[str], Any], int]
    told: Callable[[int], str]
    form: type[forms.Form] | None = None
    present: Callable[[list[str]], dict[str, Any]] = lambda names: {}
    asked: Callable[[int], str] = str
    explains: Any = ""
    label: Any = ""


def pause(request: HttpRequest, names: list[str], form: Any) -> int:
    _add_missing(names)
    until, reason = form.cleaned_data["until"], form.cleaned_data["reason"]
    user: Any = request.user
    by = str(user.get_username())[:PERSON_LENGTH]
    when = f" until {until.isoformat()}" if until else ""
    why = f": {reason}" if reason else ""
    change = partial(QueueQuerySet.pause, until=until, reason=reason, by=by)
    return _change(request, names, change, f"Pause{when}{why}")


def resume(request: HttpRequest, names: list[str], form: None = None) -> int:
    """Of those that are paused."""
    return _change(request, names, QueueQuerySet.resume, "Resume")


def limit(request: HttpRequest, names: list[str], form: Any) -> int:
    most: int | None = form.cleaned_data["limit"]
    if most is not None:
        _add_missing(names)
    message = "Limit: none" if most is None else f"Limit: {most}"
    return _change(request, names, partial(QueueQuerySet.set_limit, limit=most), message)


def _change(
    request: HttpRequest,
    names: list[str],
    change: Callable[[QueueQuerySet], int],
    message: str,
) -> int:
    """One by one, so that no history says what did not happen. Returns how many changed."""
    rows = Queue.objects.filter(pk__in=names)
    changed = [row for row in rows if change(Queue.objects.filter(pk=row.pk))]
    if changed:
        log.log_rows(request, changed, message)
    return len(changed)


def _add_missing(names: list[str]) -> None:
    for name in names:
        Queue.objects.get_or_create(name=name)


def _present_pause(names: list[str]) -> dict[str, Any]:
    """The pause that is there, where somebody wants to change it."""
    rows = list(Queue.objects.paused().filter(pk__in=names)[:2])
    if len(rows) != 1 or len(names) != 1:
        return {}
    until = rows[0].paused_until
    return {"until": until and timezone.localtime(until), "reason": rows[0].pause_reason}


def _present_limit(names: list[str]) -> dict[str, Any]:
    rows = list(Queue.objects.filter(pk__in=names)) if len(names) == 1 else []
    return {"limit": rows[0].limit} if rows else {}


def _paused(n: int) -> str:
    text = ngettext("%(count)s queue was paused.", "%(count)s queues were paused.", n)
    return wording.count(text, n)


def _resumed(n: int) -> str:
    text = ngettext("%(count)s queue was resumed.", "%(count)s queues were resumed.", n)
    return wording.count(text, n)


def _limited(n: int) -> str:
    text = ngettext(
        "The limit of %(count)s queue was changed.",
        "The limits of %(count)s queues were changed.",
        n,
    )
    return wording.count(text, n)


def _asks_to_pause(n: int) -> str:
    return wording.count(ngettext("Pause %(count)s queue", "Pause %(count)s queues", n), n)


def _asks_to_limit(n: int) -> str:
    return wording.count(ngettext("Limit %(count)s queue", "Limit %(count)s queues", n), n)


ACTIONS: Final = {
    "pause": QueueAction(
        "pause",
        pause,
        _paused,
        form=PauseForm,
        present=_present_pause,
        asked=_asks_to_pause,
        explains=gettext_lazy(
            "Workers finish what they run and claim no more jobs of a paused queue, until the "
            "pause ends by itself or somebody resumes it. Jobs can still be enqueued. A queue that "
            "is paused already gets this end and reason instead of its own."
        ),
        label=gettext_lazy("Pause"),
    ),
    "resume": QueueAction("pause", resume, _resumed),
    "limit": QueueAction(
        "limit",
        limit,
        _limited,
        form=LimitForm,
        present=_present_limit,
        asked=_asks_to_limit,
        explains=gettext_lazy(
            "No more jobs of a queue than that run at once, over all workers; what already runs is "
            "finished. The others wait, and hold up no other queue. Each queue has its own limit."
        ),
        label=gettext_lazy("Set the limit"),
    ),
}
