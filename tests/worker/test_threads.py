"""The duties of the threads, one by one and in the test's own thread."""

import time
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from django_jobs.claim import Claim
from django_jobs.compat import task_backends, task_finished
from django_jobs.context import JobContext
from django_jobs.db.clock import DbNow
from django_jobs.models import Job, Status, Worker
from django_jobs.policy import SUCCEEDED, Kind, Next, Outcome
from django_jobs.promote import promote
from django_jobs.record import Finished, record
from django_jobs.worker import claimer as claimer_module
from django_jobs.worker.claimer import Claimer
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.process import WorkerProcess
from tests.factories import JobFactory, WorkerFactory


@pytest.fixture
def process() -> WorkerProcess:
    return WorkerProcess(WorkerConfig(threads=1), task_backends["default"])


@pytest.mark.django_db(transaction=True)
def test_a_worker_whose_row_is_gone_comes_back_alive(process: WorkerProcess) -> None:
    process.heartbeat.register()
    first = Worker.objects.get()
    Worker.objects.all().delete()
    time.sleep(0.01)
    process.heartbeat._renew()
    assert Worker.objects.live().get().lease_expires_at > first.lease_expires_at


def test_a_stop_during_a_beat_is_not_slept_over(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    heartbeat = process.heartbeat
    monkeypatch.setattr(heartbeat, "_beat", heartbeat.stop)
    before = time.monotonic()
    heartbeat._loop()
    assert time.monotonic() - before < 5, "it waited for the next beat"


@pytest.mark.django_db(transaction=True)
def test_receivers_of_a_rescue_do_not_run_in_the_heartbeat(process: WorkerProcess) -> None:
    JobFactory(running=True, attempts=5, worker_id=WorkerFactory(lost=True).pk)
    heard: list[Any] = []

    def receiver(task_result: Any, **kwargs: Any) -> None:
        heard.append(task_result.id)

    task_finished.connect(receiver)
    try:
        process.heartbeat._beat()
        assert heard == []
        assert not process.board.is_empty(), "a stop waits for what is to be called"
        call: Any = process.board.take()
        process.executors[0]._call(call)
    finally:
        task_finished.disconnect(receiver)
    assert heard == [str(Job.objects.get().pk)]
    assert process.board.is_empty()


@pytest.mark.django_db(transaction=True)
def test_a_call_that_exits_leaves_the_executor_alive(process: WorkerProcess) -> None:
    def leave() -> None:
        raise SystemExit(5)

    process.board.call(leave)
    call: Any = process.board.take()
    process.executors[0]._call(call)
    assert process.board.is_empty()


@pytest.mark.django_db(transaction=True)
def test_a_stop_does_not_wait_for_a_million_due_jobs(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.heartbeat.register()
    JobFactory(scheduled=True)
    claimer: Claimer = process.claimer
    rounds: list[str] = []

    def promote(using: str) -> int:
        rounds.append(using)
        assert len(rounds) < 3, "it goes on after the stop"
        claimer.stop()
        return claimer_module.BATCH

    monkeypatch.setattr(claimer_module, "promote", promote)
    monkeypatch.setattr(
        claimer_module, "glance", lambda *args: claimer_module.Glance(ready=True, due_in=0)
    )
    claimer._look()
    assert len(rounds) == 1


@pytest.mark.django_db(transaction=True)
def test_the_claimer_rests_where_nothing_that_is_ready_may_stand_in_line(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.heartbeat.register()
    board, claimer = process.board, process.claimer
    short, long = (Claim(JobFactory(running=True), None, "here") for _ in range(2))
    for claim in (short, long):
        board.add([claim])
        assert board.take() is claim
        if claim is short:
            board.ran(short, recording=False, seconds=0.001)
    assert board.room() == (0, 100)
    last_attempt = JobFactory(max_attempts=1)
    rests: list[float] = []

    def wait(seconds: float) -> bool:
        rests.append(seconds)
        claimer.stop()
        return False

    monkeypatch.setattr(board, "wait", wait)
    claimer._loop()
    assert rests == [claimer_module.LOOK_PAST_PAUSE]
    last_attempt.refresh_from_db()
    assert last_attempt.status == Status.READY


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("lapsed", [False, True])
def test_claims_whose_answer_comes_after_the_lease_are_not_run(
    process: WorkerProcess, *, lapsed: bool
) -> None:
    process.heartbeat.register()
    job = JobFactory()
    claimer: Claimer = process.claimer
    room = claimer._room()
    claims, _full = claimer._claim(room)
    if lapsed:
        process.board.lease._until = time.monotonic()
        process.heartbeat._renew()  # it holds again, and others were free to act in between
    claimer._add(claims, room)
    if not lapsed:
        assert process.board.take() is claims[0]
        return
    assert process.board.withdraw(lambda claim: True) == []
    finished = process.recorder._queue.get_nowait()
    assert finished is not None
    assert record([finished], "default") == []
    job.refresh_from_db()
    assert (job.status, job.attempts) == (Status.READY, 0)


@pytest.mark.django_db(transaction=True)
def test_progress_that_no_database_takes_is_made_storable(process: WorkerProcess) -> None:
    job = JobFactory(running=True, worker_id=process.worker.pk)
    claim = Claim(job, process.worker.pk, "here:1")
    context = JobContext(report=partial(process.heartbeat.report, claim))
    context.progress(1, Decimal(2), "half\ud800 done\x00")  # type: ignore[arg-type]
    process.heartbeat._write_progress()
    job.refresh_from_db()
    assert job.metadata["progress"] == {"done": 1, "total": 2, "note": "half\\ud800 done\\x00"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("outcome", [SUCCEEDED, Outcome(Kind.FAILED, Next.DEAD)])
def test_what_was_reported_last_is_written_with_the_outcome(
    process: WorkerProcess, outcome: Outcome
) -> None:
    job = JobFactory(running=True, worker_id=process.worker.pk, metadata={"kept": 1})
    claim = Claim(job, process.worker.pk, "here:1", started=True)
    context = JobContext(report=partial(process.heartbeat.report, claim))
    context.progress(1, 2)
    process.heartbeat._write_progress()
    context.progress(2, 2)
    assert record([Finished(claim, outcome)], "default") == []
    process.heartbeat._write_progress()
    metadata = Job.objects.get(pk=job.pk).metadata
    assert metadata == {"kept": 1, "progress": {"done": 2, "total": 2, "note": ""}}


@pytest.mark.django_db(transaction=True)
def test_progress_that_is_written_already_is_not_written_again(process: WorkerProcess) -> None:
    job = JobFactory(running=True, worker_id=process.worker.pk)
    claim = Claim(job, process.worker.pk, "here:1", started=True)
    JobContext(report=partial(process.heartbeat.report, claim)).progress(1, 2)
    again = dict(process.heartbeat._reported)
    process.heartbeat._write_progress()
    Job.objects.update(metadata={"by": "somebody else"})
    process.heartbeat._reported = again  # as where a report comes while one is written
    process.heartbeat._write_progress()
    assert Job.objects.get(pk=job.pk).metadata == {"by": "somebody else"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "by", [{"claim_no": 99}, {"status": Status.READY}], ids=["claim", "rescue"]
)
def test_a_lost_claim_writes_no_progress(process: WorkerProcess, by: dict[str, Any]) -> None:
    job = JobFactory(running=True, worker_id=process.worker.pk)
    claim = Claim(job, process.worker.pk, "here:1", started=True)
    JobContext(report=partial(process.heartbeat.report, claim)).progress(2, 2)
    Job.objects.update(**by)
    finished = Finished(claim, SUCCEEDED)
    assert record([finished], "default") == [finished]
    process.heartbeat._write_progress()
    assert Job.objects.get(pk=job.pk).metadata == {}


def test_workers_do_not_poll_at_the_same_moments(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    rests: list[float] = []
    monkeypatch.setattr(process.board, "wait", lambda seconds: bool(rests.append(seconds)))
    monkeypatch.setattr(process.claimer, "_claimed_at", time.monotonic() - 3600)
    for _ in range(50):
        process.claimer._rest(claimer_module.Glance(ready=False, due_in=None))
    assert 0.8 <= min(rests) < 0.95
    assert 1.05 < max(rests) <= 1.2


@pytest.mark.django_db(transaction=True)
def test_a_flood_of_due_jobs_is_made_ready_between_claims(
    process: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.heartbeat.register()
    for _ in range(6):
        JobFactory(status=Status.SCHEDULED, run_after=DbNow() - timedelta(hours=1))
    monkeypatch.setattr(claimer_module, "BATCH", 2)
    monkeypatch.setattr(claimer_module, "promote", partial(promote, limit=2))
    monkeypatch.setattr(claimer_module, "PROMOTING_SECONDS", 0)
    claimer = process.claimer
    for ready in (2, 4, 6):
        assert claimer._look().ready
        assert Job.objects.filter(status=Status.READY).count() == ready
        assert claimer._more_due is (ready < 6), "it looks before the next claim"
