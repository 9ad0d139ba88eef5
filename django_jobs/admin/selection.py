"""Which jobs an action is meant for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.admin import helpers
from django.core.exceptions import ValidationError
from django.db import router
from django.db.models import Q
from django.http import HttpRequest

from ..db.clock import db_now
from ..ids import uuid7
from ..many import ACT_ON_JOBS, WRITES
from ..models import FailureGroup, Job, JobQuerySet, Status
from .paginator import Count, count_up_to
from .verbs import CANCEL, DISCARD, RETRY, Verb

UNTIL = "until"
BEFORE = "before"


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Rows that were ticked, or all rows of a filtered list.

    :param jobs: the rows.
    :param count: how many are meant, cut short where there are very many.
    :param ids: of ticked rows; empty for all rows of a list.
    :param where: how they were selected, for the log, where they were not ticked.
    :param group: the failure group that they are all of.
    :param no_actions: jobs that do such an action themselves are not meant to be retried.
    :param is_narrow: they are of rows that a subclass has chosen by means of its own.
    :param until: jobs enqueued later than this id are not meant: what is confirmed is what
        was seen.
    :param before: nor dead ones that died later than that, by the database's clock.
    """

    jobs: JobQuerySet
    count: Count
    ids: tuple[str, ...] = ()
    until: UUID | None = None
    before: datetime | None = None
    where: str = ""
    group: str | None = None
    is_narrow: bool = False
    no_actions: bool = False

    @classmethod
    def of(cls, request: HttpRequest, listed: Any, model_admin: Any) -> Selection:
        """
        What ``request`` selects of the rows ``listed``.

        :raises ValidationError: the request was made up.
        """
        if request.POST.get("select_across") == "1":
            until = _until(request)
            jobs = listed.filter(pk__lte=until)
            where = f" Selected by {request.GET.urlencode()!r}."
            return cls(
                jobs,
                count_up_to(jobs),
                until=until,
                before=_before(request),
                where=where,
                is_narrow=model_admin.is_narrow,
                no_actions=not _may_all(request),
            )
        ids = tuple(dict.fromkeys(request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)))
        # Not of the rows listed: one that has left the list meanwhile is to be told of.
        rows = model_admin.get_queryset(request).filter(pk__in=ids)
        return cls(rows, Count(len(ids)), ids=ids, no_actions=not _may_all(request))

    @classmethod
    def of_group(cls, request: HttpRequest, group: FailureGroup, verb: Verb) -> Selection:
        """
        Of a failure group, all that ``verb`` is for.

        :raises ValidationError: the request was made up.
        """
        until = _until(request)
        # Those that are to be tried again have one status, those that are dead another.
        jobs = Job.objects.filter(failure_group=group.pk, status=verb.statuses[0], pk__lte=until)
        every = cls(
            jobs,
            Count(0),
            until=until,
            before=_before(request),
            where=f" Selected by the failure group {group.pk}, {group}.",
            group=group.pk,
            no_actions=not _may_all(request),
        )
        return replace(every, count=every.count_for(verb))

    def for_verb(self, verb: Verb) -> JobQuerySet:
        """Those that ``verb`` is for."""
        jobs: JobQuerySet = self.jobs.filter(status__in=verb.statuses)
        if verb is CANCEL:
            return jobs.exclude(_ASKED)
        if verb is RETRY and self.no_actions:
            jobs = jobs.exclude(task_path=ACT_ON_JOBS)
        if verb in (RETRY, DISCARD) and self.before is not None:
            return jobs.filter(finished_at__lte=self.before)
        return jobs

    def count_for(self, verb: Verb) -> Count:
        """How many ``verb`` is for; counted by status, as each has its index."""
        if set(verb.statuses) == set(Status):
            return self.count
        jobs = self.for_verb(verb)
        counts = [count_up_to(jobs.filter(status=status)) for status in verb.statuses]
        total = Count(sum(counts))
        total.more = any(count.more for count in counts)
        return total


def may_redo(request: HttpRequest, job: Job) -> bool:
    """Whether the user may do what a job of ``act_on_jobs`` does, and so may have it done again."""
    verb = action_of(job)
    return bool(verb) and _may(request, verb)


def action_of(job: Job) -> str:
    """What a job of ``act_on_jobs`` does; empty where it was called with something else."""
    said = job.args[0] if isinstance(job.args, list) and job.args else None
    return said if isinstance(said, str) and said in WRITES else ""


def _may_all(request: HttpRequest) -> bool:
    return all(_may(request, verb) for verb in WRITES)


def _may(request: HttpRequest, verb: str) -> bool:
    user: Any = request.user
    return bool(user.has_perm(f"django_jobs.{verb}_job"))


def _before(request: HttpRequest) -> datetime:
    """
    When what is meant was seen, or now.

    :raises ValidationError: the request was made up.
    """
    said = request.POST.get(BEFORE)
    if not said:
        return db_now(router.db_for_write(Job))
    try:
        seen = datetime.fromisoformat(said)
    except ValueError:
        seen = None
    if seen is None or seen.tzinfo is None:
        raise ValidationError("That is no time.")
    return seen


def _until(request: HttpRequest) -> Any:
    """The newest job that is meant: of what was seen, or now."""
    field: Any = Job._meta.pk
    return field.to_python(request.POST.get(UNTIL)) or uuid7()


_ASKED = Q(status=Status.RUNNING, cancel_requested_at__isnull=False)
