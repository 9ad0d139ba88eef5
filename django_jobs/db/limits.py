"""
What bounds the statements of a job that has a timeout: the database itself cuts them short.

Nothing is sent for a job without a timeout, nor for one that sends nothing itself.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from math import ceil
from typing import Any, ClassVar, Final

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import TimedOut
from ..token import Token
from .errors import was_cut_short

# A session has one limit for each of its statements, so that one which begins later would end
# later. It is set again after so long, and no statement outlasts the deadline by more.
RENEW_SECONDS: Final = 0.25
# Steps of SQLite's machine between two looks at the clock: some 20 ms.
STEPS: Final = 500_000


def bounded(token: Token) -> AbstractContextManager[None]:
    """
    Bound the statements of this thread by the deadline of ``token``, if it has one. Those
    that begin after it, to clean up, have until the job is overdue.

    :raises Interrupt: instead of the database's error, for what was cut short.
    """
    return _UNBOUNDED if token.deadline is None else _bounded(token)


_UNBOUNDED: Final = nullcontext()


@contextmanager
def _bounded(token: Token) -> Iterator[None]:
    bounds = [
        _Bound(connections[alias], token, _VENDORS[connections[alias].vendor])
        for alias in connections
        if connections[alias].vendor in _VENDORS
    ]
    for bound in bounds:
        bound.connection.execute_wrappers.append(bound)
    try:
        with _as_interrupt(token):  # rows may be fetched long after the statement was sent
            yield
    finally:
        for bound in bounds:
            bound.end()


@contextmanager
def _as_interrupt(token: Token) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        if token.remaining() == 0 and was_cut_short(error):
            raise (token.interrupt or TimedOut) from error
        raise


class _Vendor:
    """How one kind of database is told; the longest a statement may take is in seconds."""

    transactional: ClassVar[bool] = False

    def begin(self, raw: Any, bound: "_Bound") -> None:
        """``raw`` is bound for the first time."""

    def end(self, raw: Any) -> None:
        """It is no longer."""

    def read(self, cursor: Any, connection: Any) -> float:
        """The session's own limit."""
        raise NotImplementedError

    def write(self, cursor: Any, connection: Any, seconds: float) -> None:
        raise NotImplementedError


class _PostgreSQL(_Vendor):
    transactional = True

    def read(self, cursor: Any, connection: Any) -> float:
        cursor.execute(
            "SELECT EXTRACT(EPOCH FROM current_setting('statement_timeout')::interval)::float"
        )
        return cursor.fetchone()[0] or sys.maxsize

    def write(self, cursor: Any, connection: Any, seconds: float) -> None:
        # Of the transaction, where there is one: it goes with it, even behind a pooler.
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, %s)",
            [str(_milliseconds(seconds)), not connection.autocommit],
        )


class _MySQL(_Vendor):
    """MariaDB; and MySQL, which bounds nothing but a SELECT."""

    def read(self, cursor: Any, connection: Any) -> float:
        if connection.mysql_is_mariadb:
            cursor.execute("SELECT @@SESSION.max_statement_time")
            return cursor.fetchone()[0] or sys.maxsize
        cursor.execute("SELECT @@SESSION.max_execution_time")
        return cursor.fetchone()[0] / 1000 or sys.maxsize

    def write(self, cursor: Any, connection: Any, seconds: float) -> None:
        if connection.mysql_is_mariadb:
            cursor.execute(f"SET SESSION max_statement_time = {_milliseconds(seconds) / 1000}")
        else:
            cursor.execute(f"SET SESSION max_execution_time = {_milliseconds(seconds)}")


class _SQLite(_Vendor):
    """It looks at the clock while it computes; what is written here bounds a wait for a lock."""

    def begin(self, raw: Any, bound: "_Bound") -> None:
        raw.set_progress_handler(lambda: time.monotonic() >= bound.ends_at, STEPS)

    def end(self, raw: Any) -> None:
        raw.set_progress_handler(None, 0)

    def read(self, cursor: Any, connection: Any) -> float:
        cursor.execute("PRAGMA busy_timeout")
        return float(cursor.fetchone()[0] / 1000)

    def write(self, cursor: Any, connection: Any, seconds: float) -> None:
        cursor.execute(f"PRAGMA busy_timeout = {_milliseconds(seconds)}")


