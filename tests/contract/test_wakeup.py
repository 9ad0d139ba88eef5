"""What is told at an enqueue, and what is heard of it."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from django_jobs import enqueue_many
from django_jobs.compat import task_backends
from django_jobs.conf import QUEUE_NAME
from django_jobs.db.wakeup import AGAIN_SECONDS, CANCEL, CHANNEL, COMMAND, QUIET_SECONDS, bell
from django_jobs.models import Job, Worker
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.process import WorkerProcess
from tests.factories import JobFactory, WorkerFactory
from tests.sample import tasks, unique
from tests.support.sessions import other_session
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'")
sqlite = pytest.mark.skipif("connection.vendor != 'sqlite'")


@pytest.fixture
def told() -> Iterator[Callable[[], list[str]]]:
    """The queues that workers were told of since it was asked last, by another connection."""
    psycopg = pytest.importorskip("psycopg")
    time.sleep(QUIET_SECONDS)  # whatever was enqueued before
    parameters = connection.get_connection_params()
    for name in ("context", "prepare_threshold", "cursor_factory"):
        parameters.pop(name, None)
    with psycopg.connect(**parameters, autocommit=True) as raw:
        raw.execute(f"LISTEN {CHANNEL}")

        def queues() -> list[str]:
            # The server sends them before the answer to what was asked after the commit.
            raw.execute("SELECT 1")
            return sorted(notification.payload for notification in raw.notifies(timeout=0))

        yield queues


@postgresql
class TestTold:
    def test_once_for_a_transaction_and_queue(self, told: Any) -> None:
        with transaction.atomic():
            for queue in ("mail", "news", "mail"):
                tasks.add.using(queue_name=queue).enqueue(1, 2)
            assert told() == []
        assert told() == ["mail", "news"]

    def test_once_for_a_bulk(self, told: Any) -> None:
        enqueue_many(tasks.add, [(n, n) for n in range(1500)])
        assert told() == ["default"]

    def test_of_a_scheduled_job(self, told: Any) -> None:
        tasks.add.using(run_after=timedelta(minutes=1)).enqueue(1, 2)
        assert told() == ["default"]

    def test_not_of_what_is_rolled_back(self, told: Any) -> None:
        with transaction.atomic():
            tasks.add.using(queue_name="news").enqueue(1, 2)
            with transaction.atomic():
                tasks.add.using(queue_name="mail").enqueue(1, 2)
                transaction.set_rollback(True)
        assert told() == ["news"]

    def test_of_one_after_the_other_once_in_a_while(self, told: Any) -> None:
        for _ in range(20):
            tasks.add.enqueue(1, 2)
            time.sleep(QUIET_SECONDS / 4)
        assert 2 <= len(told()) < 20
        time.sleep(QUIET_SECONDS)
        tasks.add.enqueue(1, 2)
        tasks.add.using(queue_name="mail").enqueue(1, 2)
        assert told() == ["default", "mail"]

    def test_of_what_comes_after_a_unique_job_that_is_there(self, told: Any) -> None:
        unique.by_all.enqueue("a")
        assert told() == ["default"]
        unique.by_all.enqueue("a")
        tasks.add.enqueue(1, 2)
        assert told() == ["default"]

    def test_of_cancelled_jobs_once_for_a_transaction(self, told: Any) -> None:
        jobs = [JobFactory(running=True) for _ in range(3)]
        with transaction.atomic():
            assert [Job.objects.filter(pk=job.pk).cancel() for job in jobs] == [1, 1, 1]
            assert told() == []
        assert told() == [CANCEL]
        assert Job.objects.cancel() == 0
        assert told() == []
        assert not QUEUE_NAME.fullmatch(CANCEL)

    def test_of_what_a_worker_is_told_once_that_is_committed(self, told: Any) -> None:
        WorkerFactory()
        with transaction.atomic():
            assert Worker.objects.quiet() == 1
            assert told() == []
        assert told() == [COMMAND]
        assert Worker.objects.quiet() == 0
        assert told() == []
        assert not QUEUE_NAME.fullmatch(COMMAND)

    def test_nothing_where_it_is_switched_off(self, told: Any, settings: Any) -> None:
        settings.TASKS = {"default": {**settings.TASKS["default"], "OPTIONS": {"NOTIFY": False}}}
        tasks.add.enqueue(1, 2)
        enqueue_many(tasks.add, [(1, 2)])
        Job.objects.cancel()
        WorkerFactory()
        Worker.objects.ask_for_stacks()
        assert told() == []
        assert bell("default", notify=False) is None


Hears = Callable[[], bool]


@pytest.fixture
def hears_of_mail() -> Iterator[Hears]:
    """The bell of a worker that wants mail, in a session of its own."""
    rings = bell("default", notify=True)
    if rings is None:
        pytest.skip("nothing tells a worker here")
    with other_session() as session:

        def hears() -> bool:
            return session.call(rings.wait, lambda queue: queue == "mail")

        try:
            assert hears(), "something may have happened before it listened"
            yield hears
        finally:
            rings.stop()  # a wait that is too long for the test
            session.call(rings.close)


def enqueue(queue: str) -> None:
    time.sleep(QUIET_SECONDS)
    tasks.add.using(queue_name=queue).enqueue(1, 2)


def test_it_hears_of_a_job_of_another_session(hears_of_mail: Hears) -> None:
    for _ in range(3):
        enqueue("mail")
        wait_until(hears_of_mail, timeout=30)


@postgresql
def test_it_hears_of_other_queues_and_does_not_care(hears_of_mail: Hears) -> None:
    enqueue("news")
    assert not hears_of_mail()


@postgresql
def test_it_hears_of_a_cancel_request_and_not_of_a_job() -> None:
    rings = bell("default", notify=True)
    assert rings is not None
    heard: list[str] = []
    rings.on_cancel = lambda: heard.append("cancel")
    with other_session() as session:
        try:
            session.call(rings.wait, lambda queue: True)
            assert heard == ["cancel"], "one may have been asked to end before it listened"
            JobFactory(running=True)
            Job.objects.cancel()
            told = session.start(rings.wait, lambda queue: True)
            assert told.result(5) is False
        finally:
            rings.stop()  # a wait that is too long for the test
            session.call(rings.close)
    assert heard == ["cancel", "cancel"]


@postgresql
def test_it_hears_that_a_worker_was_told_something() -> None:
    rings = bell("default", notify=True)
    assert rings is not None
    heard: list[str] = []
    rings.on_command = lambda: heard.append("command")
    with other_session() as session:
        try:
            session.call(rings.wait, lambda queue: True)
            WorkerFactory()
            assert Worker.objects.stop() == 1
            told = session.start(rings.wait, lambda queue: True)
            assert told.result(5) is False
        finally:
            rings.stop()  # a wait that is too long for the test
            session.call(rings.close)
    assert heard == ["command"]


@postgresql
def test_it_looks_again_for_what_it_was_not_told_of(hears_of_mail: Hears) -> None:
    enqueue("mail")
    assert hears_of_mail()
    heard = time.monotonic()
    assert wait_until(hears_of_mail, timeout=30)
    assert time.monotonic() - heard >= AGAIN_SECONDS / 2


@sqlite
def test_it_is_quiet_while_nothing_is_written(hears_of_mail: Hears) -> None:
    assert not any(hears_of_mail() for _ in range(20))


def test_a_stop_ends_the_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    process = WorkerProcess(WorkerConfig(), task_backends["default"])
    listener = process.listener
    if listener is None:
        pytest.skip("nothing tells a worker here")
    woken = threading.Event()
    monkeypatch.setattr(process.board, "wake", woken.set)
    listener.start()
    assert woken.wait(5)
    time.sleep(0.1)  # it waits by now
    before = time.monotonic()
    listener.stop()
    listener.stop()
    listener.join(30)
    assert not listener.is_alive()
    assert time.monotonic() - before < 10, "and not until something is heard"


def test_a_stop_may_come_before_the_start() -> None:
    listener = WorkerProcess(WorkerConfig(), task_backends["default"]).listener
    if listener is None:
        pytest.skip("nothing tells a worker here")
    listener.stop()
    listener.start()
    listener.join(5)
    assert not listener.is_alive()
