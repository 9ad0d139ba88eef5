"""An attempt that did not succeed."""

from typing import Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from .job import Job

MESSAGE_LENGTH: Final = 10_000
TRACEBACK_LENGTH: Final = 50_000


class JobAttempt(models.Model):
    """
    The history of a job: one row for each attempt that did not succeed.

    The exception is kept as text: nothing in a row is ever imported.
    """

    class Outcome(models.TextChoices):
        FAILED = "FAILED", _("Failed")
        TIMED_OUT = "TIMED_OUT", _("Timed out")
        LOST = "LOST", _("Worker lost")
        SNOOZED = "SNOOZED", _("Snoozed")
        RELEASED = "RELEASED", _("Interrupted by a stop")
        CANCELLED = "CANCELLED", _("Cancelled")

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="history", verbose_name=_("job")
    )
    claim_no = models.PositiveIntegerField(_("claim number"))
    number = models.PositiveSmallIntegerField(_("attempt"))
    worker_id = models.UUIDField(_("worker"), null=True, blank=True)
    worker_name = models.CharField(_("worker name"), max_length=255, default="", blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"))
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome.choices)
    exception_class = models.CharField(_("exception class"), max_length=255, default="", blank=True)
    message = models.TextField(_("message"), default="", blank=True)
    traceback = models.TextField(_("traceback"), default="", blank=True)
    delay = models.FloatField(
        _("delay"), null=True, blank=True, help_text=_("Seconds until the next attempt.")
    )

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        default_permissions = ("view",)
        constraints = (
            # An outcome that is written a second time must not leave a second row.
            models.UniqueConstraint(fields=["job", "claim_no"], name="django_jobs_one_per_claim"),
        )

    def __str__(self) -> str:
        return f"{self.job_id} #{self.number} {self.outcome}"
