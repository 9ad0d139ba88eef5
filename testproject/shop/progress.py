"""Where the jobs of an order are, asked of whichever tasks backend runs them."""

from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from django_jobs.compat import TaskResult, TaskResultDoesNotExist, TaskResultStatus

from . import tasks
from .models import Order, OrderJob

TASKS = {
    "draw_invoice": (tasks.draw_invoice, _("Draw the invoice")),
    "send_invoice": (tasks.send_invoice, _("E-mail the invoice")),
    "notify_team": (tasks.notify_team, _("Notify the team")),
}
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class JobState:
    """
    One job as the page shows it.

    :param kind: a word for the stylesheet.
    :param status: the same in the reader's language.
    :param error: the class of the last error, without its module.
    :param admin_url: where the job can be seen and retried, if it is a django_jobs one.
    """

    name: str
    kind: str
    status: str
    attempts: int = 0
    error: str = ""
    admin_url: str = ""


def job_states(order: Order) -> list[JobState]:
    return [_state(job) for job in order.jobs.all()]


def _state(job: OrderJob) -> JobState:
    task, name = TASKS.get(job.task, (None, job.task))
    if task is None:
        return JobState(name, UNKNOWN, _("Not a task any more"))
    try:
        result = task.get_result(job.result_id)
    except TaskResultDoesNotExist:
        return JobState(name, UNKNOWN, _("No longer kept"))
    except NotImplementedError:  # such as the Immediate backend, which has run it already
        return JobState(name, UNKNOWN, _("Not kept by this backend"))
    return JobState(
        name=name,
        kind=result.status.lower(),
        status=_describe(result),
        attempts=result.attempts,
        error=result.errors[-1].exception_class_path.rpartition(".")[2] if result.errors else "",
        admin_url=_admin_url(job.result_id),
    )


def _describe(result: TaskResult) -> str:
    if result.status == TaskResultStatus.READY and result.attempts:
        return _("Waiting to be tried again")
    return result.status.label


def _admin_url(result_id: str) -> str:
    try:
        return reverse("admin:django_jobs_job_change", args=[result_id])
    except NoReverseMatch:
        return ""