_VENDORS: Final = {"postgresql": _PostgreSQL(), "mysql": _MySQL(), "sqlite": _SQLite()}


def _milliseconds(seconds: float) -> int:
    """Whole ones, up; 0 for no limit. Beyond three weeks they don't fit everywhere."""
    return 0 if seconds == sys.maxsize else min(ceil(round(seconds * 1000, 3)), 2**31 - 1)


class _Bound:
    """The limit of one connection for the time of one job; one of its ``execute_wrappers``."""

    def __init__(self, connection: BaseDatabaseWrapper, token: Token, vendor: _Vendor) -> None:
        self.connection = connection
        self.ends_at = 0.0  # when what begins now is cut short (monotonic)
        self._token = token
        self._vendor = vendor
        self._raw: Any = None  # the session that is bound
        self._own = 0.0
        self._asking = False
        self._renew_at = 0.0
        self._is_set = False
        self._of_transaction = False

    def __call__(self, execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        if self._asking:
            return execute(sql, params, many, context)  # Django's own, for the server's version
        if isinstance(sql, str) and sql.startswith("ROLLBACK"):
            # To a savepoint. In a failed transaction nothing may come before it, and it may
            # take the limit along.
            self._renew_at = 0.0
        elif self.connection.connection is not None:
            self._renew()
        with _as_interrupt(self._token):
            return execute(sql, params, many, context)

    def _renew(self) -> None:
        raw, now = self.connection.connection, time.monotonic()
        if raw is not self._raw:
            self._own = self._ask()
            self._vendor.begin(raw, self)
            self._raw, self._is_set, self._renew_at = raw, False, 0.0
        elif now < self._renew_at and not self._went_with_transaction():
            return
        deadline = self._token.deadline or 0.0
        self.ends_at = deadline if now < deadline else self._token.overdue_at
        if now >= self.ends_at:
            self._token.check()
        if now + self._own <= self.ends_at and not self._is_set:
            # The session's own limit is the shorter one for now.
            self._renew_at = self.ends_at - self._own
        elif self._tell(min(self._own, max(self.ends_at - now, 0.001))):
            self._renew_at = min(now + RENEW_SECONDS, self.ends_at)

    def _ask(self) -> float:
        self._asking = True
        try:
            with self._cursor() as cursor:
                return self._vendor.read(cursor, self.connection)
        finally:
            self._asking = False

    def _tell(self, seconds: float) -> bool:
        """Set the limit; False where there can be none."""
        self._of_transaction = self._vendor.transactional and not self.connection.autocommit
        if self._vendor.transactional and not self._of_transaction and self._is_shared():
            return False
        with self._cursor() as cursor:
            self._vendor.write(cursor, self.connection, seconds)
        self._is_set = True
        return True

    def _went_with_transaction(self) -> bool:
        """Whether the transaction that the limit was set in has ended."""
        return self._of_transaction and _is_idle(self._raw)

    def _is_shared(self) -> bool:
        """Whether somebody else may get this session later, with what is set in it."""
        settings = self.connection.settings_dict
        return bool(settings.get("DISABLE_SERVER_SIDE_CURSORS")) or "pool" in settings["OPTIONS"]

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor beneath Django's own: not logged, not wrapped."""
        with (
            self.connection.wrap_database_errors,
            closing(self.connection.create_cursor()) as cursor,
        ):
            yield cursor

    def end(self) -> None:
        """Leave the session as it was."""
        with suppress(ValueError):  # the job has removed it
            self.connection.execute_wrappers.remove(self)
        if self._raw is None or self._raw is not self.connection.connection:
            return
        try:
            self._vendor.end(self._raw)
            if self._is_set:
                self._tell(self._own)
        except DatabaseError:
            if not self.connection.in_atomic_block:
                self.connection.close()
            # Else a rollback is due, which takes the limit along.


def _is_idle(raw: Any) -> bool:
    """Whether a session of PostgreSQL is in no transaction."""
    return int(raw.info.transaction_status) == 0
