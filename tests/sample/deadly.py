"""Tasks that end or block their whole process."""

from __future__ import annotations

import ctypes
import re

from django_jobs import Backoff, job

SOON = Backoff(base=0.1, maximum=0.1)


@job(max_attempts=10, backoff=SOON)
def segfault() -> None:
    ctypes.string_at(0)


@job(max_attempts=10, backoff=SOON)
def hold_the_interpreter() -> None:
    """For ever, without giving any other thread a turn."""
    re.match(r"(a+)+$", "a" * 100 + "b")
