"""What Django expects of a task backend: its signals."""

import logging
from contextlib import contextmanager

import pytest

from django_jobs import enqueue_many
from django_jobs.backend import DatabaseBackend
from django_jobs.compat import (
    HAS_DJANGO_TASKS,
    TaskResultStatus,
    task_backends,
    task_enqueued,
    task_finished,
    task_signals,
    task_started,
)
from django_jobs.execute import execute
from django_jobs.models import Status
from django_jobs.policy import SUCCEEDED
from django_jobs.record import record
from django_jobs.results import announce_finished
from django_jobs.signals import enqueued_is_heard
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, queries, row
from tests.sample import tasks

pytestmark = pytest.mark.django_db

SIGNALS = {"enqueued": task_enqueued, "started": task_started, "finished": task_finished}


@contextmanager
def connected(signal, receiver):
    signal.connect(receiver)
    try:
        yield
    finally:
        assert signal.disconnect(receiver)


@pytest.fixture
def heard():
    """What was sent: name, sender, status, errors and attempts, as they were at that time."""
    said = []

    def listen(name):
        def receiver(sender, task_result, **kwargs):
            said.append(
                (
                    name,
                    sender,
                    task_result.id,
                    task_result.status,
                    len(task_result.errors),
                    task_result.attempts,
                )
            )

        return receiver

    receivers = {name: listen(name) for name in SIGNALS}
    for name, receiver in receivers.items():
        SIGNALS[name].connect(receiver)
    yield said
    for name, receiver in receivers.items():
        SIGNALS[name].disconnect(receiver)


def test_each_job_of_a_bulk_is_told_of_once_in_its_order(heard):
    ids = enqueue_many(tasks.add, [(n, n) for n in range(3)])
    ready = TaskResultStatus.READY
    assert heard == [("enqueued", DatabaseBackend, each, ready, 0, 0) for each in ids]


def test_a_job_that_succeeds_sends_each_signal_once(heard):
    result = tasks.add.enqueue(1, 2)
    assert [event[0] for event in heard] == ["enqueued"]
    run_pending()
    status = TaskResultStatus
    assert heard == [
        ("enqueued", DatabaseBackend, result.id, status.READY, 0, 0),
        ("started", DatabaseBackend, result.id, status.RUNNING, 0, 1),
        ("finished", DatabaseBackend, result.id, status.SUCCESSFUL, 0, 1),
    ]


def test_a_job_that_dies_finishes_with_its_error(heard):
    tasks.unwanted.enqueue()
    run_pending()
    assert heard[-1][0] == "finished"
    assert heard[-1][3:] == (TaskResultStatus.FAILED, 1, 1)


def test_a_job_that_will_be_tried_again_has_not_finished(heard):
    tasks.fail.enqueue()
    run_pending()
    assert [event[0] for event in heard] == ["enqueued", "started"]


@pytest.mark.parametrize("how", ["cancel", "give_up"])
def test_a_job_that_ends_itself_has_finished(heard, how):
    tasks.steer.enqueue(how)
    run_pending()
    assert (heard[-1][0], heard[-1][3]) == ("finished", TaskResultStatus.FAILED)


def test_a_finished_result_carries_the_return_value():
    values = []

    def receiver(sender, task_result, **kwargs):
        values.append(task_result.return_value)

    with connected(task_finished, receiver):
        tasks.add.enqueue(1, 2)
        run_pending()
    assert values == [3]


@pytest.mark.parametrize("name", SIGNALS)
def test_what_a_receiver_raises_is_logged_and_changes_nothing(name, caplog):
    def receiver(**kwargs):
        raise RuntimeError("the receiver's own trouble")

    with connected(SIGNALS[name], receiver), caplog.at_level(logging.ERROR, "django_jobs"):
        result = tasks.add.enqueue(1, 2)
        run_pending()
    assert row(result).status == Status.SUCCESSFUL
    records = [r for r in caplog.records if getattr(r, "event", "") == "receiver_failed"]
    assert len(records) == 1
    assert records[0].job_id == result.id
    assert "the receiver's own trouble" in caplog.text


def test_django_logs_what_becomes_of_a_task(caplog):
    name = "django.tasks" if HAS_DJANGO_TASKS else "django_tasks"
    with caplog.at_level(logging.DEBUG, name):
        result = tasks.add.enqueue(1, 2)
        run_pending()
    lines = [r.getMessage() for r in caplog.records if r.name == name]
    assert [line.rpartition(" ")[2] for line in lines] == [
        "backend=default",
        "state=RUNNING",
        "state=SUCCESSFUL",
    ]
    assert all(result.id in line for line in lines)


def test_an_attempt_asks_the_database_for_nothing(heard):
    """Not for its signals either: round trips on the job's own thread are the job's own."""
    tasks.add.enqueue(1, 2)
    tasks.context_facts.enqueue()
    backend = task_backends["default"]
    finished = []
    claims = claim_all()
    assert queries(lambda: finished.extend(execute(claim, backend) for claim in claims)) == []
    assert [each.outcome for each in finished] == [SUCCEEDED, SUCCEEDED]
    record(finished, "default")
    assert queries(lambda: [announce_finished(backend, each) for each in finished]) == []
    assert [name for name, *_ in heard].count("finished") == 2


def test_the_log_is_written_as_its_own_receivers_would(caplog):
    """Where nobody else listens the signals are not sent, which is not to be noticed."""
    log = task_signals.logger.name

    def lines():
        caplog.clear()
        result = tasks.add.enqueue(1, 2)
        run_pending()
        return [
            (r.levelno, r.msg, [str(arg).replace(result.id, "id") for arg in r.args])
            for r in caplog.records
            if r.name == log
        ]

    def receiver(**kwargs):
        """Held here: signals keep weak references."""

    with caplog.at_level(logging.INFO, log):
        unheard = lines()
        with connected(task_started, receiver), connected(task_finished, receiver):
            assert lines() == unheard
        assert len(unheard) == 2
        task_started.disconnect(task_signals.log_task_started)
        try:
            assert lines() == unheard[1:]
        finally:
            task_started.connect(task_signals.log_task_started)
    with caplog.at_level(logging.WARNING, log):
        assert lines() == []


def test_enqueued_is_heard_where_it_would_do_something(caplog):
    def receiver(**kwargs):
        """Held here, like the one above."""

    with caplog.at_level(logging.INFO, task_signals.logger.name):
        assert not enqueued_is_heard()
        with connected(task_enqueued, receiver):
            assert enqueued_is_heard()
    with caplog.at_level(logging.DEBUG, task_signals.logger.name):
        assert enqueued_is_heard()
