"""The list of jobs as Django builds it, with an eye on what it reads."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib.admin.views.main import ChangeList
from django.utils.formats import number_format

from ..models import Job, Status
from .filters import RETRYING

UNLISTED: Final = ("args", "kwargs", "return_value", "metadata", "unique_hash")
SEARCHED: Final = 100_000
# Those that have an index of their own.
INDEXED: Final = frozenset({RETRYING, *(status for status in Status)} - {Status.SUCCESSFUL})


class JobChangeList(ChangeList):
    """
    Leaves the columns out that may be large, and looks for what no index serves among the
    newest jobs only: a rare name is not worth reading millions of rows.

    ``looked_at`` says how many that were, where there are more; else it is empty.
    """

    looked_at: str = ""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        rows = super().get_queryset(*args, **kwargs).defer(*UNLISTED)
        if not self._needs_bound():
            return rows
        newest_first = Job.objects.order_by("-pk").values_list("pk", flat=True)
        oldest = newest_first[SEARCHED : SEARCHED + 1].first()
        if oldest is None:
            return rows
        self.looked_at = number_format(SEARCHED, force_grouping=True)
        return rows.filter(pk__gt=oldest)

    def _needs_bound(self) -> bool:
        if self.params.get("status") in INDEXED:
            return False
        by_text = bool(self.query.strip()) and job_id(self.query) is None
        return by_text or not self.params.keys().isdisjoint({"queue", "task"})

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


def job_id(text: str) -> UUID | None:
    """The id that somebody searches for; None where it is none."""
    try:
        return UUID(text.strip())
    except ValueError:
        return None
