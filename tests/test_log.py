"""One logger, one form of line, the same extra keys in each record."""

import logging
import threading

import pytest
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st

from django_jobs import ShuttingDown
from django_jobs.compat import task_backends
from django_jobs.db.connections import patiently
from django_jobs.execute import execute
from django_jobs.log import log_job, one_line
from django_jobs.models import Job
from django_jobs.release import cut_short, log_released
from django_jobs.testing import run_pending
from tests.contract.support import claim_all
from tests.factories import JobFactory, WorkerFactory
from tests.sample import odd, tasks

KEYS = {
    "event",
    "job_id",
    "task",
    "queue",
    "attempt",
    "max_attempts",
    "claim_no",
    "worker",
    "duration",
    "delay",
}
SECRET = "the password"


@pytest.fixture
def records(db, caplog):
    """The records about jobs so far."""
    caplog.set_level(logging.DEBUG, "django_jobs")
    return lambda: [r for r in caplog.records if r.name == "django_jobs" and "job_id" in vars(r)]


@pytest.mark.parametrize(
    ("enqueue", "event", "level", "text"),
    [
        (lambda: tasks.add.enqueue(1, 2), "successful", "INFO", "succeeded in 0."),
        (lambda: tasks.fail.enqueue(), "retry", "WARNING", "failed in attempt 1 of 3, next in "),
        (lambda: tasks.unwanted.enqueue(), "dead", "ERROR", "dead after attempt 1 of 2"),
        (lambda: tasks.steer.enqueue("snooze", after=90), "snoozed", "INFO", "snoozed for 90.0 s"),
        (lambda: tasks.steer.enqueue("cancel"), "cancelled", "INFO", "cancelled after 0."),
        (
            lambda: JobFactory(task_path="os.system"),
            "unavailable",
            "WARNING",
            "Unknown task 'os.system'",
        ),
    ],
    ids=["success", "retry", "dead", "snooze", "cancel", "unknown"],
)
def test_an_attempt_is_two_lines_with_the_same_keys(enqueue, event, level, text, records):
    result = enqueue()
    run_pending()
    start, end = records()
    assert (start.event, start.levelname) == ("started", "INFO")
    assert (end.event, end.levelname) == (event, level)
    assert "started: attempt 1 of" in start.getMessage()
    assert text in end.getMessage()
    for record in (start, end):
        assert set(vars(record)) >= KEYS
        assert record.job_id == str(result.id)
        assert str(result.id) in record.getMessage()
        assert (record.queue, record.attempt, record.claim_no) == ("default", 1, 1)
        assert record.worker == "test:0"
    assert end.duration >= 0


@pytest.mark.parametrize(
    ("most", "event", "text"),
    [
        (2, "retry", "failed in attempt 1 of 2, next at once: {} (interrupted 20 times in a row)"),
        (1, "dead", "dead after attempt 1 of 1 (interrupted 20 times in a row): {}"),
    ],
)
def test_an_interruption_that_counts_is_no_release(most, event, text, records):
    JobFactory(
        **{"task_path": tasks.wait.module_path, "args": [30]}, max_attempts=most, interruptions=19
    )
    (claim,) = claim_all()
    log_released(cut_short(claim, max_interruptions=20))
    claim.token.fire(ShuttingDown)
    execute(claim, task_backends["default"])
    left, _, asked = records()
    assert (left.event, asked.event) == (event, event)
    assert text.format("the worker stops") in left.getMessage()
    assert text.format("ShuttingDown") in asked.getMessage()


def test_a_delay_is_a_figure_of_its_own(records):
    tasks.fail.enqueue()
    run_pending()
    assert 8 <= records()[-1].delay <= 12


def test_a_failure_brings_its_traceback(records, caplog):
    tasks.fail.enqueue("no luck")
    run_pending()
    assert records()[-1].exc_info[0] is ValueError


@pytest.mark.parametrize("task", [odd.note, tasks.wait])
def test_arguments_are_never_logged(task, records, caplog):
    task.using(queue_name="mail").enqueue(SECRET)
    (claim,) = claim_all(worker=WorkerFactory())
    execute(claim, task_backends["default"])
    messages = [r.getMessage() for r in caplog.records if r.name.startswith("django")]
    assert len(messages) >= 2
    assert not [text for text in messages if SECRET in text]
    assert not [r for r in records() if SECRET in repr(vars(r).get("args"))]


def test_what_a_task_says_can_forge_no_line(records):
    JobFactory(task_path="evil\n2024-01-01 ERROR forged\x1b[2J")
    run_pending()
    for record in records():
        assert one_line(record.getMessage()) == record.getMessage()
    assert "evil\\n2024-01-01" in records()[0].getMessage()


def test_nor_can_what_a_row_says_in_a_key(records):
    JobFactory(task_path="a.evil\nforged", queue_name="mail\x1b[2J\r")
    run_pending()
    assert {r.task for r in records()} == {"a.evil\\nforged"}
    assert {r.queue for r in records()} == {"mail\\x1b[2J\\r"}


def test_trouble_of_the_database_is_one_line(caplog):
    errors = [OperationalError("gone\n\tThis probably\x1b[2J means\n"), None]

    def work():
        if error := errors.pop(0):
            raise error
        return "done"

    never = threading.Event()
    assert patiently(work, "default", never.is_set, never) == "done"
    [message] = caplog.messages
    assert message.endswith("gone This probably\\x1b[2J means")
    assert one_line(message) == message


def test_the_message_of_an_exception_can_forge_no_line(records):
    tasks.fail.enqueue("first\r2024-01-01 ERROR forged \x1b[31m \x85 \u2028 end")
    run_pending()
    text = records()[-1].getMessage()
    assert one_line(text) == text
    assert len(text.splitlines()) == 1


def test_percent_signs_are_just_characters(records):
    tasks.fail.enqueue("100 % sure %s %d %(x)s")
    run_pending()
    assert "100 % sure %s %d %(x)s" in records()[-1].getMessage()


def test_a_line_begins_with_the_task_and_the_id(db, caplog):
    job = Job(task_path="shop.tasks.send_invoice", queue_name="mail")
    with caplog.at_level(logging.INFO, "django_jobs"):
        log_job(logging.INFO, "started", job, "has %d %s", 2, "x\ny")
    assert caplog.messages == [f"send_invoice {job.pk} has 2 x\\ny"]


@given(st.text())
def test_one_line_has_no_control_characters_and_leaves_the_rest(text):
    line = one_line(text)
    assert line.isprintable()
    assert line == text or not text.isprintable()
    assert len(line.splitlines()) <= 1
    line.encode()
