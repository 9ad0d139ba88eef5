"""
How many jobs that do nothing a worker runs in a second.

The workers have started, run some jobs and are idle; they are stopped (SIGSTOP), the jobs are
enqueued and committed, the workers go on. The time runs from the first line of the first job to
the moment when no job is without a recorded outcome, which is asked every millisecond once every
job has run. Neither start-up nor waking up counts, for anybody.
"""

from ..contenders import PEERS
from ..options import Size
from ..subject import Subject, Workers

SHAPES = {"10 threads": (10, 1), "1 thread": (1, 1), "10 threads, 2 processes": (10, 2)}
FEWER = {"mariadb": ("10 threads",), "sqlite": ("10 threads",)}  # for the peers


def run(subject: Subject, size: Size) -> dict[str, float]:
    return {
        shape: drain(subject, size, shape, *slots)
        for shape, slots in SHAPES.items()
        if shape in size.shapes
        and (subject.name not in PEERS or shape in FEWER.get(subject.database, SHAPES))
        and not (subject.about["in_agent"] and slots[1] > 1)
    }


def drain(subject: Subject, size: Size, shape: str, slots: int, processes: int) -> float:
    """Jobs a second. How many there are is told by a small round before the first."""
    if subject.about["in_agent"]:
        return rate_here(subject, slots, size.jobs)
    subject.ask("clear")
    with subject.workers(slots, processes) as workers:
        if shape not in subject.counts:
            rate = size.least / once(subject, workers, size.least)
            subject.counts[shape] = round(min(max(rate * size.seconds, size.least), size.jobs))
        count = subject.counts[shape]
        return count / once(subject, workers, count)


def once(subject: Subject, workers: Workers, count: int, milliseconds: int = 0) -> float:
    """Seconds that the held and then released workers take for so many jobs."""
    workers.hold()
    subject.ask("fill", count, milliseconds)
    workers.resume()
    return float(subject.ask("finish", 120)["seconds"])


def rate_here(subject: Subject, slots: int, count: int, milliseconds: int = 0) -> float:
    subject.ask("fill", count, milliseconds)
    subject.ask("run_here", slots)
    return count / float(subject.ask("finish", 120)["seconds"])
