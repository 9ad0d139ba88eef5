"""The list of jobs as Django builds it, with an eye on what it reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest
from django.utils.formats import number_format

from ..many import RETRYING
from ..models import Job, JobQuerySet, Status
from ..models.job import UNDONE
from .search import is_indexed, needs_arguments, terms, unknown_tags
from .searchbox import SearchedChangeList

UNLISTED: Final = ("args", "kwargs", "return_value", "metadata", "unique_hash", "unique_key")
SEARCHED: Final = 100_000
# Those that have an index of their own.
INDEXED: Final = frozenset({RETRYING, *(status for status in Status)} - {Status.SUCCESSFUL})
# Those whose newest jobs it finds.
BY_AGE: Final = frozenset({Status.RUNNING, *UNDONE})


class JobChangeList(SearchedChangeList):
    """
    Leaves the columns out that may be large, and looks for what no index serves among the
    newest jobs only: a rare name is not worth reading millions of rows.

    ``looked_at`` says how many that were, where there are more; else it is empty. ``by_text``
    says whether somebody searches for any, ``of_status`` whether they were the newest of a status.
    ``by_argument`` says whether somebody searches for one, ``refused`` whether they may not.
    ``unknown_tags`` are those that no task has, as text.
    """

    looked_at: str = ""
    by_text: bool = False
    of_status: bool = False
    by_argument: bool = False
    refused: bool = False
    unknown_tags: str = ""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        rows = super().get_queryset(request, *args, **kwargs).defer(*UNLISTED)
        wanted = terms(self.query)
        self.unknown_tags = ", ".join(unknown_tags(wanted))
        admin: Any = self.model_admin
        self.by_argument = needs_arguments(wanted)
        self.refused = self.by_argument and not admin.has_view_arguments_permission(request)
        self.by_text = bool(wanted)
        if self.refused or self.unread or is_indexed(wanted):
            return rows
        status = self.params.get("status")
        self.of_status = self.by_text and status in BY_AGE
        if self.of_status:
            oldest = searched_from(Job.objects.filter(status=status))
        elif needs_bound(self.params, by_text=self.by_text):
            oldest = searched_from(Job.objects.all())
        else:
            return rows
        if oldest is None:
            return rows
        self.looked_at = number_format(SEARCHED, force_grouping=True)
        return rows.filter(pk__gt=oldest)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.show_admin_actions = bool(self.result_count)

    @property
    def shown(self) -> Shown:
        """This list, for templates that print its count."""
        return Shown(self)


class Shown:
    """A change list whose ``result_count`` is printed with a plus where it was cut short."""

    def __init__(self, changes: ChangeList) -> None:
        self._changes = changes
        count: Any = changes.result_count
        self.result_count = count.text if getattr(count, "more", False) else count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._changes, name)


def needs_bound(params: Mapping[str, Any], *, by_text: bool = False) -> bool:
    """Whether no index serves a list filtered by ``params``."""
    if by_text:
        return True
    status = params.get("status")
    # Where few have succeeded, they may be anywhere among very many that have not.
    by_row = status == Status.SUCCESSFUL or not params.keys().isdisjoint({"queue", "task", "group"})
    return status not in INDEXED and by_row


def searched_from(jobs: JobQuerySet) -> UUID | None:
    """The job after which the newest ``SEARCHED`` begin; None where there are no more."""
    newest_first = jobs.order_by("-pk").values_list("pk", flat=True)
    return newest_first[SEARCHED : SEARCHED + 1].first()
