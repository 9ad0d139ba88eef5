"""A process that runs jobs."""

from typing import ClassVar, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from ..db.clock import DbNow
from ..db.fields import NameField
from ..db.wakeup import tell_of_command
from ..ids import uuid7

QUEUES_LENGTH: Final = 500


class Phase(models.TextChoices):
    """What a worker is at, as it said with its last heartbeat."""

    STARTING = "starting", _("Starting")
    RUNNING = "running", _("Running")
    QUIET = "quiet", _("Quiet")
    STOPPING = "stopping", _("Stopping")


# A worker that is at one of these claims nothing more.
CLAIMS_NOTHING: Final = (Phase.QUIET, Phase.STOPPING)


class Command(models.IntegerChoices):
    """What a worker is to do. It is a state and no event: nothing is lost or done twice."""

    WORK = 0, _("Work")
    QUIET = 1, _("Be quiet")
    STOP = 2, _("Stop")


class WorkerQuerySet(models.QuerySet["Worker", "Worker"]):
    """
    The verbs of an operator. Each tells live workers, and returns how many it has told. They
    see it within two seconds where a ``NOTIFY`` tells them, else at their next heartbeat.
    """

    def live(self) -> "WorkerQuerySet":
        """Workers whose lease has not run out, by the database's clock."""
        return self.filter(stopped_at=None, lease_expires_at__gt=DbNow())

    def quiet(self) -> int:
        """Let them claim nothing more and finish what they have, and stay, until ``resume()``."""
        return self.live().filter(command=Command.WORK)._tell(command=Command.QUIET)

    def resume(self) -> int:
        """Let those that were told to be quiet claim again."""
        return self.live().filter(command=Command.QUIET)._tell(command=Command.WORK)

    def stop(self) -> int:
        """
        Let them stop as at a ``SIGTERM``. Whoever started such a worker, a supervisor say,
        may start another one in its place.
        """
        return self.live().exclude(command=Command.STOP)._tell(command=Command.STOP)

    def ask_for_stacks(self) -> int:
        """Let them write where the jobs are that they run, into ``stacks``."""
        return self.live()._tell(stacks_asked_at=DbNow())

    def _tell(self, **columns: object) -> int:
        from ..backend import notifies

        told = self.update(**columns)
        if told and notifies():
            tell_of_command(self.db)
        return told


class Worker(models.Model):
    """
    A worker announces itself with a row and keeps it alive by renewing its lease.

    What it says of itself with each heartbeat is None, and ``phase`` empty, where it is of a
    release that didn't.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    hostname = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField(_("process id"))
    version = models.CharField(_("version"), max_length=32)
    # The database has the default too: workers of an older release leave the column out.
    release = models.CharField(_("release"), max_length=64, default="", db_default="", blank=True)
    backend_name = NameField(_("backend"), max_length=64)
    queues = models.CharField(
        _("queues"), max_length=QUEUES_LENGTH, help_text=_("As given to runjobs.")
    )
    threads = models.PositiveSmallIntegerField(_("threads"))
    started_at = models.DateTimeField(_("started"))
    last_heartbeat_at = models.DateTimeField(_("last heartbeat"))
    lease_expires_at = models.DateTimeField(_("lease expires"))
    stopped_at = models.DateTimeField(_("stopped"), null=True, blank=True)
    # What it says of itself.
    phase = models.CharField(
        _("phase"), max_length=10, choices=Phase.choices, default="", db_default="", blank=True
    )
    threads_busy = models.PositiveSmallIntegerField(_("busy threads"), null=True, blank=True)
    coroutines_running = models.PositiveIntegerField(_("coroutines"), null=True, blank=True)
    memory = models.PositiveBigIntegerField(
        _("memory"), null=True, blank=True, help_text=_("Resident, in bytes.")
    )
    running = models.JSONField(
        _("running"), null=True, blank=True, help_text=_("The jobs that it runs, longest first.")
    )
    # What it is told.
    command = models.PositiveSmallIntegerField(
        _("command"), choices=Command.choices, default=Command.WORK, db_default=Command.WORK
    )
    stacks_asked_at = models.DateTimeField(_("stacks asked for"), null=True, blank=True)
    stacks_at = models.DateTimeField(_("stacks taken"), null=True, blank=True)
    stacks = models.JSONField(_("stacks"), null=True, blank=True)

    objects: ClassVar = WorkerQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("control_worker", _("Can quiet, resume and stop workers")),
            ("view_worker_stacks", _("Can view the stacks of running jobs")),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        """``host:pid``, as logs and the admin show it."""
        return f"{self.hostname}:{self.pid}"
