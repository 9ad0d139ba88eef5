"""How values are shown: pure functions from values to text, or to escaped HTML."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Job, JobAttempt, Status

FOLD_LINES: Final = 12
FOLD_LENGTH: Final = 1_000

TONES: Final = {
    Status.SCHEDULED: "wait",
    Status.READY: "wait",
    Status.RUNNING: "busy",
    Status.SUCCESSFUL: "good",
    Status.DEAD: "bad",
    Status.CANCELLED: "quiet",
    Status.DISCARDED: "quiet",
}
OUTCOME_TONES: Final = {
    JobAttempt.Outcome.FAILED: "bad",
    JobAttempt.Outcome.TIMED_OUT: "bad",
    JobAttempt.Outcome.LOST: "bad",
    JobAttempt.Outcome.SNOOZED: "wait",
    JobAttempt.Outcome.RELEASED: "quiet",
    JobAttempt.Outcome.CANCELLED: "quiet",
}

_UNITS: Final = (
    (86_400, gettext_lazy("%s d")),
    (3_600, gettext_lazy("%s h")),
    (60, gettext_lazy("%s min")),
    (1, gettext_lazy("%s s")),
)


def badge(text: Any, tone: str) -> SafeString:
    """``text`` with a colour beside it; the colour never says more than the text."""
    return format_html('<span class="jobs-badge jobs-{}">{}</span>', tone, text)


def is_cancelling(job: Job) -> bool:
    """Whether the job runs and was asked to end."""
    return job.status == Status.RUNNING and job.cancel_requested_at is not None


def status_badge(job: Job) -> SafeString:
    """The job's status, or that it is being cancelled."""
    status = Status(job.status)
    label = _("Cancelling") if is_cancelling(job) else status.label
    return badge(label, TONES[status])


def queue_state(is_paused: bool) -> SafeString:
    return badge(_("Paused"), "wait") if is_paused else badge(_("Open"), "good")


def tenths(number: float) -> str:
    """A share or a rate, rounded to a tenth; one that is less but not 0 doesn't look like 0."""
    if number > 0 and not round(number, 1):
        return _("< %s") % number_format(0.1, 1)
    # Rounded first: number_format() only cuts.
    return number_format(round(number, 1), 1, force_grouping=True)


def duration(seconds: float) -> str:
    """
    A length of time, in its two largest units: ``2 h 5 min``; ``3.2 s``; ``45 ms``.

    Negative ones, where two clocks disagree, are shown as none.
    """
    seconds = max(seconds, 0.0)
    if seconds < 1:
        return _("%s ms") % round(seconds * 1000)
    if seconds < 10:
        return _("%s s") % number_format(round(seconds, 1))
    rest = round(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        amount, rest = divmod(rest, size)
        if amount:
            parts.append(unit % amount)
        if len(parts) == 2 or (parts and not amount):
            break
    return " ".join(parts[:2])


def rough(seconds: float) -> str:
    """A length of time in whole seconds, or in its largest unit: ``2 h``."""
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return unit % max(int(seconds // size), 0)


def between(start: datetime | None, end: datetime | None) -> str:
    """The time from ``start`` to ``end``; empty where one of them is not known."""
    return "" if start is None or end is None else duration((end - start).total_seconds())


def moment(value: datetime | None) -> str:
    """A time with its seconds, in the current time zone; empty for None."""
    if value is None:
        return ""
    return date_format(timezone.localtime(value), "Y-m-d H:i:s")


def moment_after(start: datetime, value: datetime) -> str:
    """``value`` as ``moment()`` has it, without the day where that is the one of ``start``."""
    first, last = timezone.localtime(start), timezone.localtime(value)
    return date_format(last, "H:i:s") if first.date() == last.date() else moment(value)


def age(value: datetime, now: datetime) -> SafeString:
    """How long ago a time is; a tooltip shows the time."""
    text = _("%s ago") % rough((now - value).total_seconds())
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', value.isoformat(), moment(value), text
    )


def timing(job: Job, now: datetime) -> str:
    """What the list says of time: when it runs next, for how long it does, or how long it did."""
    match job.status:
        case Status.SCHEDULED if job.run_after > now:
            until = between(now, job.run_after)
            return (_("retry in %s") if job.attempts else _("in %s")) % until
        case Status.SCHEDULED:
            return _("due")
        case Status.READY:
            return _("waits for %s") % between(min(job.run_after, now), now)
        case Status.RUNNING:
            return _("runs for %s") % between(job.last_attempted_at or now, now)
        case Status.SUCCESSFUL | Status.DEAD:
            took = between(job.last_attempted_at, job.finished_at)
            return _("took %s") % took if took else ""
    return ""


def name(text: str) -> SafeString:
    """A name that may be long, and that reads from left to right in any language."""
    return format_html('<span class="jobs-name" dir="auto">{}</span>', text)


def link(text: Any, url: str) -> SafeString:
    """``text`` as a link; as it is where there is no URL."""
    return format_html('<a href="{}">{}</a>', url, text) if url else format_html("{}", text)


def error(text: str) -> SafeString:
    """An error, cut to some lines in a table; a tooltip shows more of it."""
    return format_html(
        '<span class="jobs-error" dir="auto" title="{}">{}</span>', text[:FOLD_LENGTH], text
    )


def name_of(task_path: str) -> str:
    """The task without its module."""
    return task_path.rpartition(".")[2] or task_path


def short_name(task_path: str) -> SafeString:
    """The task without its module, which a tooltip shows."""
    return format_html(
        '<span class="jobs-task" dir="auto" title="{}">{}</span>', task_path, name_of(task_path)
    )


def json_text(value: Any) -> str:
    """A JSON value, laid out to be read."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def is_long(text: str) -> bool:
    """Whether a text is better folded away."""
    return len(text) > FOLD_LENGTH or text.count("\n") >= FOLD_LINES


def progress_of(metadata: Any, hide: Callable[[str], str] = str) -> dict[str, Any] | None:
    """
    The progress that a task has reported, checked; None where it reported none.

    :param hide: takes out of a text what nobody is to see.
    """
    found = metadata.get("progress") if isinstance(metadata, dict) else None
    if not isinstance(found, dict) or not isinstance(found.get("done"), int):
        return None
    done, total = found["done"], found.get("total")
    shown = {
        "done": number_format(done, force_grouping=True),
        "note": hide(str(found.get("note") or "")),
    }
    if isinstance(total, int) and total > 0:
        shown |= {
            "total": number_format(total, force_grouping=True),
            # Strings: attributes of HTML take no thousands separators.
            "value": str(max(0, min(done, total))),
            "max": str(total),
        }
    return shown
