"""The database's clock."""

from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import DateTimeField
from django.db.models.functions import Now

from .dialects import dialect


class DbNow(Now):
    """
    Now by the database's clock, in UTC, with the precision the column has.

    Django's ``Now()`` is the session's time zone on MariaDB and MySQL, and Django sets no
    time zone there; its naive values are UTC.
    """

    output_field = DateTimeField()

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)


def db_now(using: str) -> datetime:
    """Now by the clock of the database ``using``, aware."""
    connection = connections[using]
    speaks = dialect(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {speaks.now}", [])
        return speaks.moment(cursor.fetchone()[0])
