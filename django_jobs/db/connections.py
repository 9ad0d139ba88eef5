"""The connections of a thread, before and after somebody else's code has used them."""

import logging
import random
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final, TypeVar

from django.db import close_old_connections, connections

from ..exceptions import JobsError
from ..log import one_line
from .errors import is_transient
from .watch import Answered

R = TypeVar("R")

logger = logging.getLogger("django_jobs")

FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0
# Connections that were found sound are taken for sound for so long.
FRESH_SECONDS: Final = 0.5


class LeftOpen(JobsError):
    """A job left a transaction open, or autocommit off, on the connections ``aliases``."""

    def __init__(self, aliases: list[str]) -> None:
        super().__init__(
            f"The job left a transaction open on {', '.join(aliases)}; it was rolled back."
        )
        self.aliases = aliases


class ConnectionGuard:
    """
    Hands a job sound connections, and takes them back sound; for one thread, again and again.

    :raises LeftOpen: the job ended well, but what it wrote was in a transaction that it left
        open, which is rolled back.
    """

    def __init__(self) -> None:
        self._cleaned_at = 0.0

    def __enter__(self) -> None:
        # Between jobs that follow each other nothing grows old.
        if time.monotonic() - self._cleaned_at > FRESH_SECONDS:
            close_old_connections()

    def __exit__(self, kind: type[BaseException] | None, *args: object) -> None:
        left = clean_connections()
        self._cleaned_at = time.monotonic()
        if left and kind is None:
            raise LeftOpen(left)


class CallGuard:
    """
    The same around one of several calls, in a thread that jobs share: connections are not
    closed for their age, which ``close_old_connections()`` does before and after a job.

    :raises LeftOpen: as above.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *args: object) -> None:
        left = clean_connections(aged=False)
        if left and kind is None:
            raise LeftOpen(left)


def clean_connections(*, aged: bool = True) -> list[str]:
    """
    Close what a job has left unusable; returns the aliases with an open transaction.

    :param aged: close those too that are older than their CONN_MAX_AGE.
    """
    left = []
    for connection in connections.all(initialized_only=True):
        autocommit = connection.settings_dict["AUTOCOMMIT"]
        if connection.in_atomic_block or (
            connection.connection is not None and connection.get_autocommit() != autocommit
        ):
            left.append(connection.alias)
            # The wrapper still believes in its atomic block, so it goes with its connection.
            connection.close()
            del connections[connection.alias]
        elif aged or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()
    return left


def patiently(
    work: Callable[[], R],
    using: str,
    stop: Callable[[], bool],
    wait: threading.Event,
    *,
    idles: bool = False,
) -> R | None:
    """
    ``work()``, again after each trouble of the database until it succeeds.

    Pauses grow from 50 ms to 2 s, with jitter; ``wait`` cuts one short. Errors that don't
    pass by themselves are logged with their traceback and waited out in the same way: a
    worker doesn't exit because of its database.

    :param idles: ``work()`` waits for other things than the answer of the database.
    :returns: None where ``stop()`` became true before it succeeded.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            with nullcontext() if idles else Answered(using):
                result = work()
        except Exception as error:
            connections[using].close()
            if stop():
                return None
            if is_transient(error):
                logger.warning(
                    "Database trouble, again in %.1f s: %s",
                    pause,
                    one_line(" ".join(str(error).split())),
                    extra={"event": "database_trouble"},
                )
            else:
                logger.exception("Unexpected error", extra={"event": "error"})
            wait.wait(pause * random.uniform(0.5, 1.5))  # noqa: S311 (jitter)
            pause = min(pause * 2, LONGEST_PAUSE)
        else:
            return result
