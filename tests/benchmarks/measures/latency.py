"""
How soon an idle worker with 4 slots picks a job up.

From just before enqueue is called to the first line of the task, for single jobs with random
pauses of 20 to 80 ms between them; the samples of all rounds count together. Polling intervals
are each project's default, since latency and the cost of an idle worker are two sides of them.
"""

from ..options import Size
from ..subject import Subject

SLOTS = 4


def run(subject: Subject, size: Size) -> dict[str, list[float]]:
    subject.ask("clear")
    with subject.workers(SLOTS) as _:
        return {"ms": [1000 * seconds for seconds in subject.ask("latency", size.samples)]}
