"""Two releases on one table: tasks that were renamed, are unknown, or take other arguments."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from django.db.models import F

from django_jobs import job
from django_jobs.compat import TaskResultStatus, task_backends
from django_jobs.exceptions import UnknownTask
from django_jobs.models import Job, Status
from django_jobs.registry import add_alias, find_task
from django_jobs.testing import run_pending
from tests.contract.support import history, row, seconds_until_due
from tests.factories import JobFactory
from tests.sample import renamed, tasks

pytestmark = pytest.mark.django_db

UNKNOWN = "shop.tasks.of_the_next_release"


def due_again(job: Job) -> None:
    """As if its delay had passed."""
    Job.objects.filter(pk=job.pk).update(status=Status.READY)


class TestAliases:
    def test_a_job_of_the_old_name_runs_the_task(self) -> None:
        made = JobFactory(task_path="tests.sample.old.mail", args=[1])
        run_pending()
        assert (row(made).status, row(made).return_value) == (Status.SUCCESSFUL, 2)

    def test_its_result_is_found(self) -> None:
        made = JobFactory(task_path="tests.sample.old.mail", args=[1])
        run_pending()
        result = task_backends["default"].get_result(str(made.pk))
        assert (result.task, result.status) == (renamed.mail, TaskResultStatus.SUCCESSFUL)

    def test_new_jobs_have_the_new_name(self) -> None:
        assert row(renamed.mail.enqueue(1)).task_path == "tests.sample.renamed.mail"

    def test_a_name_that_is_there_goes_before_an_alias(self) -> None:
        assert find_task("tests.sample.tasks.add") is tasks.add

    def test_an_alias_whose_task_is_gone(self) -> None:
        add_alias("tests.sample.old.gone", "tests.sample.renamed.gone")
        with pytest.raises(UnknownTask, match=r"'tests\.sample\.old\.gone'"):
            find_task("tests.sample.old.gone")

    def test_two_tasks_cannot_share_one(self) -> None:
        with pytest.raises(ValueError, match=r"is that of tests\.sample\.renamed\.mail already"):
            add_alias("tests.sample.old.mail", "tests.sample.tasks.add")
        assert find_task("tests.sample.old.mail") is renamed.mail

    @pytest.mark.parametrize("alias", ["", "a b", "a..b", "shop/tasks", 1, None])
    def test_what_is_no_path(self, alias: object) -> None:
        with pytest.raises(ValueError, match="An alias is a path"):
            job(aliases=(alias,))(tasks.add.func)  # type: ignore[arg-type]

    def test_a_string_is_not_taken_for_its_letters(self) -> None:
        with pytest.raises(ValueError, match="must be a tuple"):
            job(aliases="shop.tasks.mail")  # type: ignore[call-overload]


class TestUnavailable:
    @pytest.fixture(
        params=[
            {"task_path": UNKNOWN},
            {"task_path": "tests.sample.renamed.mail", "args": [1, 2]},
            {"task_path": "tests.sample.renamed.mail", "kwargs": {"name": "x"}},
        ],
        ids=["unknown", "too many arguments", "another argument"],
    )
    def unavailable(self, request: pytest.FixtureRequest) -> Job:
        made: Job = JobFactory(max_attempts=1, **request.param)
        return made

    def test_it_waits_and_keeps_its_attempts(
        self, unavailable: Job, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "django_jobs"):
            run_pending()
        job = row(unavailable)
        assert (job.status, job.attempts, job.claim_no) == (Status.SCHEDULED, 0, 1)
        assert -20 <= seconds_until_due(unavailable) <= 13, "ten seconds, give or take a fifth"
        assert job.last_error.startswith(("UnknownTask: ", "TaskChanged: "))
        assert [a.outcome for a in history(unavailable)] == ["SNOOZED"]
        assert [getattr(r, "event", "") for r in caplog.records] == ["unavailable"]

    def test_it_waits_longer_the_longer_it_has_waited(self, unavailable: Job) -> None:
        Job.objects.filter(pk=unavailable.pk).update(
            started_at=F("enqueued_at") - timedelta(seconds=1000)
        )
        run_pending()
        assert 50 <= seconds_until_due(unavailable) <= 130, "a tenth of it, give or take a fifth"

    def test_it_is_dead_after_the_grace_time(self, unavailable: Job) -> None:
        Job.objects.filter(pk=unavailable.pk).update(
            started_at=F("enqueued_at") - timedelta(days=1, minutes=1)
        )
        run_pending()
        job = row(unavailable)
        assert (job.status, job.attempts) == (Status.DEAD, 1)
        assert job.last_error.startswith(("UnknownTask: ", "TaskChanged: "))
        assert [a.outcome for a in history(unavailable)] == ["FAILED"]

    def test_a_worker_that_knows_it_runs_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        made = JobFactory(task_path="tests.sample.renamed.of_the_next_release", args=[1])
        run_pending()
        assert row(made).status == Status.SCHEDULED
        monkeypatch.setattr(renamed, "of_the_next_release", renamed.mail, raising=False)
        due_again(made)
        run_pending()
        job = row(made)
        assert (job.status, job.attempts, job.claim_no) == (Status.SUCCESSFUL, 1, 2)

    def test_no_grace_time(self, unavailable: Job, settings: object) -> None:
        backend = {"BACKEND": "django_jobs.backend.DatabaseBackend", "QUEUES": []}
        settings.TASKS = {"default": {**backend, "OPTIONS": {"UNKNOWN_TASK_GRACE": 0}}}  # type: ignore[attr-defined]
        run_pending()
        assert row(unavailable).status == Status.DEAD
