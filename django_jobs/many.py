"""
Retry, discard or cancel many jobs: chosen by plain values, in chunks that are each a short
transaction of their own.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import connections

from .db.errors import is_transient
from .db.transactions import write_transaction
from .models import Job, JobQuerySet, Status

TRIES: Final = 5
RETRYING: Final = "retrying"
# The task that does this as a job.
ACT_ON_JOBS: Final = "django_jobs.tasks.act_on_jobs"

# What each verb is for, and its one UPDATE.
STATUSES: Final = {
    "retry": (Status.DEAD,),
    "discard": (Status.DEAD,),
    "cancel": (Status.SCHEDULED, Status.READY, Status.RUNNING),
}
WRITES: Final[Mapping[str, Callable[[JobQuerySet], int]]] = {
    "retry": JobQuerySet.retry,
    "discard": JobQuerySet.discard,
    "cancel": JobQuerySet.cancel,
}


@dataclass(frozen=True, slots=True)
class Which:
    """
    Jobs, chosen by what can be the argument of a job; what is None chooses nothing.

    :param until: the newest id. Later jobs are not meant.
    :param before: jobs that ended later are not meant: one that is retried and dies again isn't
        retried again.
    :param after: jobs up to this id are not meant.
    :param status: a status, or ``retrying``: scheduled, and tried before.
    """

    until: UUID
    before: datetime
    after: UUID | None = None
    status: str | None = None
    queue: str | None = None
    task: str | None = None
    group: str | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Which":
        """
        What ``values()`` has made.

        :raises ValueError: it has not.
        """
        known = {field.name for field in fields(cls)}
        if not {"until", "before"} <= values.keys() <= known:
            raise ValueError(f"Jobs are chosen by {', '.join(sorted(known))}, not {values!r}.")
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError(f"Jobs are chosen by texts, not {values!r}.")
        before = datetime.fromisoformat(values["before"])
        if before.tzinfo is None or values.get("status", RETRYING) not in {RETRYING, *Status}:
            raise ValueError(f"A time has a time zone, and a status is known, in {values!r}.")
        ids = {name: UUID(values[name]) for name in ("until", "after") if name in values}
        return cls(**{**values, **ids, "before": before})

    def values(self) -> dict[str, str]:
        """The same as JSON carries it."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given["before"] = self.before.isoformat()
        return {name: str(value) for name, value in given.items() if value is not None}

    def jobs(self, verb: str, using: str) -> JobQuerySet:
        """Those of the jobs that ``verb`` may be for."""
        jobs: JobQuerySet = Job.objects.using(using).filter(pk__lte=self.until)
        if verb != "cancel":
            jobs = jobs.filter(finished_at__lte=self.before)
        if self.after is not None:
            jobs = jobs.filter(pk__gt=self.after)
        if self.status == RETRYING:
            jobs = jobs.filter(status=Status.SCHEDULED, attempts__gt=0)
        elif self.status is not None:
            jobs = jobs.filter(status=self.status)
        columns = {"queue_name": self.queue, "task_path": self.task, "failure_group": self.group}
        return jobs.filter(**{name: value for name, value in columns.items() if value is not None})


@dataclass(frozen=True, slots=True)
class Changed:
    """
    The jobs that were changed, as they were before, and how many of them were asked to end.

    :param held: how many were left alone, since other jobs hold their unique keys.
    """

    jobs: list[Job]
    done: int
    held: int = 0

    @property
    def asked(self) -> int:
        return sum(job.status == Status.RUNNING for job in self.jobs)


def chunks(jobs: JobQuerySet, statuses: Collection[Status], size: int) -> Iterator[list[UUID]]:
    """
    The ids of those of ``jobs`` in one of ``statuses``, ``size`` at a time and in order.

    One status after the other, so that each is found through its index. A job that moves on
    meanwhile, from scheduled to ready to running, is met again there.
    """
    for status in statuses:
        rows: Any = jobs.filter(status=status).order_by("pk").values_list("pk", flat=True)
        last: UUID | None = None
        while True:
            ids = list((rows if last is None else rows.filter(pk__gt=last))[:size])
            if ids:
                yield ids
            if len(ids) < size:
                break
            last = ids[-1]


def change(
    verb: str, ids: list[UUID], using: str, on_change: Callable[[list[Job]], None] | None = None
) -> Changed:
    """
    Do ``verb`` to those of the jobs that it is for, in one transaction. Each row's status is
    checked under its lock; rows are locked in the order of their keys.

    :param on_change: called with the jobs that were changed, within the transaction.
    """
    jobs = Job.objects.using(using)
    with write_transaction(using):
        locked = jobs.filter(pk__in=ids).order_by("pk").select_for_update()
        locked = locked.only("task_path", "status", "cancel_requested_at")
        meant = changed = [job for job in locked if may(verb, job)]
        rows = jobs.filter(pk__in=[job.pk for job in meant])
        done = WRITES[verb](rows)
        if done < len(meant):  # a retry; the rows are locked
            held = set(rows.filter(status=Status.DEAD).values_list("pk", flat=True))
            changed = [job for job in meant if job.pk not in held]
        if changed and on_change is not None:
            on_change(changed)
    return Changed(changed, done, len(meant) - done)


def may(verb: str, job: Job) -> bool:
    """Whether ``verb`` is for ``job`` as it is now; one that was asked to end isn't asked again."""
    asked = job.status == Status.RUNNING and job.cancel_requested_at is not None
    return job.status in STATUSES[verb] and not (verb == "cancel" and asked)


def again(work: Callable[[], None], using: str) -> None:
    """``work()``, once more after a deadlock or a lock timeout, where that is possible."""
    for left in reversed(range(TRIES)):
        try:
            return work()
        except Exception as error:
            within = connections[using].in_atomic_block
            if within or not left or not is_transient(error):
                raise
            time.sleep(0.05 * (TRIES - left))
