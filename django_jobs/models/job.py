"""One enqueued call of a task."""

from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import IntegrityError, models, transaction
from django.db.models import Case, F, Q, Value, When
from django.utils.translation import gettext_lazy as _

from ..db.clock import DbNow
from ..db.fields import NameField
from ..db.indexes import IndexWhenSet, StatusIndex, UniqueWhenSet
from ..db.wakeup import tell_of_cancel
from ..ids import uuid7


class Status(models.TextChoices):
    SCHEDULED = "SCHEDULED", _("Scheduled")
    READY = "READY", _("Ready")
    RUNNING = "RUNNING", _("Running")
    SUCCESSFUL = "SUCCESSFUL", _("Successful")
    DEAD = "DEAD", _("Dead")
    CANCELLED = "CANCELLED", _("Cancelled")
    DISCARDED = "DISCARDED", _("Discarded")


WAITING: Final = (Status.SCHEDULED, Status.READY)
FINISHED: Final = (Status.SUCCESSFUL, Status.DEAD, Status.CANCELLED, Status.DISCARDED)
# Finished, but not by doing the work: what an operator looks for among millions that did.
UNDONE: Final = (Status.DEAD, Status.CANCELLED, Status.DISCARDED)

LAST_ERROR_LENGTH: Final = 500
RETRIED_AT_ONCE: Final = 500  # unique jobs in a statement

_RETRIED: Final[dict[str, Any]] = {
    "status": Status.READY,
    "attempts": 0,
    "crashes": 0,
    "interruptions": 0,
    "run_after": DbNow(),
    "finished_at": None,
    "worker_id": None,
    "cancel_requested_at": None,
}


class JobQuerySet(models.QuerySet["Job", "Job"]):
    """
    The verbs of an operator. Each is one UPDATE that checks the status of each row as it
    writes it, returns how many rows it changed, and leaves the others alone. A retry looks for
    unique jobs besides, which take further ones.
    """

    def retry(self) -> int:
        """
        Give dead jobs a full new set of attempts, now; their history is kept.

        A unique job holds its key again. Where another job holds it, it stays dead and is not
        counted; of several dead ones with the same key the oldest is retried.
        """
        self._for_write = True
        dead = self.using(self.db).filter(status=Status.DEAD)
        done = dead.filter(unique_key=None).update(**_RETRIED)
        rest: Any = dead.filter(unique_key__isnull=False).order_by("pk")
        while chunk := list(rest.values_list("pk", "unique_key")[:RETRIED_AT_ONCE]):
            done += dead._retry_unique(chunk)
            rest = rest.filter(pk__gt=chunk[-1][0])
        return done

    def _retry_unique(self, chunk: list[tuple[UUID, str]]) -> int:
        oldest: dict[str, UUID] = {}
        for pk, key in chunk:
            oldest.setdefault(key, pk)
        live = self.model.objects.using(self.db).filter(unique_hash__in=oldest)
        held = set(live.values_list("unique_hash", flat=True))
        free = [pk for key, pk in oldest.items() if key not in held]
        try:
            return self._hold_again(free)
        except IntegrityError:  # one of the keys was taken meanwhile
            return sum(map(self._retry_one, free))

    def _retry_one(self, pk: UUID) -> int:
        try:
            return self._hold_again([pk])
        except IntegrityError:
            return 0

    def _hold_again(self, ids: list[UUID]) -> int:
        if not ids:
            return 0
        with transaction.atomic(using=self.db):  # which a caller's own survives
            return self.filter(pk__in=ids).update(unique_hash=F("unique_key"), **_RETRIED)

    def discard(self) -> int:
        """Drop dead jobs; the rows stay until they are pruned."""
        return self.filter(status=Status.DEAD).update(status=Status.DISCARDED, finished_at=DbNow())

    def cancel(self) -> int:
        """
        Withdraw jobs: those that wait end at once, those that run are asked to.

        A running job sees the request in ``JobContext.check()`` or ``wait()``: within two
        seconds where a ``NOTIFY`` tells its worker, else at the worker's next heartbeat. One
        that never looks runs on to its end, but isn't tried again.
        """
        from ..backend import notifies

        waits = Q(status__in=WAITING)
        asked = Q(status=Status.RUNNING, cancel_requested_at=None)
        # MySQL assigns from left to right and reads what it has just written, so the
        # status, which the others depend on, comes last.
        jobs = self.filter(waits | asked)
        changed = jobs.update(
            cancel_requested_at=DbNow(),
            finished_at=Case(When(waits, then=DbNow()), default=F("finished_at")),
            unique_hash=Case(When(waits, then=Value(None)), default=F("unique_hash")),
            status=Case(When(waits, then=Value(Status.CANCELLED)), default=F("status")),
        )
        if changed and notifies():
            tell_of_cancel(jobs.db)
        return changed


