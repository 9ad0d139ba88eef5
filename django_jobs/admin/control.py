"""What an operator may tell a worker, from its own page or from that of a job that it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from ..models import Command, Worker
from ..models.worker import WorkerQuerySet
from . import log


@dataclass(frozen=True, slots=True)
class WorkerVerb:
    """
    :param name: of the URL.
    :param permission: the method of the admin that says who may.
    :param told_by: it is for workers whose command is one of these.
    :param explains: what it does, in a sentence or two.
    :param done: says of the worker %(worker)s that it was told.
    :param write: tells workers; returns how many.
    """

    name: str
    label: Any
    permission: str
    told_by: tuple[Command, ...]
    explains: Any
    done: Any
    write: Callable[[WorkerQuerySet], int]

    def applies_to(self, worker: Any) -> bool:
        """Whether ``worker``, which knows if it is live, would hear and could do it."""
        hears = worker.is_live and worker.phase != ""
        return hears and worker.command in self.told_by


QUIET: Final = WorkerVerb(
    name="quiet",
    label=gettext_lazy("Quiet"),
    permission="has_control_permission",
    told_by=(Command.WORK,),
    explains=gettext_lazy(
        "It claims no more jobs and finishes those that it has. It stays, and does nothing, "
        "until it is resumed or stopped."
    ),
    done=gettext_lazy("The worker %(worker)s was told to be quiet."),
    write=lambda workers: workers.quiet(),
)

RESUME: Final = WorkerVerb(
    name="resume",
    label=gettext_lazy("Resume"),
    permission="has_control_permission",
    told_by=(Command.QUIET,),
    explains=gettext_lazy("It claims jobs again."),
    done=gettext_lazy("The worker %(worker)s was told to claim jobs again."),
    write=lambda workers: workers.resume(),
)

STOP: Final = WorkerVerb(
    name="stop",
    label=gettext_lazy("Stop"),
    permission="has_control_permission",
    told_by=(Command.WORK, Command.QUIET),
    explains=gettext_lazy(
        "As at a SIGTERM: it claims nothing more, lets what runs finish until its deadline, "
        "gives the rest back, and ends. Its supervisor, systemd or container runtime, where it "
        "has one that does so, starts another one in its place."
    ),
    done=gettext_lazy("The worker %(worker)s was told to stop."),
    write=lambda workers: workers.stop(),
)

STACKS: Final = WorkerVerb(
    name="stacks",
    label=gettext_lazy("Show stacks"),
    permission="has_stacks_permission",
    told_by=tuple(Command),
    explains=gettext_lazy(
        "It writes down where in the code each job is that it runs, and what it has logged so far, "
        "which its own page shows. The jobs don’t notice."
    ),
    done=gettext_lazy("The worker %(worker)s was asked for the stacks of its jobs."),
    write=lambda workers: workers.ask_for_stacks(),
)

VERBS: Final = (QUIET, RESUME, STOP)


def act_on_worker(
    request: HttpRequest, worker_id: UUID, *, model_admin: Any, verb: WorkerVerb
) -> HttpResponse:
    """Tell one worker, from its own page."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not (
        model_admin.has_view_permission(request) and getattr(model_admin, verb.permission)(request)
    ):
        raise PermissionDenied
    worker = Worker.objects.filter(pk=worker_id).first()
    if worker is None:
        gone: HttpResponse = model_admin._get_obj_does_not_exist_redirect(
            request, model_admin.opts, str(worker_id)
        )
        return gone
    tell(model_admin, request, worker, verb)
    site = model_admin.admin_site.name
    url = reverse("admin:django_jobs_worker_change", args=[worker_id], current_app=site)
    return HttpResponseRedirect(url)


def tell(model_admin: Any, request: HttpRequest, worker: Worker, verb: WorkerVerb) -> None:
    """Tell ``worker``, log it, and say so on the next page."""
    names = {"worker": worker.name}
    if not verb.write(Worker.objects.filter(pk=worker.pk)):
        text = _("The worker %(worker)s is not live, or was told so already.")
        model_admin.message_user(request, text % names, messages.WARNING)
        return
    with log.untranslated():
        log.log_rows(request, [worker], str(verb.label))
    wait = _("It hears of it at its next heartbeat, or sooner.")
    model_admin.message_user(request, f"{verb.done % names} {wait}", messages.SUCCESS)
