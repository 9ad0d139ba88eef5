"""Transactions that insert one key wait for each other in a line, on every database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Final

from django.db import DatabaseError, connections

PATIENCE: Final = 10  # seconds
NAME_LENGTH: Final = 64


@contextmanager
def in_turn(key: str, using: str) -> Iterator[None]:
    """
    Let one transaction at a time wait for another one that has inserted ``key``.

    InnoDB lets all who wait go on together when that one is rolled back, each with a lock on the
    gap that the others want to insert into, and calls it a deadlock. So the others wait for this
    one here, by a lock of the session that is given up once the key is inserted or was found.
    Nothing but that relies on it: whoever has waited for too long goes on without.
    """
    connection = connections[using]
    if connection.vendor != "mysql" or not connection.in_atomic_block:
        yield
        return
    name = f"django_jobs:{key}"[:NAME_LENGTH]
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, PATIENCE])
    try:
        yield
    finally:
        # Beneath Django's own cursor, which refuses in a transaction that has failed. A session
        # that is gone has given it up.
        with (
            suppress(DatabaseError),
            connection.wrap_database_errors,
            closing(connection.create_cursor()) as cursor,
        ):
            cursor.execute("DO RELEASE_LOCK(%s)", [name])
