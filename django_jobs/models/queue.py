"""A named lane."""

from typing import ClassVar

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.fields import NameField


class QueueQuerySet(models.QuerySet["Queue", "Queue"]):
    def paused(self) -> "QueueQuerySet":
        return self.exclude(paused_at=None)

    def pause(self) -> int:
        """Stop workers from claiming jobs of these queues; returns how many changed."""
        return self.filter(paused_at=None).update(paused_at=timezone.now())

    def resume(self) -> int:
        """Let workers claim jobs of these queues again; returns how many changed."""
        return self.paused().update(paused_at=None)


class Queue(models.Model):
    """
    What is known of a queue besides its jobs. A queue needs no row to be used; it gets one
    when somebody pauses it.
    """

    name = NameField(_("name"), max_length=64, primary_key=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)

    objects: ClassVar = QueueQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)
        permissions: ClassVar = [("pause_queue", _("Can pause and resume queues"))]

    def __str__(self) -> str:
        return self.name
