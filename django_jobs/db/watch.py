"""
Databases that don't answer: a network that swallows packets, a server that hangs.

A driver may wait for an answer for ever. So what a worker itself asks of the database is
timed, and a connection that has been silent for too long is ended from outside: the thread
that waits gets the error of any broken connection, and connects again.
"""

import logging
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

# For all connections of a worker to the jobs' database, where OPTIONS doesn't say otherwise:
# a host that is gone is noticed after half a minute rather than two hours. None of these
# ends a statement that merely takes long.
LIMITS: Final[dict[str, dict[str, int]]] = {
    "postgresql": {
        "connect_timeout": 5,
        "keepalives": 1,
        "keepalives_idle": 15,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 30_000,  # milliseconds
    },
    "mysql": {"connect_timeout": 5},
}

SHORTEST_SILENCE: Final = 5.0
LOOK_SECONDS: Final = 1.0

# How to end a session, from another one. A pooler makes up numbers of its own.
_END: Final = {
    "postgresql": (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid = %s AND usename = current_user AND datname = current_database()"
    ),
    "mysql": "KILL %s",
}

logger = logging.getLogger("django_jobs")


class _Session(NamedTuple):
    """What ends a connection; asked for when it is made, since later it is in use."""

    raw: Any
    fileno: int
    number: int


_sessions: WeakKeyDictionary[BaseDatabaseWrapper, _Session] = WeakKeyDictionary()
_asked_at: dict[BaseDatabaseWrapper, float] = {}


def limit_waits(using: str) -> None:
    """
    Bound how long this process waits for a connection, or for a host that is gone; and know
    its connections, for Watch.
    """
    settings = connections.settings[using]
    limits = LIMITS.get(connections[using].vendor, {})
    settings["OPTIONS"] = {**limits, **settings["OPTIONS"]}
    connection_created.connect(_made)


def _made(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    if connection.vendor in _END:
        raw = connection.connection
        number = raw.thread_id() if connection.vendor == "mysql" else raw.info.backend_pid
        _sessions[connection] = _Session(raw, raw.fileno(), number)


class Answered:
    """Around work of this thread that the database has to answer within the silence."""

    def __init__(self, using: str) -> None:
        self.connection = connections[using]

    def __enter__(self) -> None:
        _asked_at[self.connection] = time.monotonic()

    def __exit__(self, *args: object) -> None:
        del _asked_at[self.connection]


class Watch(threading.Thread):
    """
    Ends connections on which work takes longer than a third of the lease, so that there is
    time to renew it on another one.
    """

    def __init__(self, lease: float) -> None:
        super().__init__(name="django_jobs-watch-connections", daemon=True)
        self.silence = max(SHORTEST_SILENCE, lease / 3)

    def run(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            too_late = time.monotonic() - self.silence
            for connection, asked_at in list(_asked_at.items()):
                if asked_at < too_late:
                    self._end(connection)

    def _end(self, connection: BaseDatabaseWrapper) -> None:
        session = _sessions.get(connection)
        if session is None or session.raw is not connection.connection:
            return  # a file, or a connection that is only being made
        with suppress(OSError):  # it may just have been closed
            with socket.socket(fileno=os.dup(session.fileno)) as end:
                end.shutdown(socket.SHUT_RDWR)
            logger.warning(
                "No answer from the database for %.0f s: the connection is cut",
                self.silence,
                extra={"event": "no_answer"},
            )
            threading.Thread(
                target=_end_session, args=(connection.alias, session.number), daemon=True
            ).start()


def _end_session(using: str, number: int) -> None:
    """
    End what is left at the server's side: if it does answer, the session waits for a lock,
    and one that nobody listens to any more would wait on, or keep its own locks.
    """
    connection = connections[using]
    try:
        with suppress(Exception), Answered(using), connection.cursor() as cursor:
            cursor.execute(_END[connection.vendor], [number])
    finally:
        connection.close()
