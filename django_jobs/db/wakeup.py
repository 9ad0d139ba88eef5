"""
How an idle worker hears of new jobs before its next poll: ``NOTIFY`` on PostgreSQL, the
version of the file on SQLite. Polling finds whatever is missed here.
"""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .watch import LIMITS, Answered

CHANNEL: Final = "django_jobs"
# What is told on it beside the names of queues, none of which is one of these.
CANCEL: Final = "!"
COMMAND: Final = "!!"

# A process that has told a queue's workers of a job doesn't tell them again for so long:
# PostgreSQL lets transactions with a NOTIFY commit only one after the other. So a worker that
# was told looks again a while after, for what was committed in between.
QUIET_SECONDS: Final = 0.01
AGAIN_SECONDS: Final = 0.02

# Pauses between two looks at the version of the file: short just after a change, since the
# next one is often near, and then a part of the time that it has been quiet for.
SHORTEST_PAUSE: Final = 0.004
LONGEST_PAUSE: Final = 0.05
PART_OF_QUIET: Final = 1 / 20

_told: dict[tuple[str, str], float] = {}


def notify_clause(using: str, queue_name: str, *, sure: bool) -> tuple[str, list[str]]:
    """
    What an INSERT of jobs ends with, and its parameters, so that it tells the workers of
    ``queue_name``; empty where nothing is to be told.

    :param sure: it will insert something. Else nothing may be told, and the next is not left out.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        return "", []
    if sure and connection.get_autocommit():
        now = time.monotonic()
        if now - _told.get((using, queue_name), 0.0) < QUIET_SECONDS:
            return "", []
        _told[using, queue_name] = now
    # Else nobody knows when the commit will be. The same twice in a transaction is sent once.
    return " RETURNING (SELECT pg_notify(%s, %s))", [CHANNEL, queue_name]


def tell_of_cancel(using: str) -> None:
    """Tell all workers that running jobs have been asked to end, once that is committed."""
    _tell(using, CANCEL)


def tell_of_command(using: str) -> None:
    """Tell all workers that some of them have been told something, once that is committed."""
    _tell(using, COMMAND)


def _tell(using: str, what: str) -> None:
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, what])


class Bell:
    """
    Waits for new jobs, on the connection of the thread that waits.

    ``name`` says what it listens to, ``is_sure`` whether it hears of jobs and of nothing else.
    ``on_cancel`` is called where it hears that jobs have been asked to end, ``on_command`` where
    workers have been told something.
    """

    name = ""
    is_sure = False

    def __init__(self, using: str) -> None:
        self.using = using
        self.stopping = threading.Event()
        self.on_cancel: Callable[[], None] = lambda: None
        self.on_command: Callable[[], None] = lambda: None

    def wait(self, wanted: Callable[[str], bool]) -> bool:
        """
        Wait; for some seconds, for ever, or not at all.

        :param wanted: whether jobs of a queue are wanted.
        :returns: whether there may be new ones.
        :raises DatabaseError: the connection is of no use any more, and is to be closed.
        """
        raise NotImplementedError

    def stop(self) -> None:
        """End a ``wait()``, from another thread."""
        self.stopping.set()

    def close(self) -> None:
        connections[self.using].close()


class Notifications(Bell):
    """``LISTEN`` on PostgreSQL."""

    name = "NOTIFY"
    is_sure = True

    def __init__(self, using: str) -> None:
        super().__init__(using)
        self._ends: tuple[socket.socket, socket.socket] | None = None
        self._again_at: float | None = None

    def wait(self, wanted: Callable[[str], bool]) -> bool:
        self._ends = self._ends or socket.socketpair()
        connection = connections[self.using]
        if connection.connection is None:
            with Answered(self.using):
                _listen(connection)
            self.on_cancel()
            return True  # who knows what was missed
        pause = None if self._again_at is None else max(0.0, self._again_at - time.monotonic())
        ready = wait([connection.connection, self._ends[0]], pause)
        now = time.monotonic()
        told = _received(connection) if connection.connection in ready else set()
        for what, then in ((CANCEL, self.on_cancel), (COMMAND, self.on_command)):
            if what in told:
                told.remove(what)
                then()
        if any(map(wanted, told)):
            self._again_at = now + AGAIN_SECONDS
            return True
        if self._again_at is None or now < self._again_at:
            return False
        self._again_at = None
        return True

    def stop(self) -> None:
        super().stop()
        if self._ends is not None:
            with suppress(OSError):  # it has ended meanwhile
                self._ends[1].send(b"\0")

    def close(self) -> None:
        super().close()
        for end in self._ends or ():
            end.close()


def _listen(connection: BaseDatabaseWrapper) -> None:
    settings = connection.settings_dict
    # This connection sends nothing: without keepalives it wouldn't notice that it is dead.
    options = {**LIMITS["postgresql"], **settings["OPTIONS"]}
    options.pop("pool", None)  # it would hold one of the others' connections for good
    connection.settings_dict = {**settings, "OPTIONS": options, "AUTOCOMMIT": True}
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")


def _received(connection: Any) -> set[str]:
    """What has been told of: queues, CANCEL and COMMAND."""
    raw = connection.connection
    with connection.wrap_database_errors:
        if not hasattr(raw, "pgconn"):  # psycopg2
            raw.poll()
            queues = {notification.payload for notification in raw.notifies}
            raw.notifies.clear()
            return queues
        raw.pgconn.consume_input()
        queues = set()
        while (notification := raw.pgconn.notifies()) is not None:
            queues.add(notification.extra.decode())
        return queues


class FileVersion(Bell):
    """
    ``PRAGMA data_version`` on SQLite, which changes with each commit of another connection.

    It reads no more than a number in shared memory. It goes past Django's cursor, whose
    bookkeeping costs more than that.
    """

    name = "changes of the file"

    def __init__(self, using: str) -> None:
        super().__init__(using)
        self._version: int | None = None
        self._changed_at = 0.0

    def wait(self, wanted: Callable[[str], bool]) -> bool:
        connection = connections[self.using]
        connection.ensure_connection()
        with connection.wrap_database_errors:
            [version] = connection.connection.execute("PRAGMA data_version").fetchone()
        now = time.monotonic()
        if version != self._version:
            self._version = version
            self._changed_at = now
            return True
        quiet = (now - self._changed_at) * PART_OF_QUIET
        self.stopping.wait(min(LONGEST_PAUSE, max(SHORTEST_PAUSE, quiet)))
        return False


def bell(using: str, *, notify: bool) -> Bell | None:
    """
    What tells a worker of new jobs; None where it has to poll.

    :param notify: whether enqueuers send a ``NOTIFY``.
    """
    vendor = connections[using].vendor
    if vendor == "sqlite":
        return FileVersion(using)
    return Notifications(using) if vendor == "postgresql" and notify else None
