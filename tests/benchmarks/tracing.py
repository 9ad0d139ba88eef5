"""
Counts what a worker says to its database, by thread, when the harness asks for it.

Below Django and below any contender: libpq's own trace of the protocol for psycopg, SQLite's
trace callback, and for MariaDB Django's execute wrapper. Off unless a folder is named.
"""

import os
import re
import threading
from collections import Counter
from itertools import count
from pathlib import Path
from typing import Any

VARIABLE = "BENCH_TRACE"  # the folder, in the environment of the worker

_numbers = count()
_control = re.compile(rb'\t\s*"(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE)|^(BEGIN|COMMIT|ROLLBACK)')


def install() -> None:
    if not os.environ.get(VARIABLE):
        return
    from django.db.backends.signals import connection_created

    try:
        import psycopg
    except ImportError:
        pass
    else:
        _trace_psycopg(psycopg)
    connection_created.connect(_trace_django, weak=False)


def statements(folder: Path) -> Counter[tuple[str, bool]]:
    """
    Count by thread, and whether it only begins or ends a transaction. Of libpq's trace the
    answers: a statement's own text may have several lines, and be more than one statement.
    """
    counts: Counter[tuple[str, bool]] = Counter()
    for path in (*folder.glob("*.sql"), *folder.glob("*.libpq")):
        thread = path.name.split("@")[0]
        for line in path.read_bytes().splitlines():
            if path.suffix == ".sql" or line.split(b"\t")[3:4] == [b"CommandComplete"]:
                counts[thread, bool(_control.search(line))] += 1
    return counts


def _open(suffix: str) -> int:
    thread = re.sub(r"[^\w-]", "_", threading.current_thread().name)
    name = f"{thread}@{os.getpid()}-{next(_numbers)}{suffix}"
    path = Path(os.environ[VARIABLE], name)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _trace_psycopg(psycopg: Any) -> None:
    connect = psycopg.Connection.connect.__func__
    connect_async = psycopg.AsyncConnection.connect.__func__

    def traced(cls: Any, *args: Any, **kwargs: Any) -> Any:
        connection = connect(cls, *args, **kwargs)
        connection.pgconn.trace(_open(".libpq"))
        return connection

    async def traced_async(cls: Any, *args: Any, **kwargs: Any) -> Any:
        connection = await connect_async(cls, *args, **kwargs)
        connection.pgconn.trace(_open(".libpq"))
        return connection

    psycopg.Connection.connect = classmethod(traced)
    psycopg.AsyncConnection.connect = classmethod(traced_async)
    psycopg.connect = psycopg.Connection.connect


def _trace_django(connection: Any, **kwargs: Any) -> None:
    if connection.vendor == "sqlite":
        file = _open(".sql")
        connection.connection.set_trace_callback(
            lambda sql: os.write(
                file, sql.encode().replace(b"\n", b" ").replace(b"\t", b" ") + b"\n"
            )
        )
    elif connection.vendor == "mysql":
        file = _open(".sql")

        def wrapper(execute: Any, sql: Any, *args: Any) -> Any:
            os.write(file, str(sql).encode().replace(b"\n", b" ").replace(b"\t", b" ") + b"\n")
            return execute(sql, *args)

        connection.execute_wrappers.append(wrapper)
