"""Two real workers with four threads each, and a queue of which only so many jobs may run."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from django_jobs import enqueue_many
from django_jobs.models import Job, Queue, Status
from tests.factories import JobFactory, QueueFactory, WorkerFactory
from tests.lifecycle.support import LEASE, assert_nothing_runs
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

StartWorker = Callable[..., Process]
Span = tuple[float, float]

KINDS = [tasks.sleep_timed, tasks.sleep_async]


def jobs(queue: str) -> Any:
    return Job.objects.filter(queue_name=queue)


def spans(queue: str) -> list[Span]:
    """When each of its jobs ran."""
    rows = jobs(queue).filter(status=Status.SUCCESSFUL).values_list("return_value", flat=True)
    return [(start, end) for start, end in rows]


def most_at_once(spans: Iterable[Span]) -> int:
    events = sorted(event for start, end in spans for event in ((start, 1), (end, -1)))
    most = running = 0
    for _, change in events:
        running += change
        most = max(most, running)
    return most


def start_two(start_worker: StartWorker, *arguments: str) -> list[Process]:
    return [start_worker("--threads", "4", *arguments, options={"LEASE": LEASE}) for _ in range(2)]


def until_all_are_done(*workers: Process) -> None:
    wait_until(
        lambda: set(Job.objects.values_list("status", flat=True)) == {Status.SUCCESSFUL},
        60,
        lambda: str([str(worker) for worker in workers]),
    )


@pytest.mark.parametrize("task", KINDS, ids=lambda task: task.name)
def test_never_more_than_the_limit_and_others_do_not_wait(
    start_worker: StartWorker, task: Any
) -> None:
    QueueFactory(name="mail", limit=2)
    enqueue_many(task.using(queue_name="mail", priority=5), [(0.15,)] * 24)
    enqueue_many(task.using(queue_name="news"), [(0.15,)] * 24)
    workers = start_two(start_worker)
    until_all_are_done(*workers)
    assert most_at_once(spans("mail")) == 2
    assert most_at_once(spans("news")) > 2
    assert max(end for _, end in spans("news")) < max(end for _, end in spans("mail"))
    assert set(Job.objects.values_list("attempts", flat=True)) == {1}
    for worker in workers:
        worker.terminate()
        assert worker.wait() == 0, worker
    assert_nothing_runs()


def test_a_limit_that_is_lowered_and_raised_counts_at_once(start_worker: StartWorker) -> None:
    QueueFactory(name="mail", limit=3)
    mail = Queue.objects.filter(name="mail")
    enqueue_many(tasks.sleep_timed.using(queue_name="mail"), [(0.7,)] * 20)
    workers = start_two(start_worker)
    running = jobs("mail").filter(status=Status.RUNNING)

    def until_so_many_run(count: int) -> None:
        wait_until(lambda: running.count() == count, 50, lambda: f"{count} of {running.count()}")

    until_so_many_run(3)
    assert mail.set_limit(1) == 1
    # What runs may end, and what was claimed just now may start.
    until_so_many_run(1)
    lowered = time.time()
    done = len(spans("mail"))
    wait_until(lambda: len(spans("mail")) >= done + 3)
    raised = time.time()
    assert mail.set_limit(3) == 1
    until_so_many_run(3)
    until_all_are_done(*workers)
    between = [span for span in spans("mail") if lowered < span[0] < raised]
    assert len(between) >= 2
    assert most_at_once(between) == 1
    assert most_at_once(spans("mail")) <= 3


def test_a_batch_does_not_wait_for_a_place_that_others_take(start_worker: StartWorker) -> None:
    QueueFactory(name="mail", limit=2)
    QueueFactory(name="full", limit=1)
    JobFactory(queue_name="full", running=True, worker_id=WorkerFactory().pk)
    waits = JobFactory(queue_name="full")
    enqueue_many(tasks.sleep_timed.using(queue_name="mail"), [(0.05,)] * 10)
    worker = start_worker("--threads", "4", "--batch")
    assert worker.wait() == 0, worker
    assert len(spans("mail")) == 10
    assert most_at_once(spans("mail")) <= 2
    assert jobs("full").get(pk=waits.pk).status == Status.READY
