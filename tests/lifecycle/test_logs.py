"""A real worker keeps what its jobs log."""

from collections.abc import Callable
from uuid import UUID

from django_jobs.models import Job, JobLog, Status
from tests.sample import talking
from tests.support.processes import Process
from tests.support.waiting import wait_until

from .support import wait_for_status

StartWorker = Callable[..., Process]


def test_of_threads_of_coroutines_and_of_atomic_jobs(start_worker: StartWorker) -> None:
    results = [
        talking.talk.enqueue("in a thread"),
        talking.talk_async.enqueue("on the loop"),
        talking.talk_atomically.enqueue(),
        talking.beget.enqueue(2),
    ]
    start_worker("--threads", "2", options={"TASK_MODULES": ["tests.sample.talking"]})
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    wait_until(lambda: JobLog.objects.count() == 3)
    texts = [JobLog.objects.get(job_id=result.id).text for result in results[:3]]
    assert "WARNING tests.sample.talking: in a thread" in texts[0]
    assert texts[1].splitlines()[-1].endswith("in a thread on the loop")
    assert [line.rpartition(": ")[2] for line in texts[2].splitlines()] == [
        "within",
        "after the commit",
    ]
    assert Job.objects.filter(parent_id=UUID(results[3].id)).count() == 4
