"""
What the worker says to its database while it drains jobs with 10 threads, counted, not timed.

Counted below Django (tracing.py), by thread. BEGIN, COMMIT and their kin are counted apart, since
they are a turn to the database all the same; those of MariaDB are not seen.
"""

import shutil

from ..options import Size
from ..subject import Subject
from ..tracing import statements
from .drain import once

THREAD = "django_jobs-executor"


def run(subject: Subject, size: Size) -> dict[str, float]:
    subject.ask("clear")
    folder = subject.folder / "trace"
    folder.mkdir()
    try:
        with subject.workers(10, trace=folder) as workers:
            before = statements(folder)
            once(subject, workers, size.jobs)
            counts = statements(folder) - before
    finally:
        shutil.rmtree(folder)
    plain = sum(count for (_, control), count in counts.items() if not control)
    inside = sum(count for (thread, _), count in counts.items() if thread.startswith(THREAD))
    return {
        "statements a job": plain / size.jobs,
        "with BEGIN and COMMIT": counts.total() / size.jobs,
        "on executor threads": inside,
    }
