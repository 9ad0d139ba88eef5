"""Failed attempts that have something in common."""

from typing import ClassVar, Final

from django.db import models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from ..db.fields import NameField
from .attempt import JobAttempt
from .job import Job, Status

EXAMPLE_LENGTH: Final = 1_000


class FailureGroupQuerySet(models.QuerySet["FailureGroup", "FailureGroup"]):
    def with_waiting(self) -> "FailureGroupQuerySet":
        """
        Each with ``waiting``: ``DEAD`` where a job of it is dead, ``SCHEDULED`` where none is
        but one is to be tried again, else NULL.
        """
        # One row of the index for each. With EXISTS, PostgreSQL may read all that are dead; with
        # the equality alone any rows, since it believes that one of many will soon come. With
        # the range as well it believes in fewer.
        group = OuterRef("pk")
        jobs = Job.objects.filter(
            failure_group=group, failure_group__gte=group, failure_group__lte=group
        )
        found = (
            Subquery(jobs.filter(status=status).values("status")[:1])
            for status in (Status.DEAD, Status.SCHEDULED)
        )
        return self.annotate(waiting=Coalesce(*found))


class FailureGroup(models.Model):
    """
    Failed attempts of one task that ended with the same exception in the same place.

    Which jobs are dead because of it, or are to be tried again, their own rows say
    (``Job.failure_group``). This one says what the failure is, and adds up.
    """

    fingerprint = models.CharField(_("fingerprint"), max_length=16, primary_key=True)
    task_path = NameField(_("task"), max_length=255)
    outcome = models.CharField(_("outcome"), max_length=10, choices=JobAttempt.Outcome.choices)
    exception_class = models.CharField(_("exception class"), max_length=255, default="", blank=True)
    place = models.CharField(_("place"), max_length=255, default="", blank=True)
    message = models.TextField(_("message"), default="", blank=True)
    # No foreign key: the job may be pruned before the group.
    job_id = models.UUIDField(_("example"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    seen = models.PositiveBigIntegerField(_("seen"), help_text=_("Failed attempts in all."))

    objects: ClassVar = FailureGroupQuerySet.as_manager()

    class Meta:
        verbose_name = _("failure group")
        verbose_name_plural = _("failure groups")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return f"{self.task_path.rpartition('.')[2]}: {self.error}"

    @property
    def error(self) -> str:
        """The exception without its module, or what happened where there was none."""
        outcome = JobAttempt.Outcome(self.outcome)
        return self.exception_class.rpartition(".")[2] or str(outcome.label)
