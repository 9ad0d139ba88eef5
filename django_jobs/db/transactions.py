"""Transactions that write, on every database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import connections, transaction
from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


@contextmanager
def write_transaction(using: str) -> Iterator[None]:
    """
    A transaction that is going to write.

    SQLite begins it with BEGIN IMMEDIATE: a deferred transaction that reads first fails at
    once with "database is locked" when another one has written meanwhile, whatever the
    timeout says.
    """
    connection = connections[using]
    connection.ensure_connection()
    if not hasattr(connection, "transaction_mode"):
        with transaction.atomic(using=using):
            yield
        return
    before = connection.transaction_mode
    connection.transaction_mode = "IMMEDIATE"
    try:
        with transaction.atomic(using=using):
            yield
    finally:
        connection.transaction_mode = before


def sees_commits(using: str) -> bool:
    """
    Whether the next statement is certain to see what others have committed by now, as under read
    committed, and not what was there when its transaction began.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        return True
    # Of MariaDB and MySQL, whose own default is another one than Django's.
    return getattr(connection, "isolation_level", None) == "read committed"


def lock_rows(rows: QuerySet[M, M]) -> QuerySet[M, M]:
    """
    Lock ``rows``, leaving out those that another session holds.

    On SQLite a write transaction holds the whole database, so there is nothing to lock, and
    Django would drop the clause in silence.
    """
    features = connections[rows.db].features
    if not features.has_select_for_update:
        return rows
    return rows.select_for_update(skip_locked=features.has_select_for_update_skip_locked)
