"""Which database errors pass by themselves."""

import pytest
from django.db import DataError, InterfaceError, InternalError, OperationalError, ProgrammingError

from django_jobs.db.errors import is_transient


class DriverError(Exception):
    def __init__(self, *args: object, sqlstate: str | None = None) -> None:
        super().__init__(*args)
        self.sqlstate = sqlstate


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database is locked"),
        OperationalError(2006, "Server has gone away"),
        InterfaceError("connection already closed"),
        # A failover leaves PostgreSQL read-only for a while: no error of the row's.
        caused(InternalError("read-only"), DriverError("read-only", sqlstate="25006")),
        caused(InternalError("deadlock"), DriverError(1213, "Deadlock found")),
    ],
    ids=repr,
)
def test_what_passes(error: Exception) -> None:
    assert is_transient(error)


@pytest.mark.parametrize(
    "error",
    [
        # MySQL calls these operational, but will refuse the same row for ever.
        OperationalError(1366, "Incorrect string value"),
        OperationalError(1153, "Got a packet bigger than 'max_allowed_packet' bytes"),
        DataError("value too long"),
        ProgrammingError("syntax error"),
        ValueError("not of a database"),
    ],
    ids=repr,
)
def test_what_does_not(error: Exception) -> None:
    assert not is_transient(error)
