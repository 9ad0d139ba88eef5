"""
Who ran what, and when: each run of a benchmark's task appends one record to one file.

The same for every contender, and cheap: a single ``os.write`` of sixteen bytes to a file opened
with O_APPEND, which the kernel never tears or loses, whatever process or thread writes.
"""

import os
import struct
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

VARIABLE = "BENCH_LEDGER"  # the file, in the environment of every worker

_record = struct.Struct("<iid")
_file: int | None = None


class Run(NamedTuple):
    number: int
    pid: int
    started: float  # time.time()


class NotOnce(Exception):
    """Some jobs ran twice, or never."""

    def __init__(self, twice: list[int], missing: list[int], unknown: list[int]) -> None:
        self.twice, self.missing, self.unknown = twice, missing, unknown
        parts = {"ran more than once": twice, "never ran": missing, "not asked for": unknown}
        super().__init__(
            "; ".join(
                f"{len(numbers)} {text} ({', '.join(map(str, numbers[:5]))}…)"
                for text, numbers in parts.items()
                if numbers
            )
        )


def record(number: int) -> None:
    """Called by the task as its first act."""
    global _file
    started = time.time()
    if _file is None:
        _file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(_file, _record.pack(number, os.getpid(), started))


class Ledger:
    """The file as the harness sees it. ``mark()`` begins a new part of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.path.touch()
        self.offset = 0

    def mark(self) -> None:
        self.offset = self.path.stat().st_size

    def __len__(self) -> int:
        return (self.path.stat().st_size - self.offset) // _record.size

    def runs(self) -> list[Run]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return [Run(*values) for values in _record.iter_unpack(file.read())]


def check_once(runs: Iterable[Run], expected: Iterable[int]) -> None:
    """
    Every expected number ran exactly once, and nothing else did.

    :raises NotOnce: says which didn't.
    """
    counts = Counter(run.number for run in runs)
    wanted = set(expected)
    twice = sorted(number for number, count in counts.items() if count > 1)
    missing = sorted(wanted - counts.keys())
    unknown = sorted(counts.keys() - wanted)
    if twice or missing or unknown:
        raise NotOnce(twice, missing, unknown)
