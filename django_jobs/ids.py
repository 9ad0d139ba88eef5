"""UUIDv7: ids made by the client that sort by time."""

import os
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

_lock = threading.Lock()
_last = 0


def uuid7() -> uuid.UUID:
    """
    A time-ordered UUID (RFC 9562, section 5.7), strictly growing within this process.

    48 bits of milliseconds are followed by 12 bits of the fraction (method 3 of section
    6.2), so that ids made one after the other keep their order; the rest is random.
    """
    global _last
    stamp = time.time_ns() * 4096 // 1_000_000  # 1/4096 ms
    with _lock:
        _last = stamp = max(stamp, _last + 1)
    milliseconds, fraction = divmod(stamp, 4096)
    tail = int.from_bytes(os.urandom(8)) & (2**62 - 1)
    return uuid.UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | tail)


def first_uuid7(moment: datetime) -> uuid.UUID:
    """The lowest UUIDv7 of ``moment`` (aware): what a range of ids since then begins with."""
    milliseconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return uuid.UUID(int=max(milliseconds, 0) << 80 | 7 << 76 | 2 << 62)
