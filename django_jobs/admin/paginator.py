"""Counts that stay fast: they stop at a limit and say so."""

from typing import Any, Final

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.functional import cached_property

COUNT_LIMIT: Final = 50_000


class Count(int):
    """A number of rows that may be cut short; ``text`` then ends with a plus: ``50,000+``."""

    more: bool = False

    @property
    def text(self) -> str:
        """The number as people read it."""
        number = number_format(int(self), force_grouping=True)
        return f"{number}+" if self.more else number


def count_up_to(rows: QuerySet[Any, Any], limit: int = COUNT_LIMIT) -> Count:
    """How many ``rows`` there are, read no further than ``limit``."""
    found = rows.order_by()[: limit + 1].count()
    count = Count(min(found, limit))
    count.more = found > limit
    return count


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages over at most ``COUNT_LIMIT`` rows: nobody leafs further than that."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return count_up_to(rows) if isinstance(rows, QuerySet) else len(rows)
