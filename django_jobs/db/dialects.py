"""
The SQL that differs between databases, for the statements that every job passes through.

Those are written out rather than built by the ORM: it takes longer to build one than the
database takes to run it. Many rows travel in one parameter, as JSON, so that a statement
has the same text whatever the number of its rows.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

# What a column of a row set holds.
Kind = str
IDENTIFIER: Final = "uuid"
INTEGER: Final = "integer"
SECONDS: Final = "seconds"
TEXT: Final = "text"
JSON_TEXT: Final = "json"  # a document, as text
MOMENT: Final = "moment"


_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    One database's way to say things. ``job`` is the table in ``update()``, ``t`` the rows.

    :param native_uuid: whether it has a type for UUIDs; else they are 32 digits.
    """

    native_uuid: bool

    # Its clock, in UTC.
    now: ClassVar[str]
    # Whether UPDATE … RETURNING gives the rows as they are now.
    returns_updated: ClassVar[bool] = False
    types: ClassVar[Mapping[Kind, str]] = {}

    def rows(self, columns: Mapping[str, Kind]) -> str:
        """The rows of one JSON parameter as a table ``t`` with ``columns``."""
        raise NotImplementedError

    def later(self, seconds: str) -> str:
        """The moment that is ``seconds``, an expression, from now."""
        raise NotImplementedError

    def insert(
        self, table: str, values: Mapping[str, str], columns: Mapping[str, Kind] | None
    ) -> str:
        """A row of ``values``; with ``columns``, for each ``t``, and as expressions over it."""
        head = f"INSERT INTO {table} ({', '.join(values)})"
        listed = ", ".join(values.values())
        if columns is None:
            return f"{head} VALUES ({listed})"
        return f"{head} SELECT {listed} FROM {self.rows(columns)}"  # noqa: S608

    def update(
        self, table: str, columns: Mapping[str, Kind], values: Mapping[str, str], where: str
    ) -> str:
        """
        Set each of ``values``, an expression over ``job`` and ``t``, in the rows whose ``id``
        is among ``t`` and that are as ``where`` says.
        """
        sets = ", ".join(f"{column} = {value}" for column, value in values.items())
        return (
            f"UPDATE {table} AS job SET {sets} FROM {self.rows(columns)} "  # noqa: S608
            f"WHERE job.id = t.id AND {where}"
        )

    def through(self, index: str, table: str, select: str) -> str:
        """``select``, which begins with the rows of ``table``, made to read ``index``."""
        return select

    def uuid(self, value: UUID) -> str:
        """``value`` as the rows of a parameter hold it."""
        return str(value) if self.native_uuid else value.hex

    def id(self, value: Any) -> UUID:
        """A UUID as the cursor gives it."""
        return value if isinstance(value, UUID) else UUID(value)

    def plain(self, moment: str) -> str:
        """The column ``moment`` in a form that ``moment()`` reads fast."""
        return moment

    def cast(self, moment: str) -> str:
        """``moment``, a parameter that ``text()`` made, as the column takes it."""
        return moment

    def text(self, moment: datetime) -> str:
        """``moment`` (aware) in UTC, as the column of a MOMENT takes it."""
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")

    def moment(self, value: Any) -> datetime:
        """A moment as the cursor gives it."""
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
        return read if read.tzinfo else read.replace(tzinfo=UTC)

    def dump(self, rows: Iterable[Sequence[Any]]) -> str:
        """The parameter for ``rows()``: for each row its values, in the order of columns."""
        return _encode(list(rows))


