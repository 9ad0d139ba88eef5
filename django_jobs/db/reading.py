"""How rows are read in the order of an index, and locked, on each database."""

from collections.abc import Sequence
from typing import Any

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

from .dialects import dialect


def locking_select(
    rows: QuerySet[Any, Any], index: str | None = None
) -> tuple[str, tuple[Any, ...]]:
    """
    The statement that reads ``rows`` and locks them, less those that are locked already.

    :param index: the one to read them by, where the planner can be told; None leaves it to
        the planner.
    """
    sql, params = plain_select(rows, index)
    connection = connections[rows.db]
    features = connection.features
    if features.has_select_for_update:
        # SQLite has no rows to lock: a transaction that writes holds the whole database.
        skip_locked = features.has_select_for_update_skip_locked
        sql += f" {connection.ops.for_update_sql(skip_locked=skip_locked)}"
    return sql, params


def plain_select(rows: QuerySet[Any, Any], index: str | None = None) -> tuple[str, tuple[Any, ...]]:
    """The same without a lock."""
    sql, params = rows.query.get_compiler(rows.db).as_sql()
    if index is not None:
        sql = dialect(connections[rows.db]).through(index, rows.model._meta.db_table, sql)
    return sql, tuple(params)


def fetch_in_order(
    connection: BaseDatabaseWrapper, sql: str, params: Sequence[Any]
) -> list[tuple[Any, ...]]:
    """
    The rows of ``sql``, which the planner of PostgreSQL must find in the order of an index:
    where its statistics are older than the jobs, it sorts all that are ready for each claim.
    """
    with connection.cursor() as cursor:
        if connection.vendor != "postgresql":
            cursor.execute(sql, params)
        elif getattr(connection.features, "uses_server_side_binding", False):
            with transaction.atomic(using=connection.alias):
                cursor.execute("SET LOCAL enable_sort = off")
                cursor.execute(sql, params)
        else:
            # One round trip, and one transaction.
            cursor.execute(f"SET LOCAL enable_sort = off; {sql}", params)
            cursor.nextset()
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows
