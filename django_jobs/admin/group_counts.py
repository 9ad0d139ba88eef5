"""How many jobs of a failure group are dead, and how many are to be tried again."""

from collections.abc import Sequence
from typing import Final

from django.db import connections, router

from ..models import Job, Status
from .paginator import Count

LISTED_LIMIT: Final = 10_000
COUNTED: Final = (Status.DEAD, Status.SCHEDULED)


def counts_of(groups: Sequence[str], limit: int) -> dict[str, dict[Status, Count]]:
    """
    For each of ``groups`` its counts by status, with one statement that reads no further than
    ``limit`` entries of the index for each.
    """
    counts = {group: dict.fromkeys(COUNTED, Count(0)) for group in groups}
    if not groups:
        return counts
    table = Job._meta.db_table
    # Written out, since the ORM can't count a slice within a larger statement.
    one = (
        f"SELECT %s, %s, COUNT(*) FROM (SELECT 1 AS one FROM {table} "  # noqa: S608 (names of ours)
        "WHERE failure_group = %s AND status = %s LIMIT %s) AS found"
    )
    pairs = [(group, status) for group in groups for status in COUNTED]
    params = [
        value
        for group, status in pairs
        for value in (group, status.value, group, status.value, limit + 1)
    ]
    with connections[router.db_for_read(Job)].cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(pairs)), params)
        for group, status, found in cursor.fetchall():
            count = Count(min(found, limit))
            count.more = found > limit
            counts[group][Status(status)] = count
    return counts
