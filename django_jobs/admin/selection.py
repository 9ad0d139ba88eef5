"""Which jobs an action is meant for."""

from __future__ import annotations

from dataclasses import dataclass
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
    :param until: jobs enqueued later than this id are not meant: what is confirmed is what
        was seen.
    """

    jobs: JobQuerySet
    count: Count
    ids: tuple[str, ...] = ()
    until: UUID | None = None

    @classmethod
    def of(cls, request: HttpRequest, listed: Any) -> Selection:
        """
        What ``request`` selects of the rows ``listed``.

        :raises ValidationError: the request was made up.
        """
        if request.POST.get("select_across") == "1":
            field: Any = Job._meta.pk
            until = field.to_python(request.POST.get(UNTIL)) or uuid7()
            jobs = listed.filter(pk__lte=until)
            return cls(jobs, count_up_to(jobs), until=until)
        ids = tuple(dict.fromkeys(request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)))
        # Not of the rows listed: one that has left the list meanwhile is to be told of.
        return cls(Job.objects.filter(pk__in=ids), Count(len(ids)), ids=ids)

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


_ASKED = Q(status=Status.RUNNING, cancel_requested_at__isnull=False)
