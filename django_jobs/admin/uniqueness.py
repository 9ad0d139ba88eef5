"""What a job's page says of its unique key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from ..models import Job, Status
from ..unique import UNIQUE_ATTRIBUTE


@dataclass(frozen=True, slots=True)
class Uniqueness:
    """
    :param says: the state of the key in plain words.
    :param holder: the job that holds it, where that is another one.
    :param no_retry: why the job can't be retried now; empty where it can.
    """

    says: str
    holder: UUID | None = None
    no_retry: str = ""


def uniqueness(job: Job, task: Any) -> Uniqueness | None:
    """
    Of ``job``; None where it has no key. One statement for a job that has ended.

    :param task: its task, or None where that isn't known here.
    """
    if job.unique_key is None:
        return None
    names = {"names": _names(task)}
    if job.unique_hash is not None:
        return Uniqueness(_("No second job with the same %(names)s until it ends") % names)
    holder = Job.objects.filter(unique_hash=job.unique_key).only("pk").first()
    if holder is None:
        return Uniqueness(_("It has ended: a job with the same %(names)s may be enqueued") % names)
    says = _("Another job with the same %(names)s has not ended") % names
    no_retry = _("It can’t be retried now: another job with the same %(names)s has not ended.")
    return Uniqueness(says, holder.pk, no_retry % names if job.status == Status.DEAD else "")


def _names(task: Any) -> str:
    unique = getattr(getattr(task, "func", None), UNIQUE_ATTRIBUTE, False)
    if unique is True:
        return _("arguments")
    return _(", ").join(unique) if unique else _("unique key")
