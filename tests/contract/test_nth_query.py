"""
The database fails at the Nth statement, before it runs or after, for each N until the work gets
through; it is tried again as a worker does. Nothing is lost, and nothing is there twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pytest
from django.db import OperationalError, connection, transaction

from django_jobs.capture import Log
from django_jobs.claim import Claim, claim
from django_jobs.compat import task_backends
from django_jobs.db import connections as db_connections
from django_jobs.db.connections import patiently
from django_jobs.execute import execute
from django_jobs.failure import Failure
from django_jobs.models import Job, JobAttempt, JobLog, JobStep, Queue, Status, Worker
from django_jobs.policy import SUCCEEDED, Kind, Next, Outcome
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.rescue import rescue
from django_jobs.steps import Steps
from tests.contract.support import claim_all
from tests.factories import JobFactory, WorkerFactory
from tests.sample import atomics, tasks

pytestmark = pytest.mark.django_db(transaction=True)

MOST: Final = 20  # more than any of these take
RETRIED: Final = Outcome(Kind.FAILED, Next.SCHEDULED, delay=5.0)


class Fault:
    """Fails one statement or COMMIT; ``fired`` says that it came to that."""

    def __init__(self, at: int, when: str) -> None:
        self.left = at
        self.when = when
        self.fired = False

    def around(self, work: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left or self.fired:
            return work()
        self.fired = True
        if self.when == "after":
            work()
        raise OperationalError(f"the connection broke {self.when} the statement")

    @contextmanager
    def injected(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        # Where it fails the connection is gone, and with it what was not committed.
        commit = connection._commit

        def wrapper(run: Callable[..., Any], *args: Any) -> Any:
            return self.around(partial(run, *args))

        with monkeypatch.context() as patch, connection.execute_wrapper(wrapper):
            patch.setattr(connection, "_commit", lambda: self.around(commit))
            yield


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db_connections, "FIRST_PAUSE", 0.0)


def again(work: Callable[[], Any]) -> Any:
    """As the loops of a worker do."""
    return patiently(work, "default", lambda: False, threading.Event())


# A scenario makes its rows, then does the work, then says what must hold.


def counts() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Job, JobAttempt, JobStep, Queue))


def running(task: Any = tasks.add, *args: Any, lost: bool = False) -> Claim:
    task.enqueue(*(args or (1, 2)))
    (claimed,) = claim_all(worker=WorkerFactory(lost=lost))
    return claimed


def enqueues() -> Iterator[None]:
    """The caller learns of the error; whoever enqueues in a transaction may do all of it again."""
    yield

    def work() -> None:
        with transaction.atomic():
            Queue.objects.all().delete()
            Queue.objects.create(name="order")
            tasks.add.enqueue(1, 2)

    again(work)
    yield
    # A commit whose answer is lost is done twice: the caller's own affair.
    assert Job.objects.count() in (1, 2)
    assert Queue.objects.count() == 1


def claims() -> Iterator[None]:
    """What is claimed in an answer that got lost is a stray: the heartbeat gives it back."""
    jobs = [JobFactory(), JobFactory()]
    worker = WorkerFactory()
    yield
    found = again(partial(claim, worker, QueueFilter(), 5, "default"))
    yield
    assert set(Job.objects.values_list("status", "attempts", "claim_no", "worker_id")) == {
        (Status.RUNNING, 1, 1, worker.pk)
    }
    assert {claimed.job.pk for claimed in found} in ({job.pk for job in jobs}, set())


def promotes() -> Iterator[None]:
    JobFactory(status=Status.SCHEDULED)
    yield
    promoted = again(partial(promote, "default"))
    yield
    assert promoted in (0, 1)
    assert Job.objects.get().status == Status.READY


def records(outcome: Outcome, then: str, attempts: int, history: int) -> Iterator[None]:
    claimed = running()
    failure = Failure.of(ValueError("x")) if outcome.kind is Kind.FAILED else None
    yield
    batch = [Finished(claimed, outcome, return_value=3, failure=failure)]
    lost = again(partial(record, batch, "default"))
    yield
    assert lost == [], "it is known as ours"
    job = Job.objects.get()
    assert (job.status, job.attempts, job.claim_no) == (then, attempts, 1)
    assert counts() == (1, history, 0, 0)


def records_a_log() -> Iterator[None]:
    claimed = running()
    claimed.log = Log(logging.INFO)
    claimed.log.keep(logging.LogRecord("shop", logging.INFO, "", 0, "said", (), None))
    yield
    lost = again(partial(record, [Finished(claimed, SUCCEEDED)], "default"))
    yield
    assert lost == []
    assert counts() == (1, 0, 0, 0)
    assert [log.text[-4:] for log in JobLog.objects.all()] == ["said"]


def deletes() -> Iterator[None]:
    batch = [Finished(running(), SUCCEEDED)]
    yield
    lost = again(partial(record, batch, "default", delete_successful=True))
    yield
    assert lost == []
    assert counts() == (0, 0, 0, 0)


def releases() -> Iterator[None]:
    claimed = running()
    yield
    lost = again(partial(record, [released(claimed)], "default"))
    yield
    assert lost == []
    job = Job.objects.get()
    assert (job.status, job.attempts) == (Status.READY, 0)
    assert counts() == (1, 1, 0, 0)


def rescues() -> Iterator[None]:
    running(lost=True)
    yield
    rescued = again(partial(rescue, "default", max_crashes=3))
    yield
    assert len(rescued) in (0, 1)
    job = Job.objects.get()
    assert (job.status, job.attempts, job.crashes) == (Status.READY, 1, 1)
    assert counts() == (1, 1, 0, 0)


def steps() -> Iterator[None]:
    claimed = running()
    done = Steps(claimed, task_backends["default"].jobs_options, "default")
    yield
    result = again(lambda: done.run("step", "", lambda: 17))
    yield
    assert result == 17
    assert Job.objects.get().status == Status.RUNNING
    assert counts() == (1, 0, 1, 0)


def runs_atomic() -> Iterator[None]:
    """The attempt fails, and the next one does it all: the effect is there once."""
    claimed = running(atomics.write, "one")
    yield
    finished = execute(claimed, task_backends["default"])
    connection.close()
    if finished is not None:
        again(partial(record, [finished], "default"))
    yield
    job = Job.objects.get()
    assert job.status in (Status.SUCCESSFUL, Status.SCHEDULED)
    assert Queue.objects.count() == (job.status == Status.SUCCESSFUL)
    Job.objects.filter(status=Status.SCHEDULED).update(status=Status.READY)
    for second in claim_all():
        again_finished = execute(second, task_backends["default"])
        assert again_finished is not None
    job.refresh_from_db()
    assert (job.status, Queue.objects.count()) == (Status.SUCCESSFUL, 1)


SCENARIOS: dict[str, Callable[[], Iterator[None]]] = {
    "enqueue": enqueues,
    "claim": claims,
    "promote": promotes,
    "record a success": partial(records, SUCCEEDED, Status.SUCCESSFUL, 1, 0),
    "record a failure": partial(records, RETRIED, Status.SCHEDULED, 1, 1),
    "record a log": records_a_log,
    "delete a success": deletes,
    "release": releases,
    "rescue": rescues,
    "step": steps,
    "atomic": runs_atomic,
}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_whichever_statement_fails_the_work_is_done_once(
    name: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(1, MOST):
        for model in (Job, Worker, Queue):
            model.objects.all().delete()
        scenario = SCENARIOS[name]()
        next(scenario)
        fault = Fault(n, when)
        with fault.injected(monkeypatch):
            next(scenario)
        connection.close()
        assert next(scenario, "through") == "through"
        if not fault.fired:
            assert n > 1, "it made no statement"
            return
    pytest.fail(f"not through after {MOST} statements")
