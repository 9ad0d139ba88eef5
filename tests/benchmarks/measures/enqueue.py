"""
How many jobs are enqueued in a second.

One by one, each in a transaction of its own; one by one in one transaction; and in bulk. Beside
django_jobs, the same columns by a bare INSERT through Django's cursor, one row or a thousand rows a
statement. Each way has several turns a round, one after the other, and the median of them counts.
Every row is made anew in an emptied table.
"""

from statistics import median

from ..contenders import DJANGO_JOBS
from ..options import Size
from ..subject import Subject


def run(subject: Subject, size: Size) -> dict[str, float]:
    ways = {"one by one": ("single", size.enqueue_single)}
    if subject.about["transactional"]:
        ways["one transaction"] = ("transaction", size.enqueue_single)
    if subject.about["bulk"]:
        ways["bulk"] = ("bulk", size.enqueue_bulk)
    if subject.name == DJANGO_JOBS:
        ways["bare INSERT"] = ("bare single", size.enqueue_single)
        ways["bare INSERT, 1,000 rows"] = ("bare bulk", size.enqueue_bulk)
    for how, _ in ways.values():
        subject.ask("enqueue", how, 20)  # the connection, the statements it prepares
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(size.enqueue_turns):
        for name, (how, count) in ways.items():
            rates[name].append(count / float(subject.ask("enqueue", how, count)))
    subject.ask("clear")
    return {name: median(turns) for name, turns in rates.items()}
