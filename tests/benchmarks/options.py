"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """
    :param jobs: of a round of draining, at the most; slow contenders get fewer.
    :param seconds: what a round of draining should take.
    :param rounds: medians are of so many.
    :param shapes: of draining, see measures/drain.py.
    :param everybody: sleeping and idling are for the peers as well.
    """

    rounds: int = 3
    shapes: tuple[str, ...] = ("10 threads", "1 thread", "10 threads, 2 processes")
    jobs: int = 5000
    least: int = 200
    seconds: float = 1.5
    enqueue_turns: int = 5  # a round
    enqueue_single: int = 100
    enqueue_bulk: int = 1000
    samples: int = 120  # of latency, a round
    sleeping: int = 2000
    history: tuple[int, ...] = (100_000, 1_000_000)
    history_jobs: int = 1000
    everybody: bool = True
    idle: float = 20.0  # seconds


QUICK = Size(
    rounds=1,
    shapes=("10 threads",),
    jobs=400,
    least=40,
    seconds=0.5,
    enqueue_turns=1,
    enqueue_single=50,
    enqueue_bulk=1000,
    samples=10,
    sleeping=100,
    history=(10_000,),
    history_jobs=200,
    everybody=False,
    idle=3.0,
)
