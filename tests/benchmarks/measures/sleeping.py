"""
Jobs that sleep 20 ms, with 32 slots: how near to the ideal of all slots always busy.

Measured as draining is; slow contenders get fewer jobs.
"""

from ..options import Size
from ..subject import Subject
from .drain import once, rate_here

SLOTS = 32
MILLISECONDS = 20
IDEAL = SLOTS / MILLISECONDS * 1000  # jobs a second
LIMIT = 6.0  # seconds


def run(subject: Subject, size: Size) -> dict[str, float]:
    subject.ask("clear")
    if subject.about["in_agent"]:
        rate = rate_here(subject, SLOTS, size.sleeping, MILLISECONDS)
    else:
        with subject.workers(SLOTS) as workers:
            if "sleeping" not in subject.counts:
                some = min(200, size.sleeping)
                rate = some / once(subject, workers, some, MILLISECONDS)
                subject.counts["sleeping"] = round(min(rate * LIMIT, size.sleeping))
            count = subject.counts["sleeping"]
            rate = count / once(subject, workers, count, MILLISECONDS)
    return {"jobs a second": rate, "of the ideal": rate / IDEAL}
