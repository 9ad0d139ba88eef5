"""Which jobs an action is meant for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.contrib.admin import helpers
from django.db.models import Q
from django.http import HttpRequest

from ..ids import uuid7
from ..models import Job, JobQuerySet, Status
from .paginator import Count, count_up_to
from .verbs import CANCEL, Verb

UNTIL = "until"


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Rows that were ticked, or all rows of a filtered list.

    :param jobs: the rows.
    :param count: how many are meant, cut short where there are very many.
    :param ids: of ticked rows; empty for all rows of a list.
    :param where: how they were selected, for the log, where they were not ticked.
    :param group: the failure group that they are all of.
    :param is_narrow: they are of rows that a subclass has chosen by means of its own.
    :param until: jobs enqueued later than this id are not meant: what is confirmed is what
        was seen.
    """

    jobs: JobQuerySet
    count: Count
    ids: tuple[str, ...] = ()
    until: UUID | None = None
    where: str = ""
    group: str | None = None
    is_narrow: bool = False

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
            count, is_narrow = count_up_to(jobs), model_admin.is_narrow
            return cls(jobs, count, until=until, where=where, is_narrow=is_narrow)
        ids = tuple(dict.fromkeys(request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)))
        # Not of the rows listed: one that has left the list meanwhile is to be told of.
        rows = model_admin.get_queryset(request).filter(pk__in=ids)
        return cls(rows, Count(len(ids)), ids=ids)

    @classmethod
    def of_group(cls, request: HttpRequest, group: str, verb: Verb) -> Selection:
        """
        Of a failure group, all that ``verb`` is for.

        :raises ValidationError: the request was made up.
        """
        until = _until(request)
        # Those that are to be tried again have one status, those that are dead another.
        jobs = Job.objects.filter(failure_group=group, status=verb.statuses[0], pk__lte=until)
        where = f" Selected by the failure group {group}."
        every = cls(jobs, Count(0), until=until, where=where, group=group)
        return replace(every, count=every.count_for(verb))

    def for_verb(self, verb: Verb) -> JobQuerySet:
        """Those that ``verb`` is for."""
        jobs: JobQuerySet = self.jobs.filter(status__in=verb.statuses)
        return jobs.exclude(_ASKED) if verb is CANCEL else jobs

    def count_for(self, verb: Verb) -> Count:
        """How many ``verb`` is for; counted by status, as each has its index."""
        if set(verb.statuses) == set(Status):
            return self.count
        jobs = self.for_verb(verb)
        counts = [count_up_to(jobs.filter(status=status)) for status in verb.statuses]
        total = Count(sum(counts))
        total.more = any(count.more for count in counts)
        return total


def _until(request: HttpRequest) -> Any:
    """The newest job that is meant: of what was seen, or now."""
    field: Any = Job._meta.pk
    return field.to_python(request.POST.get(UNTIL)) or uuid7()


_ASKED = Q(status=Status.RUNNING, cancel_requested_at__isnull=False)