class Job(models.Model):
    """
    A job is a row: what to call, when, how often it was tried and what came of it.

    ``claim_no`` grows with every claim and is never reset. It is the fence: whoever writes
    an outcome says which claim it is of.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    task_path = NameField(_("task"), max_length=255)
    queue_name = NameField(_("queue"), max_length=64)
    backend_name = NameField(_("backend"), max_length=64)
    priority = models.SmallIntegerField(_("priority"), default=0)
    status = models.CharField(
        _("status"), max_length=10, choices=Status.choices, default=Status.READY
    )
    args = models.JSONField(_("arguments"), default=list, blank=True)
    kwargs = models.JSONField(_("keyword arguments"), default=dict, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("max attempts"), default=1)
    claim_no = models.PositiveIntegerField(_("claim number"), default=0)
    crashes = models.PositiveSmallIntegerField(
        _("crashes"), default=0, help_text=_("How many workers were lost in a row while it ran.")
    )
    # The database has the default too: enqueue leaves the column out.
    interruptions = models.PositiveSmallIntegerField(
        _("interruptions"),
        default=0,
        db_default=0,
        help_text=_("How often in a row a worker's stop cut it short."),
    )
    run_after = models.DateTimeField(_("run after"), default=DbNow)
    enqueued_at = models.DateTimeField(_("enqueued"))
    started_at = models.DateTimeField(_("first started"), null=True, blank=True)
    last_attempted_at = models.DateTimeField(_("last attempted"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    cancel_requested_at = models.DateTimeField(_("cancel requested"), null=True, blank=True)
    # No foreign key: a claim must not lock the worker's row, and workers are pruned.
    worker_id = models.UUIDField(_("worker"), null=True, blank=True)
    # The job in which this one was enqueued. No foreign key: it may be pruned before.
    parent_id = models.UUIDField(_("parent"), null=True, blank=True)
    unique_hash = models.CharField(  # noqa: DJ001 (UniqueWhenSet)
        _("unique hash"),
        max_length=64,
        null=True,
        blank=True,
        help_text=_("Set while a live job holds its unique key."),
    )
    # The same for good: a dead job that is retried holds its key again.
    unique_key = models.CharField(  # noqa: DJ001 (few rows have one)
        _("unique key"), max_length=64, null=True, blank=True
    )
    return_value = models.JSONField(_("return value"), null=True, blank=True)
    last_error = models.CharField(
        _("last error"), max_length=LAST_ERROR_LENGTH, default="", blank=True
    )
    # As last_error: of the last attempt. NULL keeps all others out of its index.
    failure_group = models.CharField(  # noqa: DJ001 (IndexWhenSet)
        _("failure group"), max_length=16, null=True, blank=True
    )
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)

    objects: ClassVar = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        permissions: ClassVar = [
            ("view_job_arguments", _("Can view the arguments of jobs")),
            ("retry_job", _("Can retry dead jobs")),
            ("discard_job", _("Can discard dead jobs")),
            ("cancel_job", _("Can cancel jobs")),
            ("copy_job", _("Can run a copy of a job")),
        ]
        default_permissions = ("view",)
        indexes: ClassVar = [
            UniqueWhenSet(name="django_jobs_unique", fields=["unique_hash"]),
            # The dead of a group, and those that are to be tried again.
            IndexWhenSet(name="django_jobs_group", fields=["failure_group", "status", "id"]),
            IndexWhenSet(name="django_jobs_parent", fields=["parent_id", "id"]),
            # The order of a claim, over all queues and within one.
            StatusIndex(
                name="django_jobs_ready",
                fields=["-priority", "run_after", "id"],
                statuses=[Status.READY],
            ),
            StatusIndex(
                name="django_jobs_ready_in_queue",
                fields=["queue_name", "-priority", "run_after", "id"],
                statuses=[Status.READY],
            ),
            # Promotion, and the next due time.
            StatusIndex(
                name="django_jobs_scheduled", fields=["run_after"], statuses=[Status.SCHEDULED]
            ),
            # Rescue, and the admin's filters, newest first. With the id in it, the planner
            # may record outcomes through it and still touch each row once.
            StatusIndex(
                name="django_jobs_status",
                fields=["status", "id"],
                statuses=[Status.RUNNING, *UNDONE],
            ),
        ]

    def __str__(self) -> str:
        return f"{self.task_path} {self.id}"

    @property
    def task_name(self) -> str:
        """The task's path without its module: ``send_invoice``."""
        return self.task_path.rpartition(".")[2]
