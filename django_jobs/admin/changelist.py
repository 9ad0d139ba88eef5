"""The list of jobs as Django builds it, with an eye on what it reads."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.views.main import ChangeList

UNLISTED = ("args", "kwargs", "return_value", "metadata", "unique_hash")


class JobChangeList(ChangeList):
    """Leaves the columns out that may be large."""

    def get_queryset(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_queryset(*args, **kwargs).defer(*UNLISTED)

    @property
    def shown(self) -> JobChangeList | Shown:
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
