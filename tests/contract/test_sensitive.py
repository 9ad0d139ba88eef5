"""Sensitive arguments show nowhere, whatever the task does to give them away."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.core import mail
from django.test import override_settings
from django.utils.log import AdminEmailHandler

from django_jobs import enqueue_many
from django_jobs.compat import task_backends
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.record import record, refused
from django_jobs.sensitive import MASK
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row
from tests.sample import secrets

pytestmark = pytest.mark.django_db

TOKEN = "tok/en é\"'\\ " + "0123456789abcdef" * 4
PART = "89abcdef01234567"
WAYS = ("text", "repr", "json", "url", "key", "cut", "note", "cause", "group")
STEERS = ("retry", "give up", "cancel", "snooze")
TASKS = (secrets.call_api, secrets.call_with_context, secrets.call_api_async)


def stored() -> str:
    """All that is stored of jobs, except for the call itself and what it returned."""
    jobs = Job.objects.values_list("last_error", "task_path", "queue_name", "metadata")
    return repr([*jobs, *JobAttempt.objects.values_list()])


@pytest.fixture
def logged() -> Iterator[Callable[[], str]]:
    """Everything that is logged, as a file and as an e-mail with its frames would have it."""
    lines: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{self.format(record)} {vars(record)}")

    handlers = [Handler(), AdminEmailHandler(include_html=True)]
    handlers[1].setLevel(logging.WARNING)
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in handlers:
        root.addHandler(handler)

    def text() -> str:
        mails = [m.body + repr(m.alternatives) for m in getattr(mail, "outbox", [])]
        return "\n".join([*lines, *mails])

    admin: Any = "a@example.com" if django.VERSION >= (6, 0) else ("A", "a@example.com")
    with override_settings(ADMINS=[admin]):
        yield text
    root.setLevel(level)
    for handler in handlers:
        root.removeHandler(handler)


@pytest.mark.parametrize("way", [*WAYS, *STEERS])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_no_error_gives_it_away(task: Any, way: str, logged: Callable[[], str]) -> None:
    result = task.enqueue(way, TOKEN)
    keyword = task.enqueue(how=way, token=TOKEN)
    run_pending()
    assert PART not in stored()
    assert PART not in logged()
    for each in (result, keyword):
        assert row(each).status != Status.SUCCESSFUL
        each.refresh()
        assert PART not in repr(each.errors)
        assert PART not in repr(row(each))
    assert MASK in stored()


def test_the_task_gets_it_and_the_row_keeps_it(logged: Callable[[], str]) -> None:
    [one, two] = enqueue_many(secrets.call_api, [["-", TOKEN], {"how": "-", "token": TOKEN}])
    run_pending()
    for each in (one, two):
        assert row(each).status == Status.SUCCESSFUL
        assert row(each).return_value == f"done with {TOKEN}"
    assert PART not in logged()


def test_an_alias_hides_it_too(logged: Callable[[], str]) -> None:
    result = secrets.call_api.enqueue("text", TOKEN)
    Job.objects.update(task_path="tests.sample.secrets.former")
    run_pending()
    assert row(result).last_error == f"ValueError: 401 for {MASK}, told to {MASK}"
    assert PART not in stored() + logged()


def test_the_class_and_the_frames_stay() -> None:
    result = secrets.call_api.enqueue("text", TOKEN)
    run_pending()
    [attempt] = history(result)
    assert attempt.exception_class == "builtins.ValueError"
    assert "in give_away" in attempt.traceback
    assert attempt.traceback.endswith(f"ValueError: 401 for {MASK}, told to {MASK}\n")


def test_a_dead_job_is_reported_without_its_frames(logged: Callable[[], str]) -> None:
    secrets.call_api.enqueue("give up", TOKEN)
    run_pending()
    [report] = [sent for sent in mail.outbox if "dead after attempt 1" in sent.subject]
    assert f"because of {MASK}" in report.body
    assert PART not in logged()


def test_an_outcome_that_can_not_be_recorded_hides_it() -> None:
    result = secrets.call_api.enqueue("text", TOKEN)
    [claim] = claim_all()
    record([refused(claim, ValueError(f"too large: {TOKEN}"))], "default")
    assert row(result).last_error == f"ValueError: too large: {MASK}"
    assert PART not in stored()


def test_its_result_has_it_for_the_program() -> None:
    result = secrets.call_api.enqueue("text", TOKEN)
    assert result.args == ["text", TOKEN]
    assert task_backends["default"].get_result(result.id).args == ["text", TOKEN]


def test_what_the_task_takes_out_of_an_argument_is_masked() -> None:
    result = secrets.take_apart.enqueue({"user": "me", "password": TOKEN})
    run_pending()
    assert row(result).last_error == f"ValueError: refused: {MASK}"
    assert PART not in stored()


def test_what_cannot_be_masked_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets.call_api.enqueue("text", TOKEN)
    [claim] = claim_all()

    def fail(job: Job) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr("django_jobs.record.hiding_for", fail)
    record([refused(claim, ValueError(TOKEN))], "default")
    assert row(claim.job.pk).status == Status.DEAD
    assert PART not in stored()
