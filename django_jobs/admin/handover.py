"""Hand an action over to a job of its own, where it is for more rows than a request is good for."""

from __future__ import annotations

from typing import Any, Final, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from ..compat import Task
from ..ids import first_uuid7
from ..many import RETRYING, WRITES, Which
from ..models import FailureGroup, Job, Status
from . import log, wording
from .changelist import needs_bound, searched_from
from .filters import SinceFilter
from .outlook import surroundings, what_next
from .paginator import Count
from .selection import Selection
from .verbs import CANCEL, RETRY, Verb

AT_ONCE: Final = 5_000
# The filters of the list that a job can be told of, and what else is no filter.
TOLD: Final = frozenset({"status", "queue", "task", "group"})
NO_FILTER: Final = frozenset({"since", "p", "o", "all"})


def is_for_a_job(verb: Verb, count: Count) -> bool:
    """Whether ``verb`` for so many jobs is better not done within a request."""
    return verb.name in WRITES and count > AT_ONCE and _task() is not None


def chosen(request: HttpRequest, selection: Selection, verb: Verb) -> Which | None:
    """
    ``selection`` as plain values; None where a job can't be told of it: ticks, a search, rows
    of a subclass's own choice, what the user may not have retried.
    """
    if selection.until is None or selection.before is None or selection.is_narrow:
        return None
    if verb is RETRY and selection.no_actions:
        return None
    before = selection.before
    if selection.group is not None:
        status = RETRYING if verb is CANCEL else None
        return Which(selection.until, before, None, status, group=selection.group)
    params: dict[str, Any] = dict(request.GET.items())
    if not params.get("q", "").strip():
        params.pop("q", None)
    told = {name: value for name, value in params.items() if name in TOLD}
    known_status = params.get("status", RETRYING) in {RETRYING, *Status}
    if params.keys() - TOLD - NO_FILTER or not known_status:
        return None
    after = searched_from(Job.objects.all()) if needs_bound(params) else None
    if params.get("since") in SinceFilter.periods:
        _label, period = SinceFilter.periods[params["since"]]
        since = first_uuid7(timezone.now() - period)
        after = since if after is None else max(after, since)
    return Which(selection.until, before, after, **told)


def hand_over(
    model_admin: Any,
    request: HttpRequest,
    verb: Verb,
    which: Which,
    count: Count,
    selection: Selection,
) -> HttpResponseRedirect:
    """Enqueue the job, say so, and show its page, which has its progress."""
    user: Any = request.user
    made = Job.objects.get(pk=_task().enqueue(verb.name, which.values(), str(user.pk)).id)
    text = _("%(verb)s, %(count)s jobs: a job of its own does it, step by step. This is its page.")
    around = surroundings(made)
    waits = around.queue_is_paused or not around.any_worker_is_live
    said = f"{text % {'verb': verb.label, 'count': count.text}} {what_next(made, around)}"
    model_admin.message_user(request, said, messages.WARNING if waits else messages.SUCCESS)
    with log.untranslated():
        what = wording.count(f"{verb.label}: %(count)s, by a job", count)
        message = f"{what} ({made.pk}).{selection.where}"
        log.log_many(request, Job, what, message, object_id=made.pk)
        if selection.group is not None:
            log.log_many(request, FailureGroup, what, message, object_id=selection.group)
    url = reverse("admin:django_jobs_job_change", args=[made.pk], current_app=_site(model_admin))
    return HttpResponseRedirect(url)


def _site(model_admin: Any) -> str:
    return str(model_admin.admin_site.name)


def _task() -> Any:
    """The task that does it, as it can be enqueued here; None where it can't."""
    from ..tasks import act_on_jobs, home  # what is wrong in TASKS is for the checks to say

    to, task = home(), cast(Any, act_on_jobs)
    if to is None or not isinstance(task, Task):
        return None
    return task.using(backend=to.backend, queue_name=to.queue_name)
