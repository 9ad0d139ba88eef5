"""
The SQL that differs between databases, for the statements that every job passes through.

Those are written out rather than built by the ORM: it takes longer to build one than the
database takes to run it. Many rows travel in one parameter, as JSON, so that a statement
has the same text whatever the number of its rows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

# What a column of a row set holds.
Kind = str
IDENTIFIER: Final = "uuid"
INTEGER: Final = "integer"
SECONDS: Final = "seconds"
TEXT: Final = "text"
JSON_TEXT: Final = "json"  # a document, as text
MOMENT: Final = "moment"


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
    # How an INSERT changes the row that is there, and what a column would have got. Without a
    # WHERE, SQLite takes ON for a part of the FROM.
    on_conflict: ClassVar[tuple[str, str]] = (
        "WHERE TRUE ON CONFLICT ({}) DO UPDATE SET",
        "excluded.{}",
    )
    # The same, where that row is left alone, for a column with a UniqueWhenSet.
    unless_held: ClassVar[str] = "WHERE TRUE ON CONFLICT ({key}) WHERE {key} IS NOT NULL DO NOTHING"
    # Whether the number of rows of insert_unless_held() is of those that it has inserted.
    counts_inserted: ClassVar[bool] = True
    # Whether it locks the rows that are there, for as long as its transaction lasts.
    locks_held: ClassVar[bool] = False
    # What a SELECT ends with that is to see rows as they are, not as its transaction began.
    current: ClassVar[str] = ""

    def rows(self, columns: Mapping[str, Kind], same: Collection[str] = ()) -> str:
        """
        A table ``t`` with ``columns``. Those in ``same`` are parameters, in their order; the
        others are the rows of one JSON parameter after these.
        """
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

    def insert_unless_held(
        self, table: str, key: str, values: Mapping[str, str], columns: Mapping[str, Kind]
    ) -> str:
        """
        ``insert()``, less the rows whose ``key`` another one has. It waits for a transaction
        that has inserted such a row, and never fails because of one.

        :param key: a column with a ``UniqueWhenSet``.
        """
        unless_held = self.unless_held.format(table=table, key=key)
        return f"{self.insert(table, values, columns)} {unless_held}"

    def upsert(
        self,
        table: str,
        key: str,
        values: Mapping[str, str],
        columns: Mapping[str, Kind],
        changes: Mapping[str, str],
    ) -> str:
        """
        ``insert()``; a row that is there already with the same ``key`` gets ``changes``: for a
        column an expression over its ``{old}`` value and its ``{new}`` one.
        """
        head, new = self.on_conflict
        sets = ", ".join(
            f"{column} = {value.format(old=f'{table}.{column}', new=new.format(column))}"
            for column, value in changes.items()
        )
        return f"{self.insert(table, values, columns)} {head.format(key)} {sets}"

    def update(
        self,
        table: str,
        columns: Mapping[str, Kind],
        values: Mapping[str, str],
        where: str,
        same: Collection[str] = (),
    ) -> str:
        """
        Set each of ``values``, an expression over ``job`` and ``t``, in the rows whose ``id``
        is among ``t`` and that are as ``where`` says; ``same`` as in ``rows()``.
        """
        sets = ", ".join(f"{column} = {value}" for column, value in values.items())
        return (
            f"UPDATE {table} AS job SET {sets} FROM {self.rows(columns, same)} "  # noqa: S608
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

    def rows(self, columns: Mapping[str, Kind], same: Collection[str] = ()) -> str:
        read = (f"(value->>{place})" for place in count())
        values = ", ".join(
            f"{'%s' if name in same else next(read)}::{self.types[kind]} AS {name}"
            for name, kind in columns.items()
        )
        return f"(SELECT {values} FROM jsonb_array_elements(%s::jsonb) AS value) AS t"  # noqa: S608

    def update(
        self,
        table: str,
        columns: Mapping[str, Kind],
        values: Mapping[str, str],
        where: str,
        same: Collection[str] = (),
    ) -> str:
        # The ids come as an array as well, so that the rows are found by their primary key,
        # whatever the statistics of a table that changes by the second make the planner
        # believe; as a join alone it may read the whole table.
        sets = ", ".join(f"{column} = {value}" for column, value in values.items())
        return (
            f"WITH t AS MATERIALIZED (SELECT * FROM {self.rows(columns, same)}) "  # noqa: S608
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

    def rows(self, columns: Mapping[str, Kind], same: Collection[str] = ()) -> str:
        read = (f"json_extract(value, '$[{place}]')" for place in count())
        values = ", ".join(f"{'%s' if c in same else next(read)} AS {c}" for c in columns)
        return f"(SELECT {values} FROM json_each(%s)) AS t"  # noqa: S608

    def later(self, seconds: str) -> str:
        return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', PRINTF('%%.6f seconds', {seconds}))"


class MySQL(Dialect):
    """MariaDB and MySQL."""

    now = "UTC_TIMESTAMP(6)"
    # Django's connection counts the rows that are found, changed or not.
    counts_inserted = False
    locks_held = True
    current = " LOCK IN SHARE MODE"
    on_conflict = ("ON DUPLICATE KEY UPDATE", "VALUES({})")
    # Not INSERT IGNORE, which would also store what doesn't fit.
    unless_held = "ON DUPLICATE KEY UPDATE {key} = {table}.{key}"
    types = {
        IDENTIFIER: "CHAR(36)",
        INTEGER: "BIGINT",
        SECONDS: "DOUBLE",
        TEXT: "LONGTEXT",
        JSON_TEXT: "LONGTEXT",
        MOMENT: "DATETIME(6)",
    }

    def rows(self, columns: Mapping[str, Kind], same: Collection[str] = ()) -> str:
        varying = {name: self.types[kind] for name, kind in columns.items() if name not in same}
        listed = ", ".join(
            f"{name} {kind} PATH '$[{n}]'" for n, (name, kind) in enumerate(varying.items())
        )
        table = f"JSON_TABLE(%s, '$[*]' COLUMNS ({listed})) AS "
        if not same:
            return f"{table}t"
        once = ", ".join(f"%s AS {name}" for name in columns if name in same)
        return f"(SELECT {once}, each_row.* FROM {table}each_row) AS t"  # noqa: S608

    def later(self, seconds: str) -> str:
        return f"TIMESTAMPADD(MICROSECOND, ROUND({seconds} * 1000000), {self.now})"

    def through(self, index: str, table: str, select: str) -> str:
        # With statistics from before the jobs, another index looks as cheap.
        return select.replace(f"FROM `{table}`", f"FROM `{table}` FORCE INDEX ({index})", 1)

    def update(
        self,
        table: str,
        columns: Mapping[str, Kind],
        values: Mapping[str, str],
        where: str,
        same: Collection[str] = (),
    ) -> str:
        # Assigned from left to right; an expression sees what those before it have set.
        sets = ", ".join(f"job.{column} = {value}" for column, value in values.items())
        # The rows by their key, one after the other: a small table it would read as a whole, and
        # wait for whoever holds another row of it.
        return (
            f"UPDATE {self.rows(columns, same)} STRAIGHT_JOIN {table} AS job "  # noqa: S608
            f"FORCE INDEX (PRIMARY) ON job.id = t.id AND {where} SET {sets}"
        )


_DIALECTS: Final = {"postgresql": PostgreSQL, "sqlite": SQLite, "mysql": MySQL}


def dialect(connection: BaseDatabaseWrapper) -> Dialect:
    return _dialect(connection.vendor, connection.features.has_native_uuid_field)


@cache
def _dialect(vendor: str, native_uuid: bool) -> Dialect:
    return _DIALECTS[vendor](native_uuid)
