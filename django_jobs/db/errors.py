"""Which database errors pass by themselves."""

from django.db import DatabaseError, InterfaceError, OperationalError

# SQLSTATEs of PostgreSQL that mean "again": serialization failure, deadlock, lock timeout, a
# server that is read-only during a failover, and a transaction that took too long.
_SQLSTATES = frozenset({"40001", "40P01", "55P03", "25006", "25P03", "25P04"})
# The same of MariaDB and MySQL: lock wait timeout, deadlock.
_ERRNOS = frozenset({1205, 1213})
# Of MariaDB and MySQL: operational errors of the data, which will be refused again: larger
# than max_allowed_packet, and text that the column's character set lacks.
_REFUSED = frozenset({1153, 1366})

# What is said of a statement that took too long: by PostgreSQL, by SQLite (busy, interrupted),
# by MariaDB and MySQL.
_CANCELED = "57014"
_BUSY_OR_INTERRUPTED = frozenset({5, 9})
_TOO_LONG = frozenset({1317, 1969, 3024})


def is_transient(error: BaseException) -> bool:
    """
    Whether the same work may succeed later: a lost connection, a restart, a failover, a
    deadlock, a lock timeout, "database is locked".
    """
    if isinstance(error, OperationalError | InterfaceError):
        return not (error.args and error.args[0] in _REFUSED)
    if not isinstance(error, DatabaseError):
        return False
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _SQLSTATES:
        return True
    args: tuple[object, ...] = getattr(cause, "args", ())
    return bool(args) and args[0] in _ERRNOS


def was_cut_short(error: DatabaseError) -> bool:
    """Whether the database ended the statement because of the time that it took."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if state is not None:
        return bool(state == _CANCELED)
    code = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in _BUSY_OR_INTERRUPTED
    return bool(error.args) and error.args[0] in _TOO_LONG
