"""Very many jobs at once, by a job of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings

from django_jobs import ShuttingDown, tasks
from django_jobs.claim import claim
from django_jobs.compat import Task, task_backends
from django_jobs.db.clock import DbNow, db_now
from django_jobs.execute import execute
from django_jobs.ids import uuid7
from django_jobs.many import STATUSES, Which, change
from django_jobs.models import Job, Status
from django_jobs.queues import QueueFilter
from django_jobs.record import record
from django_jobs.registry import discover, find_task
from django_jobs.testing import run_pending
from tests.contract.support import row
from tests.factories import JobFactory, WorkerFactory
from tests.support.sessions import other_session

pytestmark = pytest.mark.django_db

# It serves this queue alone: what the task makes ready stays so.
OTHERS = {"queue_name": "others"}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "CHUNK", 3)
    monkeypatch.setattr(tasks, "PAUSE", 0.0)


def which(**chosen: Any) -> Which:
    # The factory takes the time of this process, which may be finer.
    return Which(uuid7(), db_now("default") + timedelta(seconds=1), **chosen)


def act(verb: str, chosen: Which, user: User | None = None) -> Any:
    """Run the task as a worker of its queue does; returns its row."""
    made = tasks.act_on_jobs.enqueue(verb, chosen.values(), user and str(user.pk))
    return run(made.id)


def run(job_id: str, interrupt: type[BaseException] | None = None, after: int = 0) -> Any:
    """One attempt; ``interrupt`` ends it after so many reports of its progress."""
    [claimed] = claim(WorkerFactory(), QueueFilter(("default",)), 1, "default")
    reports = []

    def report(progress: dict[str, Any]) -> None:
        reports.append(progress)
        if interrupt is not None and len(reports) == after:
            claimed.token.fire(interrupt)

    finished = execute(claimed, task_backends["default"], report=report)
    assert finished is not None
    assert record([finished], "default") == []
    done = row(job_id)
    done.reports = reports
    return done


def statuses(jobs: list[Job]) -> list[str]:
    return [row(job).status for job in jobs]


@pytest.mark.parametrize(
    ("verb", "traits", "then"),
    [
        ("retry", {"dead": True}, Status.READY),
        ("discard", {"dead": True}, Status.DISCARDED),
        ("cancel", {}, Status.CANCELLED),
        ("cancel", {"scheduled": True}, Status.CANCELLED),
        ("cancel", {"running": True}, Status.RUNNING),
    ],
)
def test_it_does_a_verb_to_all_that_it_is_for(
    verb: str, traits: dict[str, Any], then: Status
) -> None:
    jobs = JobFactory.create_batch(8, **traits, **OTHERS)
    other = JobFactory(successful=True, **OTHERS)
    done = act(verb, which(queue="others"))
    assert statuses(jobs) == [then] * 8
    assert row(other).status == Status.SUCCESSFUL
    asked = 8 * (then == Status.RUNNING)
    assert done.status == Status.SUCCESSFUL
    assert done.return_value == {"done": 8, "asked": asked, "held": 0}
    if asked:
        assert not Job.objects.filter(status=Status.RUNNING, cancel_requested_at=None).exists()


def test_its_progress_is_told_chunk_by_chunk() -> None:
    JobFactory.create_batch(8, dead=True, **OTHERS)
    done = act("retry", which())
    assert [(r["done"], r["total"]) for r in done.reports] == [(3, 8), (6, 8), (8, 8)]


def test_each_of_the_choices_counts() -> None:
    base = {"dead": True, "queue_name": "a", "task_path": "x.y", "failure_group": "ab" * 8}
    old = JobFactory(**base)
    chosen = JobFactory(**base)
    others = [
        JobFactory(**{**base, name: value})
        for name, value in {
            "queue_name": "b",
            "task_path": "x.z",
            "failure_group": None,
            "finished_at": DbNow() + timedelta(hours=1),
        }.items()
    ]
    other = which(queue="a", task="x.y", group="ab" * 8, after=old.pk, status="DEAD")
    later = JobFactory(**base)
    act("discard", other)
    assert row(chosen).status == Status.DISCARDED
    assert statuses([old, *others, later]) == [Status.DEAD] * 6


def test_what_would_share_a_unique_key_stays_dead() -> None:
    """Within a chunk, in another chunk, and with a job that runs."""
    keys = ["a", "a", "b", None, "a", "c", "d", "b"]
    jobs = [JobFactory(dead=True, **OTHERS, unique_key=key) for key in keys]
    live = JobFactory(running=True, **OTHERS, unique_key="d", unique_hash="d")
    done = act("retry", which(queue="others"))
    assert done.return_value == {"done": 4, "asked": 0, "held": 4}
    retried = [jobs[n] for n in (0, 2, 3, 5)]
    assert statuses(retried) == [Status.READY] * 4
    assert statuses([job for job in jobs if job not in retried]) == [Status.DEAD] * 4
    holds = [row(job).unique_hash for job in [*retried, live]]
    assert holds == ["a", "b", None, "c", "d"]


def test_those_that_are_to_be_tried_again() -> None:
    never, again = JobFactory(scheduled=True), JobFactory(scheduled=True, attempts=1)
    act("cancel", which(status="retrying"))
    assert statuses([never, again]) == [Status.SCHEDULED, Status.CANCELLED]


def test_what_dies_again_meanwhile_is_left_dead() -> None:
    jobs = JobFactory.create_batch(4, dead=True, **OTHERS)
    made = tasks.act_on_jobs.enqueue("retry", which().values())
    run(made.id, ShuttingDown, after=1)
    first = [job for job in jobs if row(job).status == Status.READY]
    assert len(first) == 3
    # It is claimed, and dies, and the rest is done by another attempt.
    Job.objects.filter(pk=first[0].pk).update(
        status=Status.DEAD, finished_at=DbNow() + timedelta(minutes=1)
    )
    assert run(made.id).return_value == {"done": 1, "asked": 0, "held": 0}
    assert statuses(jobs).count(Status.DEAD) == 1
    assert row(first[0]).status == Status.DEAD


@pytest.mark.parametrize("interrupt", [ShuttingDown])
def test_an_attempt_that_is_cut_short_is_gone_on_with(interrupt: type[BaseException]) -> None:
    jobs = JobFactory.create_batch(10, dead=True, **OTHERS)
    made = tasks.act_on_jobs.enqueue("discard", which().values())
    released = run(made.id, interrupt, after=2)
    assert (released.status, released.attempts) == (Status.READY, 0)
    assert statuses(jobs).count(Status.DISCARDED) == 6
    done = run(made.id)
    assert done.return_value == {"done": 4, "asked": 0, "held": 0}
    assert statuses(jobs) == [Status.DISCARDED] * 10


def test_it_stops_when_it_is_cancelled() -> None:
    from django_jobs.exceptions import CancelRequested

    jobs = JobFactory.create_batch(10, dead=True, **OTHERS)
    made = tasks.act_on_jobs.enqueue("discard", which().values())
    assert run(made.id, CancelRequested, after=1).status == Status.CANCELLED
    assert statuses(jobs).count(Status.DISCARDED) == 3


def test_it_leaves_itself_alone() -> None:
    chosen = which(status="RUNNING")
    done = act("cancel", chosen)
    assert (done.status, done.cancel_requested_at) == (Status.SUCCESSFUL, None)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("verb", "traits"), [("retry", {"dead": True}), ("cancel", {})])
def test_no_claim_waits_for_a_chunk(verb: str, traits: dict[str, Any]) -> None:
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("one transaction writes at a time")
    jobs = JobFactory.create_batch(5, **traits)
    other, worker = JobFactory(), WorkerFactory()
    claimed = []
    with other_session() as session:
        changed = change(
            verb,
            [job.pk for job in jobs],
            "default",
            # Before the chunk is committed.
            lambda _: claimed.extend(session.call(claim, worker, QueueFilter(), 10, "default")),
        )
    assert changed.done == 5
    assert [each.job.pk for each in claimed] == [other.pk]


class TestLog:
    def test_says_what_and_how_many_for_the_user(self) -> None:
        user = User.objects.create_user("operator")
        JobFactory.create_batch(4, dead=True, **OTHERS)
        done = act("retry", which(queue="others"), user)
        entry = LogEntry.objects.get()
        assert (entry.user, entry.object_id) == (user, str(done.pk))
        assert entry.object_repr == "Retry: 4"
        assert entry.change_message.startswith("Retry: 4 jobs, chosen by before=")
        assert "queue=others" in entry.change_message

    def test_of_an_attempt_that_was_cut_short(self) -> None:
        user = User.objects.create_user("operator")
        JobFactory.create_batch(4, dead=True, **OTHERS)
        made = tasks.act_on_jobs.enqueue("retry", which().values(), str(user.pk))
        run(made.id, ShuttingDown, after=1)
        run(made.id)
        assert sorted(LogEntry.objects.values_list("object_repr", flat=True)) == [
            "Retry: 1",
            "Retry: 3",
        ]

    @pytest.mark.parametrize("user_id", [None, "123456"])
    def test_nobody_to_log_for(self, user_id: str | None) -> None:
        job = JobFactory(dead=True, **OTHERS)
        made = tasks.act_on_jobs.enqueue("retry", which().values(), user_id)
        assert run(made.id).status == Status.SUCCESSFUL
        assert row(job).status == Status.READY
        assert not LogEntry.objects.exists()

    def test_nothing_to_do_is_not_logged(self) -> None:
        user = User.objects.create_user("operator")
        assert act("retry", which(), user).return_value == {"done": 0, "asked": 0, "held": 0}
        assert not LogEntry.objects.exists()


class TestWhich:
    def test_back_and_forth(self) -> None:
        for chosen in (
            which(),
            which(after=uuid4(), status="DEAD", queue="a", task="b.c", group="ab" * 8),
            which(status="retrying"),
        ):
            assert Which.of(chosen.values()) == chosen

    # The same in each process: the values are the names of tests.
    GOOD = {"until": "01a215d1-dc5e-7386-a5f0-fa8866d185db", "before": "2026-01-01T00:00:00+00:00"}

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"until": GOOD["until"]},
            {"before": GOOD["before"]},
            GOOD | {"until": "x"},
            GOOD | {"before": "x"},
            GOOD | {"before": "2026-01-01T00:00:00"},
            GOOD | {"status": "ALIVE"},
            GOOD | {"kwargs__password": "x"},
            GOOD | {"queue": 7},
            GOOD | {"queue": ["a"]},
        ],
        ids=str,
    )
    def test_refuses_what_is_none(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"chosen by|badly|Invalid|time zone"):
            Which.of(values)

    @pytest.mark.parametrize(("verb", "chosen"), [("delete", GOOD), ("retry", {"until": "x"})])
    def test_a_job_with_such_arguments_changes_nothing(
        self, verb: str, chosen: dict[str, Any]
    ) -> None:
        job = JobFactory(dead=True, **OTHERS)
        made = tasks.act_on_jobs.enqueue(verb, chosen)
        assert run(made.id).last_error.startswith("ValueError")
        assert row(job).status == Status.DEAD


class TestHome:
    def test_a_worker_knows_the_task(self) -> None:
        discover()
        assert isinstance(find_task("django_jobs.tasks.act_on_jobs"), Task)
        JobFactory(dead=True)
        tasks.act_on_jobs.enqueue("discard", which().values())
        assert [job.status for job in run_pending()] == [Status.SUCCESSFUL]

    OURS = "django_jobs.backend.DatabaseBackend"

    @pytest.mark.parametrize(
        ("settings", "home"),
        [
            ({"default": {"BACKEND": OURS}}, ("default", "default")),
            ({"default": {"BACKEND": OURS, "QUEUES": []}}, ("default", "default")),
            ({"jobs": {"BACKEND": OURS, "QUEUES": ["mail", "default"]}}, ("jobs", "default")),
            ({"jobs": {"BACKEND": OURS, "QUEUES": ["mail", "bulk"]}}, ("jobs", "bulk")),
            ({"jobs": {"BACKEND": OURS, "QUEUES": ["no name"]}}, None),
            (
                {"broken": {"BACKEND": "no.such"}, "b": {"BACKEND": OURS, "QUEUES": []}},
                ("b", "default"),
            ),
            ({"default": {"BACKEND": "no.such"}}, None),
            ({}, None),
        ],
    )
    def test_where_it_is_enqueued(self, settings: Any, home: tuple[str, str] | None) -> None:
        with override_settings(TASKS=settings):
            assert tasks.home() == home
            made = tasks._as_task(tasks.act_on_jobs.func)
            assert isinstance(made, Task) == (home is not None)

    def test_it_is_for_what_the_admin_offers(self) -> None:
        from django_jobs.admin.verbs import VERBS

        assert {name: verb.statuses for name, verb in VERBS.items() if name != "copy"} == STATUSES
