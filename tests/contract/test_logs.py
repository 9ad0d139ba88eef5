"""What jobs log is kept with them, and never stands in their way."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone

from django_jobs.capture import Log, capturing
from django_jobs.claim import Claim
from django_jobs.compat import task_backends
from django_jobs.execute import execute, left_behind
from django_jobs.models import Job, JobLog, Status
from django_jobs.prune import prune
from django_jobs.record import Finished, record, refused
from django_jobs.release import cut_short
from django_jobs.sensitive import MASK
from django_jobs.testing import run_pending
from django_jobs.worker.board import Board
from django_jobs.worker.recorder import Recorder
from tests.contract.support import claim_all, queries, row
from tests.sample import talking, tasks

pytestmark = pytest.mark.django_db

BACKEND = "django_jobs.backend.DatabaseBackend"


def options(**given: Any) -> Any:
    return override_settings(
        TASKS={"default": {"BACKEND": BACKEND, "QUEUES": [], "OPTIONS": given}}
    )


def logs(result: Any) -> list[str]:
    """What the attempts of a job have logged, without the time, oldest first."""
    rows = JobLog.objects.filter(job_id=result.id).order_by("claim_no")
    found = [line[24:] for log in rows for line in log.text.splitlines()]
    return [line.replace("tests.sample.", "") for line in found]


def executed() -> Finished | None:
    """Run the one job that is ready as an executor does; nothing is recorded."""
    [claim] = claim_all()
    with capturing("INFO"):
        return execute(claim, task_backends["default"])


def test_they_are_kept_with_their_attempt() -> None:
    result = talking.talk.enqueue("%d of %s", 3, "apples")
    run_pending()
    [log] = JobLog.objects.all()
    assert (str(log.job_id), log.claim_no, log.number) == (result.id, 1, 1)
    assert logs(result) == ["WARNING talking: 3 of apples"]
    assert row(result).status == Status.SUCCESSFUL


def test_an_attempt_that_logs_nothing_leaves_none() -> None:
    tasks.add.enqueue(1, 2)
    tasks.fail.enqueue()
    run_pending()
    assert not JobLog.objects.exists()


def test_each_attempt_has_its_own() -> None:
    result = talking.talk_and_fail.enqueue("bad luck")
    run_pending()
    Job.objects.update(status=Status.READY)
    run_pending()
    assert list(JobLog.objects.order_by("claim_no").values_list("claim_no", "number")) == [
        (1, 1),
        (2, 2),
    ]
    assert logs(result) == ["WARNING talking: attempt with bad luck"] * 2
    assert row(result).status == Status.DEAD


def test_one_that_is_put_off_too() -> None:
    result = talking.talk_and_snooze.enqueue()
    run_pending()
    assert logs(result) == ["WARNING talking: later"]


def test_of_a_coroutine_and_its_calls_in_threads() -> None:
    result = talking.talk_async.enqueue("x")
    run_pending()
    assert logs(result) == ["WARNING talking: before x", "WARNING talking: in a thread x"]


def test_of_threads_only_with_the_context() -> None:
    result = talking.talk_in_threads.enqueue()
    run_pending()
    assert logs(result) == ["WARNING talking: with the context"]


@pytest.mark.parametrize(
    ("level", "kept"),
    [
        ("DEBUG", ["debug", "info", "warning", "error", "critical"]),
        ("INFO", ["info", "warning", "error", "critical"]),
        ("ERROR", ["error", "critical"]),
        (None, []),
    ],
)
def test_from_the_level_that_is_set(level: str | None, kept: list[str]) -> None:
    talking.logger.setLevel(logging.DEBUG)
    try:
        with options(KEEP_LOGS=level):
            result = talking.talk_at_every_level.enqueue()
            run_pending()
    finally:
        talking.logger.setLevel(logging.NOTSET)
    assert [line.rpartition(" ")[2] for line in logs(result)] == kept


def test_what_the_project_does_not_let_through_is_not_kept() -> None:
    talking.logger.setLevel(logging.ERROR)
    try:
        result = talking.talk_at_every_level.enqueue()
        run_pending()
    finally:
        talking.logger.setLevel(logging.NOTSET)
    assert [line.rpartition(" ")[2] for line in logs(result)] == ["error", "critical"]


def test_no_record_fails_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    result = talking.talk_nastily.enqueue()
    with monkeypatch.context() as patch:
        # Without the handlers of pytest, which raise where a record can't be formatted.
        patch.setattr(logging.root, "handlers", [])
        patch.setattr(logging, "lastResort", None)
        run_pending()
    assert row(result).return_value == "talked"
    text = JobLog.objects.get(job_id=result.id).text
    assert [line.partition("talking: ")[2] for line in text.splitlines()] == [
        "<formatting it failed: TypeError>",
        "<formatting it failed: SystemExit>",
        "NUL \\x00 and a surrogate \\ud800",
    ]


def test_a_traceback_comes_with_it() -> None:
    result = talking.talk_of_an_error.enqueue()
    run_pending()
    text = JobLog.objects.get(job_id=result.id).text
    assert "ERROR tests.sample.talking: caught\nTraceback (most recent call last):" in text
    assert text.endswith("KeyError: 'inner'")


def test_sensitive_arguments_are_masked() -> None:
    token = "s3cr3t-" + "0123456789abcdef" * 4
    result = talking.talk_of_a_token.enqueue(token)
    run_pending()
    text = JobLog.objects.get(job_id=result.id).text
    assert f"calls with {MASK}, that is ['{MASK}']" in text
    assert "s3cr3t" not in text
    assert "89abcdef" not in text


class TestAtomic:
    @pytest.mark.django_db(transaction=True)
    def test_after_its_success(self) -> None:
        result = talking.talk_atomically.enqueue()
        finished = executed()
        assert finished is not None
        assert (finished.recorded, row(result).status) == (True, Status.SUCCESSFUL)
        assert logs(result) == [], "its own transaction has enough to do"
        made = queries(lambda: record([finished], "default"))
        assert [sql.split()[0] for sql in made if "django_jobs" in sql] == ["INSERT"]
        assert logs(result)[0] == "WARNING talking: within"

    def test_after_its_failure(self) -> None:
        result = talking.talk_atomically.enqueue(fail=True)
        run_pending()
        assert row(result).status == Status.SCHEDULED
        assert logs(result) == ["WARNING talking: within"]

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("task", [talking.talk_atomically, talking.talk_and_complete])
    def test_with_what_it_says_after_the_commit(self, task: Any) -> None:
        result = task.enqueue()
        run_pending()
        assert row(result).status == Status.SUCCESSFUL
        assert [line.partition(": ")[2][:6] for line in logs(result)] == ["within", "after "]


class TestOutcome:
    def test_a_lost_claim_leaves_none(self) -> None:
        result = talking.talk.enqueue("x")
        finished = executed()
        assert finished is not None
        Job.objects.update(claim_no=2)
        assert record([finished], "default") == [finished]
        assert logs(result) == []

    def test_written_twice_it_is_there_once(self) -> None:
        result = talking.talk.enqueue("x")
        finished = executed()
        assert finished is not None
        for _ in range(2):
            assert record([finished], "default") == []
        assert logs(result) == ["WARNING talking: x"]

    @pytest.mark.parametrize("how", ["cut short", "refused", "left behind"])
    def test_it_comes_with_whoever_ends_the_attempt(self, how: str) -> None:
        result = talking.talk.enqueue("x")
        finished = executed()
        assert finished is not None
        claim = finished.claim
        ends: dict[str, Any] = {
            "cut short": lambda: cut_short(claim, 20),
            "refused": lambda: refused(claim, ValueError("no")),
            "left behind": lambda: left_behind(claim, task_backends["default"], "a stack"),
        }
        assert record([ends[how]()], "default") == []
        assert logs(result) == ["WARNING talking: x"]
        assert row(result).status != Status.SUCCESSFUL

    def test_a_row_that_is_deleted_takes_it_along(self) -> None:
        result = talking.talk.enqueue("x")
        with options(DELETE_SUCCESSFUL=True):
            run_pending()
        assert not Job.objects.filter(pk=result.id).exists()
        assert not JobLog.objects.exists()
        with options(DELETE_SUCCESSFUL=True):
            failing = talking.talk_and_fail.enqueue("x")
            run_pending()
        assert len(logs(failing)) == 1, "there is somebody left to look at it"

    def test_pruning_too(self) -> None:
        talking.talk.enqueue("x")
        run_pending()
        assert JobLog.objects.count() == 1
        # By the time in its id.
        assert prune(timezone.now() + timedelta(hours=1), "default") == 1
        assert not JobLog.objects.exists()


class Unstorable(Log):
    """As if the database refused it."""

    @property
    def text(self) -> str:
        raise ValueError("not this one")


@pytest.mark.django_db(transaction=True)
class TestRecorder:
    def recorded(self, spoil: int | None = None) -> list[str]:
        """Run what is ready, and record it in one batch; spoils the log of one."""
        backend = task_backends["default"]
        board = Board(threads=5, lease=30)
        recorder = Recorder(backend, board, "default")
        board.add(claim_all())
        with capturing("INFO"):
            for n in range(Job.objects.filter(status=Status.RUNNING).count()):
                claim = board.take()
                assert isinstance(claim, Claim)
                finished = execute(claim, backend)
                assert finished is not None
                if n == spoil:
                    claim.log = Unstorable(logging.INFO)
                    claim.log.keep(logging.LogRecord("x", 30, "", 0, "x", (), None))
                board.ran(claim, recording=True, seconds=0.01)
                recorder.put(finished)
        recorder.start()
        recorder.stop(time.monotonic() + 10)
        recorder.join(15)
        assert not board.claims()
        board.close()
        return sorted(log.text[24:] for log in JobLog.objects.all())

    def test_it_writes_them_with_the_outcomes(self) -> None:
        for n in range(3):
            talking.talk.enqueue(f"number {n}")
        found = self.recorded()
        assert found == [f"WARNING tests.sample.talking: number {n}" for n in range(3)]

    def test_one_that_can_not_be_stored_costs_no_outcome_and_no_other_log(self) -> None:
        for n in range(4):
            talking.talk.enqueue(f"number {n}")
        assert len(self.recorded(spoil=2)) == 3
        assert set(Job.objects.values_list("status", "last_error")) == {(Status.SUCCESSFUL, "")}

    def test_very_large_ones_go_in_several_statements(self) -> None:
        for n in range(40):
            talking.talk.enqueue(
                "x" * 4_800 + str(n),
            )
        with capturing("INFO"):
            batch = [execute(claim, task_backends["default"]) for claim in claim_all()]
        long = "x" * 19_000
        for finished in batch:
            assert finished is not None
            finished.claim.log = Log(logging.INFO)
            for _ in range(4):
                finished.claim.log.keep(logging.LogRecord("x", 30, "", 0, long, (), None))
        made = queries(lambda: record([f for f in batch if f is not None], "default"))
        inserts = [sql for sql in made if sql.startswith("INSERT")]
        assert 1 < len(inserts) <= 4
        assert max(map(len, inserts)) < 2_000_000
        assert JobLog.objects.count() == 40


@pytest.mark.django_db(transaction=True)
class TestStatements:
    def batch(self, count: int, task: Any, *args: Any) -> list[Finished]:
        for _ in range(count):
            task.enqueue(*args)
        with capturing("INFO"):
            found = [execute(claim, task_backends["default"]) for claim in claim_all()]
        return [finished for finished in found if finished is not None]

    def test_without_logs_there_is_none_for_them(self) -> None:
        batch = self.batch(5, tasks.add, 1, 2)
        made = queries(lambda: record(batch, "default"))
        assert len(made) == 1, made

    def test_with_logs_there_is_one_for_all_of_them(self) -> None:
        batch = self.batch(5, talking.talk, "x") + self.batch(5, tasks.add, 1, 2)
        made = queries(lambda: record(batch, "default"))
        # The UPDATE, the INSERT, and the two ends of a transaction.
        assert len(made) == 2 + 2, made
        assert JobLog.objects.count() == 5
