"""Which database errors pass by themselves."""

from django.db import DatabaseError, InterfaceError, OperationalError

# SQLSTATEs of PostgreSQL that mean "again": serialization failure, deadlock, lock timeout.
_SQLSTATES = frozenset({"40001", "40P01", "55P03"})
# The same of MariaDB and MySQL: lock wait timeout, deadlock.
_ERRNOS = frozenset({1205, 1213})


def is_transient(error: BaseException) -> bool:
    """
    Whether the same work may succeed later: a lost connection, a restart, a deadlock, a lock
    timeout, "database is locked".
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    if not isinstance(error, DatabaseError):
        return False
    cause = error.__cause__
    if getattr(cause, "sqlstate", None) in _SQLSTATES:
        return True
    args: tuple[object, ...] = getattr(cause, "args", ())
    return bool(args) and args[0] in _ERRNOS
