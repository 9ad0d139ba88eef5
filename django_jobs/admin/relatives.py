"""Parent and children: the job in which a job was enqueued, and those that it has enqueued."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest
from django.utils import timezone

from ..models import Job
from . import display
from .paginator import Count, count_up_to
from .urls import job_url, list_url

CHILDREN_SHOWN: Final = 50
_SHOWN: Final = (
    *("task_path", "status", "attempts", "run_after", "last_attempted_at", "finished_at"),
    *("last_error", "cancel_requested_at", "parent_id"),
)


def relatives(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any]:
    """What the page says of them: a statement for each, and one to count very many children."""
    rows = Job.objects.filter(parent_id=job.pk).order_by("pk")
    children = list(rows.only(*_SHOWN)[: CHILDREN_SHOWN + 1])
    more: Count | None = None
    if len(children) > CHILDREN_SHOWN:
        found = count_up_to(rows)
        more = Count(found - CHILDREN_SHOWN)
        more.more = found.more
    return {
        "parent": _parent(model_admin, request, job),
        "children": [_child(model_admin, request, child) for child in children[:CHILDREN_SHOWN]],
        "more_children": more,
        "children_url": list_url(model_admin, q=f"parent:{job.pk}"),
    }


def _parent(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any] | None:
    if job.parent_id is None:
        return None
    parent = Job.objects.filter(pk=job.parent_id).only(*_SHOWN).first()
    if parent is None:  # pruned, or its success has left no row
        return {"id": job.parent_id}
    return {"id": job.parent_id, **_child(model_admin, request, parent)}


def _child(model_admin: Any, request: HttpRequest, job: Job) -> dict[str, Any]:
    return {
        "url": job_url(model_admin, request, job.pk),
        "task": display.short_name(job.task_path),
        "badge": display.status_badge(job),
        "time": display.timing(job, timezone.now()),
        "error": job.last_error,
    }
