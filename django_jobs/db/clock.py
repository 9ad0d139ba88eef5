"""The database's clock."""

from typing import Any

from django.db.models import DateTimeField
from django.db.models.functions import Now


class DbNow(Now):
    """
    Now by the database's clock, in UTC, with the precision the column has.

    Django's ``Now()`` is the session's time zone on MariaDB and MySQL, and Django sets no
    time zone there; its naive values are UTC.
    """

    output_field = DateTimeField()

    def as_mysql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra)
