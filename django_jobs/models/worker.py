"""A process that runs jobs."""

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..db.clock import DbNow
from ..db.fields import NameField
from ..ids import uuid7


class WorkerQuerySet(models.QuerySet["Worker", "Worker"]):
    def live(self) -> "WorkerQuerySet":
        """Workers whose lease has not run out, by the database's clock."""
        return self.filter(stopped_at=None, lease_expires_at__gt=DbNow())


class Worker(models.Model):
    """A worker announces itself with a row and keeps it alive by renewing its lease."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    hostname = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    version = models.CharField(_("version"), max_length=32)
    backend_name = NameField(_("backend"), max_length=64)
    queues = models.CharField(_("queues"), max_length=500, help_text=_("As given to runjobs."))
    threads = models.PositiveSmallIntegerField(_("threads"))
    started_at = models.DateTimeField(_("started"))
    last_heartbeat_at = models.DateTimeField(_("last heartbeat"))
    lease_expires_at = models.DateTimeField(_("lease expires"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)

    objects: ClassVar = WorkerQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """``host:pid``, as logs and the admin show it."""
        return f"{self.hostname}:{self.pid}"