class PostgreSQL(Dialect):
    now = "STATEMENT_TIMESTAMP()"
    returns_updated = True
    types = {
        IDENTIFIER: "uuid",
        INTEGER: "bigint",
        SECONDS: "double precision",
        TEXT: "text",
        JSON_TEXT: "jsonb",
        MOMENT: "timestamptz",
    }

    def rows(self, columns: Mapping[str, Kind]) -> str:
        values = ", ".join(
            f"(value->>{n})::{self.types[kind]} AS {name}"
            for n, (name, kind) in enumerate(columns.items())
        )
        return f"(SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS value) AS t"  # noqa: S608

    def update(
        self, table: str, columns: Mapping[str, Kind], values: Mapping[str, str], where: str
    ) -> str:
        # The ids come as an array as well, so that the rows are found by their primary key,
        # whatever the statistics of a table that changes by the second make the planner
        # believe; as a join alone it may read the whole table.
        sets = ", ".join(f"{column} = {value}" for column, value in values.items())
        return (
            f"WITH t AS MATERIALIZED (SELECT * FROM {self.rows(columns)}) "  # noqa: S608
            f"UPDATE {table} AS job SET {sets} FROM t "
            f"WHERE job.id = ANY(ARRAY(SELECT id FROM t)) AND job.id = t.id AND {where}"
        )

    def later(self, seconds: str) -> str:
        return f"({self.now} + {seconds} * INTERVAL '1 second')"

    def text(self, moment: datetime) -> str:
        return moment.isoformat()

    def cast(self, moment: str) -> str:
        return f"{moment}::timestamptz"

    def plain(self, moment: str) -> str:
        # Django's own loader for timestamps takes ten times as long as reading the text.
        return f"{moment}::text"


class SQLite(Dialect):
    now = "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')"

    def rows(self, columns: Mapping[str, Kind]) -> str:
        values = ", ".join(f"json_extract(value, '$[{n}]') AS {c}" for n, c in enumerate(columns))
        return f"(SELECT {values} FROM json_each(%s)) AS t"  # noqa: S608

    def later(self, seconds: str) -> str:
        return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', PRINTF('%%.6f seconds', {seconds}))"


class MySQL(Dialect):
    """MariaDB and MySQL."""

    now = "UTC_TIMESTAMP(6)"
    types = {
        IDENTIFIER: "CHAR(36)",
        INTEGER: "BIGINT",
        SECONDS: "DOUBLE",
        TEXT: "LONGTEXT",
        JSON_TEXT: "LONGTEXT",
        MOMENT: "DATETIME(6)",
    }

    def rows(self, columns: Mapping[str, Kind]) -> str:
        listed = ", ".join(
            f"{name} {self.types[kind]} PATH '$[{n}]'"
            for n, (name, kind) in enumerate(columns.items())
        )
        return f"JSON_TABLE(%s, '$[*]' COLUMNS ({listed})) AS t"

    def later(self, seconds: str) -> str:
        return f"TIMESTAMPADD(MICROSECOND, ROUND({seconds} * 1000000), {self.now})"

    def through(self, index: str, table: str, select: str) -> str:
        # With statistics from before the jobs, another index looks as cheap.
        return select.replace(f"FROM `{table}`", f"FROM `{table}` FORCE INDEX ({index})", 1)

    def update(
        self, table: str, columns: Mapping[str, Kind], values: Mapping[str, str], where: str
    ) -> str:
        # Assigned from left to right; an expression sees what those before it have set.
        sets = ", ".join(f"job.{column} = {value}" for column, value in values.items())
        # The rows by their key, one after the other: a small table it would read as a whole, and
        # wait for whoever holds another row of it.
        return (
            f"UPDATE {self.rows(columns)} STRAIGHT_JOIN {table} AS job "  # noqa: S608
            f"FORCE INDEX (PRIMARY) ON job.id = t.id AND {where} SET {sets}"
        )


_DIALECTS: Final = {"postgresql": PostgreSQL, "sqlite": SQLite, "mysql": MySQL}


def dialect(connection: BaseDatabaseWrapper) -> Dialect:
    return _dialect(connection.vendor, connection.features.has_native_uuid_field)


@cache
def _dialect(vendor: str, native_uuid: bool) -> Dialect:
    return _DIALECTS[vendor](native_uuid)


def locking_select(
    rows: QuerySet[Any, Any], index: str | None = None
) -> tuple[str, tuple[Any, ...]]:
    """
    The statement that reads ``rows`` and locks them, less those that are locked already.

    :param index: the one to read them by, where the planner can be told; None leaves it to
        the planner.
    """
    connection = connections[rows.db]
    sql, params = rows.query.get_compiler(rows.db).as_sql()
    if index is not None:
        sql = dialect(connection).through(index, rows.model._meta.db_table, sql)
    features = connection.features
    if features.has_select_for_update:
        # SQLite has no rows to lock: a transaction that writes holds the whole database.
        skip_locked = features.has_select_for_update_skip_locked
        sql += f" {connection.ops.for_update_sql(skip_locked=skip_locked)}"
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
