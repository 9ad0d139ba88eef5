"""
Where a running job is just now, and what it has logged: asked for on its page, written by its
worker, shown there.
"""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from ..models import Job, Status, Worker
from ..sensitive import Hide
from . import display
from .control import STACKS, tell
from .outlook import Surroundings
from .workerpage import entries


def may_view_stacks(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.has_perm("django_jobs.view_worker_stacks"))


def stack_context(
    model_admin: Any, request: HttpRequest, job: Job, around: Surroundings, hide: Hide
) -> dict[str, Any] | None:
    """
    What the job's page shows of its stack, and of its log to those who may see that; None where
    there is nothing to ask for.
    """
    worker: Any = around.worker
    if job.status != Status.RUNNING or worker is None or not may_view_stacks(request):
        return None
    if not STACKS.applies_to(worker):
        return None
    site = model_admin.admin_site.name
    may_view_log = model_admin.has_view_arguments_permission(request)
    found = [
        each
        for each in entries(worker.stacks)
        if each["job"] == str(job.pk) and each.get("claim_no") == job.claim_no
    ]
    return {
        "url": reverse("admin:django_jobs_job_stack", args=[job.pk], current_app=site),
        "is_asked": worker.stacks_asked_at is not None,
        "text": str(found[0].get("stack") or "") if found else "",
        "may_view_log": may_view_log,
        "log": hide(str(found[0].get("log") or "")) if found and may_view_log else "",
        "at": display.moment(worker.stacks_at) if found else "",
    }


def ask_for_stack(request: HttpRequest, job_id: UUID, *, model_admin: Any) -> HttpResponse:
    """Ask the worker of a job where its jobs are, from the page of the job."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not (model_admin.has_view_permission(request) and may_view_stacks(request)):
        raise PermissionDenied
    rows = model_admin.get_queryset(request)
    job = rows.only("status", "worker_id").filter(pk=job_id).first()
    worker = None
    if job is not None and job.status == Status.RUNNING and job.worker_id is not None:
        worker = Worker.objects.filter(pk=job.worker_id).first()
    if worker is not None:
        tell(model_admin, request, worker, STACKS)
    else:
        model_admin.message_user(request, _("The job doesn’t run any more."), messages.WARNING)
    site = model_admin.admin_site.name
    return HttpResponseRedirect(
        reverse("admin:django_jobs_job_change", args=[job_id], current_app=site)
    )
