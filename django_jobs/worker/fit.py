"""
Which of the ready jobs a worker may claim, where some are for its threads and some for its
event loop.
"""

from collections.abc import Container, Iterable, Iterator
from functools import cache
from typing import NamedTuple

from ..look import Waiting
from ..registry import is_coroutine


class Room(NamedTuple):
    """
    How many more jobs may be claimed.

    :param slots: to be run by a thread at once.
    :param ahead: to wait in line for a thread.
    :param coroutines: to be run by the loop at once.
    """

    slots: int
    ahead: int
    coroutines: int = 0

    @property
    def is_one_sided(self) -> bool:
        """Whether the threads or the loop can take nothing more."""
        return not self.coroutines or not self.slots + self.ahead

    def fitting(self, jobs: Iterable[Waiting], limited: Container[str] = ()) -> Iterator[Waiting]:
        """
        Those of ``jobs`` for which there is room, in their order. One in its last attempt
        never waits in line, nor does one of the queues ``limited``.
        """
        slots, ahead, coroutines = self
        is_known = cache(is_coroutine)  # many jobs, few tasks
        for job in jobs:
            if is_known(job.task_path):
                if coroutines:
                    coroutines -= 1
                    yield job
            elif slots:
                slots -= 1
                yield job
            elif ahead and job.attempts + 1 < job.max_attempts and job.queue_name not in limited:
                ahead -= 1
                yield job
