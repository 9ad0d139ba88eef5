"""A part of a job's work that is done."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..db.fields import NameField
from .job import Job


class JobStep(models.Model):
    """
    The result of a step: later attempts of the job get it, and don't run the step again.
    """

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="steps", verbose_name=_("job")
    )
    name = NameField(_("name"), max_length=100)
    key = NameField(_("key"), max_length=100, default="", blank=True)
    number = models.PositiveSmallIntegerField(_("attempt"))
    claim_no = models.PositiveIntegerField(_("claim number"))
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"))
    result = models.JSONField(_("result"), null=True, blank=True)

    class Meta:
        verbose_name = _("step")
        verbose_name_plural = _("steps")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["job", "name", "key"], name="django_jobs_one_per_step"),
        )

    def __str__(self) -> str:
        return f"{self.name} {self.key}".rstrip()
