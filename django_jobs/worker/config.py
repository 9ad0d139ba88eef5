"""What one worker process was told to do."""

from dataclasses import dataclass, field

from ..queues import QueueFilter


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """
    The options of ``runjobs``.

    :param backend: the alias in TASKS.
    :param threads: how many jobs run at once, in threads.
    :param async_concurrency: how many coroutine jobs run at once beside them.
    :param processes: how many workers a supervisor keeps; 1 for none and no supervisor.
    :param interval: seconds between two looks at the database while there is nothing to do.
    :param shutdown_timeout: seconds from the first signal to the exit, at the most.
    :param batch: stop when nothing is left to do.
    :param max_jobs: stop after so many jobs; None for no limit.
    """

    backend: str = "default"
    queues: QueueFilter = field(default_factory=QueueFilter)
    threads: int = 4
    async_concurrency: int = 100
    processes: int = 1
    interval: float = 1.0
    shutdown_timeout: float = 25.0
    batch: bool = False
    max_jobs: int | None = None
