"""
What an idle worker with 4 slots costs: processor time, statements, memory.

Processor time is that of all its processes, from /proc. Statements are counted below Django
(tracing.py) where psycopg or Django does the talking. Memory is the sum of the proportional set
sizes of its processes, beside that of an interactive `manage.py shell` with the same settings.
"""

import os
import pty
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..contenders import DJANGO_JOBS
from ..options import Size
from ..subject import ROOT, Subject
from ..tracing import statements

SLOTS = 4
SETTLE = 2.0  # seconds
UNTRACED = {"chancy", "pgqueuer", "celery", "dramatiq", "huey"}
TICK = os.sysconf("SC_CLK_TCK")


def run(subject: Subject, size: Size) -> dict[str, float]:
    subject.ask("clear")
    folder = subject.folder / "trace"
    folder.mkdir()
    try:
        with _shell(subject) as shell, subject.workers(SLOTS, trace=folder) as workers:
            time.sleep(SETTLE)
            sessions = {process.pid for process in workers.processes}
            before, busy, started = statements(folder), _busy(sessions), time.monotonic()
            time.sleep(size.idle if subject.name == DJANGO_JOBS else size.idle / 2)
            seconds = time.monotonic() - started
            share = (_busy(sessions) - busy) / seconds
            said = (statements(folder) - before).total()
            values = {
                "% of a core": 100 * share,
                "MB": _memory(sessions),
                "MB of manage.py shell": _memory({shell}),
            }
            if subject.name not in UNTRACED:
                values["statements a minute"] = said * 60 / seconds
            return values
    finally:
        shutil.rmtree(folder)


def _members(sessions: set[int]) -> Iterator[Path]:
    """The processes of these sessions, but for the `timeout` that guards each worker."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            name, rest = _stat(folder)
            if int(rest[3]) in sessions and name != "timeout":
                yield folder


def _stat(folder: Path) -> tuple[str, list[str]]:
    text = (folder / "stat").read_text()
    name = text[text.index("(") + 1 : text.rindex(")")]
    return name, text[text.rindex(")") + 2 :].split()


def _busy(sessions: set[int]) -> float:
    """Seconds of processor time so far."""
    return sum(sum(map(int, _stat(folder)[1][11:13])) for folder in _members(sessions)) / TICK


def _memory(sessions: set[int]) -> float:
    """MB; pages that several processes share are shared out among them."""
    total = 0
    for folder in _members(sessions):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


@contextmanager
def _shell(subject: Subject) -> Iterator[int]:
    """An interactive `manage.py shell`, idle; its session."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "django", "shell"],
        cwd=ROOT,
        env=subject.env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
