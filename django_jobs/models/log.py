"""What an attempt has logged."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from .job import Job


class JobLog(models.Model):
    """
    The log of one attempt, bounded; only attempts that logged something have one.

    It may quote arguments, so it is for those who may view them, and has no permission of
    its own.
    """

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="logs", verbose_name=_("job")
    )
    claim_no = models.PositiveIntegerField(_("claim number"))
    number = models.PositiveSmallIntegerField(_("attempt"))
    text = models.TextField(_("text"))

    class Meta:
        verbose_name = _("log of an attempt")
        verbose_name_plural = _("logs of attempts")
        default_permissions = ()
        constraints = (
            # As for attempts: one that is written a second time leaves no second row.
            models.UniqueConstraint(fields=["job", "claim_no"], name="django_jobs_one_log"),
        )

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number}"
