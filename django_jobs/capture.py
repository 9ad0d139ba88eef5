"""
What a job logs, kept for its page: one handler on the root logger, and a bounded buffer for
each attempt.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from .context import running
from .failure import cut, storable

# What is kept of an attempt: half of each from its beginning, and half from its end.
MOST_ENTRIES: Final = 200
MOST_CHARACTERS: Final = 20_000
ENTRY_LENGTH: Final = 5_000

OWN: Final = "django_jobs"

Hide = Callable[[str], str]

_FIRST: Final = threading.Lock()  # of the first entry of each log
_FORMATTER: Final = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class Log:
    """
    The first and the last entries that an attempt has logged; true if there are any.

    :param level: the lowest that is kept.
    :param hide_of: finds what takes out of a text what nobody is to see; asked with the first
        entry, since most attempts log nothing.
    """

    __slots__ = ("_hide_of", "_kept", "level")

    def __init__(self, level: int, hide_of: Callable[[], Hide | None] | None = None) -> None:
        self.level = level
        self._hide_of = hide_of
        self._kept: _Kept | None = None

    def keep(self, record: logging.LogRecord) -> None:
        """Add ``record``; what is in its way is left out. Raises nothing."""
        kept = self._kept
        if kept is None:
            hide = self._hide_of() if self._hide_of is not None else None
            with _FIRST:
                if self._kept is None:
                    self._kept = _Kept(hide)
                kept = self._kept
        kept.add(record)

    def __bool__(self) -> bool:
        return self._kept is not None and bool(self._kept)

    @property
    def text(self) -> str:
        """The entries, each with its time, level and logger, and how many are left out."""
        return "" if self._kept is None else self._kept.text


class _Kept:
    """The entries of a log that has some."""

    def __init__(self, hide: Hide | None) -> None:
        self._hide = hide
        self._lock = threading.Lock()
        self._head: list[str] = []
        self._room = MOST_CHARACTERS // 2
        self._tail: deque[str] = deque()
        self._tail_length = 0
        self._left_out = 0

    def add(self, record: logging.LogRecord) -> None:
        entry = self._entry(record)  # before the lock, as its parts may log in their turn
        length = len(entry)
        with self._lock:
            if not self._tail and len(self._head) < MOST_ENTRIES // 2 and length <= self._room:
                self._head.append(entry)
                self._room -= length
                return
            self._tail.append(entry)
            self._tail_length += length
            while len(self._tail) > MOST_ENTRIES // 2 or self._tail_length > MOST_CHARACTERS // 2:
                self._tail_length -= len(self._tail.popleft())
                self._left_out += 1

    def _entry(self, record: logging.LogRecord) -> str:
        try:
            text = _FORMATTER.format(record)
        except BaseException as error:
            # Without this handler nobody might have formatted it, and the job gone on.
            failed = f"<formatting it failed: {type(error).__name__}>"
            text = f"{record.levelname} {record.name}: {failed}"
        if self._hide is not None:  # before it is cut, which could leave a part
            text = self._hide(text)
        return cut(storable(text), ENTRY_LENGTH)

    def __bool__(self) -> bool:
        return bool(self._head or self._tail)

    @property
    def text(self) -> str:
        with self._lock:
            middle = [f"… {self._left_out} entries left out …"] if self._left_out else []
            return "\n".join([*self._head, *middle, *self._tail])


class _Handler(logging.Handler):
    """
    Hands records from inside of a job to that job's log. A record of a thread that the job
    has started, and that doesn't have its context, is not known to be of it.
    """

    def handle(self, record: logging.LogRecord) -> bool:
        """Without the lock that a handler holds while it formats: it would be that of all jobs."""
        job = running()
        log = None if job is None else job._log
        if log is not None and record.levelno >= log.level and not _is_ours(record.name):
            log.keep(record)
        if len(logging.root.handlers) == 1:
            self._stand_in(record)
        return True

    def _stand_in(self, record: logging.LogRecord) -> None:
        """Where no other handler is, Python prints a warning itself; not if it finds this one."""
        last = logging.lastResort
        if last is None or record.levelno < last.level:
            return
        logger: logging.Logger | None = logging.getLogger(record.name)
        while logger is not None:
            if any(handler is not self for handler in logger.handlers):
                return
            logger = logger.parent
        last.handle(record)


def _is_ours(name: str) -> bool:
    return name == OWN or name.startswith(f"{OWN}.")


_HANDLER: Final = _Handler()


@contextmanager
def capturing(level: str | None) -> Iterator[None]:
    """Let the jobs that run within keep what they log; with None none does."""
    if level is None or _HANDLER in logging.root.handlers:
        yield
        return
    logging.root.addHandler(_HANDLER)
    try:
        yield
    finally:
        logging.root.removeHandler(_HANDLER)


def new_log(level: str | None, hide_of: Callable[[], Hide | None] | None) -> Log | None:
    """The log of an attempt, from records of ``level`` on; None where none is kept."""
    return None if level is None else Log(getattr(logging, level), hide_of)
