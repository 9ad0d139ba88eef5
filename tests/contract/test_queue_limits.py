"""How many jobs of a queue run at once: exact over all workers, and nobody else waits for it."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import connection

from django_jobs import openings as openings_module
from django_jobs.claim import AHEAD_OF_EACH, Claim, claim
from django_jobs.db.transactions import write_transaction
from django_jobs.look import glance, peek
from django_jobs.models import Job, Queue, Status, Worker
from django_jobs.openings import Openings, locked_rooms
from django_jobs.policy import SUCCEEDED
from django_jobs.queues import QueueFilter
from django_jobs.record import Finished, record
from django_jobs.testing import run_pending
from tests.contract.support import queries
from tests.factories import JobFactory, QueueFactory, WorkerFactory
from tests.support.sessions import other_session, race

pytestmark = pytest.mark.django_db

ALL = QueueFilter()


@pytest.fixture
def worker() -> Worker:
    made: Worker = WorkerFactory()
    return made


def look(worker: Worker, queues: QueueFilter = ALL) -> Openings | None:
    return glance(worker, queues, "default").openings


def take(
    worker: Worker, slots: int = 100, ahead: int = 0, queues: QueueFilter = ALL
) -> list[Claim]:
    """Look and claim, as a worker does."""
    seen = glance(worker, queues, "default")
    if not seen.ready:
        return []
    claims = claim(worker, queues, slots, "default", ahead, openings=seen.openings)
    for each in claims:
        each.started = True
    return claims


def names(claims: list[Claim]) -> list[str]:
    return [each.job.queue_name for each in claims]


def end(claims: list[Claim]) -> None:
    assert record([Finished(each, SUCCEEDED) for each in claims], "default") == []


def limit(name: str, most: int | None) -> None:
    Queue.objects.get_or_create(name=name)
    Queue.objects.filter(name=name).set_limit(most)


class TestSetLimit:
    def test_says_how_many_changed(self) -> None:
        for name in ("a", "b"):
            QueueFactory(name=name)
        assert Queue.objects.filter(name="a").set_limit(3) == 1
        assert Queue.objects.set_limit(3) == 1
        assert Queue.objects.set_limit(4) == 2
        assert set(Queue.objects.limited().values_list("name", "limit")) == {("a", 4), ("b", 4)}
        assert Queue.objects.filter(name="b").set_limit(None) == 1
        assert Queue.objects.set_limit(None) == 1
        assert not Queue.objects.limited().exists()

    @pytest.mark.parametrize("wrong", [0, -1, 10_001, 1.5, "3", True])
    def test_takes_a_number_or_none(self, wrong: Any) -> None:
        QueueFactory(name="a")
        with pytest.raises(ValueError, match="from 1 to 10,000"):
            Queue.objects.set_limit(wrong)
        assert Queue.objects.set_limit(10_000) == 1


class TestClaim:
    def test_no_more_than_the_limit_at_once(self, worker: Worker) -> None:
        limit("mail", 3)
        JobFactory.create_batch(8, queue_name="mail")
        first = take(worker, slots=2)
        assert len(first) == 2
        second = take(WorkerFactory(), slots=4)
        assert len(second) == 1
        assert take(worker) == take(WorkerFactory()) == []
        end(first[:1])
        assert len(take(worker)) == 1
        assert Job.objects.filter(status=Status.RUNNING, claim_no=1, attempts=1).count() == 3

    def test_each_claim_is_an_ordinary_one(self, worker: Worker) -> None:
        limit("mail", 3)
        job = JobFactory(queue_name="mail", kwargs={"a": [1, "ü"]}, metadata={"x": 1}, priority=7)
        plain = JobFactory(kwargs={"a": [1, "ü"]}, metadata={"x": 1}, priority=7)
        (ours,), (other,) = take(worker, slots=1), claim(worker, ALL, 1, "default")
        assert (ours.job.pk, other.job.pk) == (job.pk, plain.pk)
        row, plain_row = (Job.objects.get(pk=pk) for pk in (job.pk, plain.pk))
        for name in ("status", "attempts", "claim_no", "kwargs", "metadata", "args", "priority"):
            assert getattr(ours.job, name) == getattr(other.job, name) == getattr(row, name)
        for name in ("started_at", "last_attempted_at", "run_after", "enqueued_at", "worker_id"):
            assert getattr(ours.job, name) == getattr(row, name)
            assert getattr(other.job, name) == getattr(plain_row, name)

    def test_who_knows_of_no_limit_claims_none_of_them(self, worker: Worker) -> None:
        limit("mail", 3)
        jobs = JobFactory.create_batch(2, queue_name="mail")
        assert claim(worker, ALL, 5, "default") == []
        assert claim(worker, ALL, 5, "default", among=[job.pk for job in jobs]) == []

    def test_a_limit_that_came_after_the_look_counts(self, worker: Worker) -> None:
        limit("mail", 5)
        JobFactory.create_batch(6, queue_name="mail")
        JobFactory.create_batch(6, queue_name="news")
        seen = look(worker)
        limit("mail", 2)
        limit("news", 1)
        assert names(claim(worker, ALL, 9, "default", openings=seen)) == ["mail"] * 2
        limit("mail", None)
        limit("news", None)
        Queue.objects.filter(name="news").pause()
        assert names(claim(worker, ALL, 9, "default", openings=look(worker))) == ["mail"] * 4
        assert claim(worker, ALL, 9, "default", openings=seen) == []

    def test_lowered_below_what_runs(self, worker: Worker) -> None:
        limit("mail", 4)
        JobFactory.create_batch(8, queue_name="mail")
        running = take(worker)
        limit("mail", 2)
        end(running[:2])
        assert take(worker) == []
        end(running[2:3])
        assert len(take(worker)) == 1
        limit("mail", 3)
        assert len(take(worker)) == 1
        limit("mail", None)
        assert len(take(worker)) == 8 - 4 - 2

    def test_none_of_them_is_claimed_ahead(self, worker: Worker) -> None:
        limit("mail", 9)
        JobFactory.create_batch(5, queue_name="mail")
        JobFactory.create_batch(5, queue_name="news")
        JobFactory(queue_name="news", max_attempts=1)
        assert names(take(worker, slots=2, ahead=9)) == ["mail"] * 2 + ["news"] * 5
        assert take(worker, slots=0, ahead=9) == []

    def test_of_others_a_few_are_claimed_ahead(self, worker: Worker) -> None:
        limit("mail", 1)
        JobFactory(queue_name="mail", priority=1)
        for name in ("news", "other"):
            JobFactory.create_batch(40, queue_name=name)
        counts = Counter(names(take(worker, slots=2, ahead=50)))
        assert counts == {"mail": 1, "news": 1 + AHEAD_OF_EACH}

    def test_in_the_order_of_all(self, worker: Worker) -> None:
        limit("mail", 2)
        for priority in (5, 4, 1):
            JobFactory(queue_name="mail", priority=priority)
        for priority in (6, 3, 2, 0):
            JobFactory(queue_name="news", priority=priority)
        claims = take(worker, slots=5)
        assert [each.job.priority for each in claims] == [6, 5, 4, 3, 2]
        end(claims)
        assert [each.job.priority for each in take(worker)] == [1, 0]

    def test_others_do_not_wait_behind_one_that_is_full(self, worker: Worker) -> None:
        limit("mail", 1)
        limit("bulk", 2)
        JobFactory.create_batch(30, queue_name="mail", priority=9)
        JobFactory.create_batch(5, queue_name="news")
        JobFactory.create_batch(5, queue_name="bulk")
        assert Counter(names(take(worker, slots=4))) == {"mail": 1, "news": 3}
        assert Counter(names(take(worker, slots=9))) == {"news": 2, "bulk": 2}
        assert take(worker) == []

    @pytest.mark.parametrize("others", [True, False], ids=["named", "too many to name"])
    def test_among(self, worker: Worker, others: bool) -> None:
        limit("mail", 2)
        mail = JobFactory.create_batch(4, queue_name="mail")
        news = JobFactory.create_batch(2, queue_name="news")
        seen = Openings({"mail": 2}, ("news",) if others else None)
        among = [job.pk for job in (*mail[1:], news[1])]
        claims = claim(worker, ALL, 9, "default", among=among, openings=seen)
        assert [each.job.pk for each in claims] == [mail[1].pk, mail[2].pk, news[1].pk]

    def test_of_its_own_queues_only(self, worker: Worker) -> None:
        limit("mail", 2)
        limit("mail.bulk", 2)
        for name in ("mail", "mail.bulk", "news"):
            JobFactory.create_batch(3, queue_name=name)
        mine = QueueFilter(("mail*",), ("mail",))
        assert names(take(worker, queues=mine)) == ["mail.bulk"] * 2
        assert take(worker, queues=mine) == []
        assert not glance(worker, mine, "default").ready

    def test_of_more_queues_than_are_named(
        self, worker: Worker, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openings_module, "MOST", 2)
        limit("mail", 2)
        limit("idle", 2)
        for name in ("mail", "news", "other"):
            JobFactory.create_batch(3, queue_name=name)
        seen = look(worker)
        assert seen == Openings({"mail": 2, "idle": 2}, None)
        assert len(peek(worker, ALL, 99, "default", seen)) == 9
        assert Counter(names(take(worker))) == {"mail": 2, "news": 3, "other": 3}
        assert take(worker) == []
        assert not glance(worker, ALL, "default").ready

    def test_run_pending_obeys_and_runs_them(self) -> None:
        limit("default", 1)
        JobFactory.create_batch(2)
        assert [job.status for job in run_pending()] == ["SUCCESSFUL"] * 2
        JobFactory.create_batch(2)
        JobFactory(running=True)
        assert run_pending() == []


class TestLook:
    def test_none_is_ready_where_it_is_full(self, worker: Worker) -> None:
        limit("mail", 2)
        JobFactory(queue_name="mail")
        assert look(worker) == Openings({"mail": 2}, ())
        JobFactory.create_batch(2, queue_name="mail", running=True)
        seen = glance(worker, ALL, "default")
        assert not seen.ready
        assert seen.openings == Openings({}, ())
        JobFactory(queue_name="news")
        seen = glance(worker, ALL, "default")
        assert seen.ready
        assert seen.openings == Openings({}, ("news",))

    def test_nothing_to_mind_where_no_job_waits_in_one(self, worker: Worker) -> None:
        limit("mail", 2)
        assert glance(worker, ALL, "default") == glance(worker, ALL, "default")
        assert not glance(worker, ALL, "default").ready
        JobFactory(queue_name="news")
        JobFactory(queue_name="mail", running=True)
        seen = glance(worker, ALL, "default")
        assert (seen.ready, seen.openings) == (True, None)

    def test_paused_ones_are_not_open(self, worker: Worker) -> None:
        limit("mail", 2)
        limit("bulk", 2)
        for name in ("mail", "news", "bulk"):
            JobFactory(queue_name=name)
        Queue.objects.filter(name="mail").pause()
        assert look(worker) == Openings({"bulk": 2}, ("news",))
        QueueFactory(name="news", paused=True)
        assert look(worker) == Openings({"bulk": 2}, ())
        Queue.objects.filter(name="bulk").pause()
        assert not glance(worker, ALL, "default").ready

    def test_jobs_of_another_backend_are_not_ready(self, worker: Worker) -> None:
        limit("mail", 1)
        JobFactory(queue_name="mail")
        JobFactory(queue_name="news", backend_name="other")
        other = WorkerFactory(backend_name="other")
        assert look(worker) == Openings({"mail": 1}, ())
        assert look(other) == Openings({}, ("news",))
        # A limit is the queue's, whoever runs its jobs.
        JobFactory(queue_name="mail", backend_name="other", running=True)
        assert not glance(worker, ALL, "default").ready

    def test_a_peek_sees_what_may_be_claimed(self, worker: Worker) -> None:
        limit("mail", 2)
        JobFactory.create_batch(5, queue_name="mail", priority=1)
        news = JobFactory.create_batch(5, queue_name="news")
        seen = peek(worker, ALL, 4, "default", look(worker))
        assert [job.queue_name for job in seen] == ["mail", "mail", "news", "news"]
        assert [job.pk for job in seen[2:]] == [job.pk for job in news[:2]]
        assert {(job.task_path, job.attempts, job.max_attempts) for job in seen} == {
            ("tests.sample.tasks.add", 0, 5)
        }


class TestStatements:
    """BEGIN and COMMIT are among them, where the connection shows them."""

    @pytest.fixture(autouse=True)
    def committed(self, transactional_db: None) -> None:
        """So that a claim's transaction is one of its own."""

    def test_a_limit_of_an_idle_queue_costs_no_claim_anything(self, worker: Worker) -> None:
        JobFactory.create_batch(8, queue_name="news")
        before = queries(lambda: claim(worker, ALL, 2, "default"))
        limit("mail", 2)
        assert len(queries(lambda: claim(worker, ALL, 2, "default"))) == len(before)
        assert len(queries(lambda: glance(worker, ALL, "default"))) == 1 + 3

    @pytest.mark.parametrize("count", [1, 100])
    def test_a_claim_takes_two_more_whatever_its_size(self, worker: Worker, count: int) -> None:
        limit("mail", count)
        for name in ("mail", "news"):
            JobFactory.create_batch(count, queue_name=name)
        seen = look(worker)
        made = queries(lambda: claim(worker, ALL, 2 * count, "default", openings=seen))
        # The lock, how many run, which, the UPDATE.
        assert len(made) == 4 + 2, made
        assert Job.objects.filter(status=Status.RUNNING).count() == 2 * count

    def test_a_look_takes_one_for_each_queue_that_waits_and_five(self, worker: Worker) -> None:
        limit("mail", 2)
        assert len(queries(lambda: glance(worker, ALL, "default"))) == 1
        for count, name in enumerate(("mail", "news", "other"), start=1):
            JobFactory.create_batch(3, queue_name=name)
            # Beside the look: limits and pauses, the names and that there are no more, how many
            # run, which have a job.
            assert len(queries(lambda: glance(worker, ALL, "default"))) == count + 5


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_of_many_for_the_last_place_one_gets_it(self) -> None:
        limit("mail", 3)
        JobFactory.create_batch(2, queue_name="mail", running=True)
        JobFactory.create_batch(9, queue_name="mail")
        workers = [WorkerFactory() for _ in range(6)]
        found = race([partial(take, worker) for worker in workers])
        assert [each for each in found if isinstance(each, Exception)] == []
        assert sorted(len(claims) for claims in found if isinstance(claims, list)) == [0] * 5 + [1]
        assert Job.objects.filter(status=Status.RUNNING).count() == 3

    def test_who_comes_while_another_one_claims_takes_no_place(self, worker: Worker) -> None:
        limit("mail", 1)
        JobFactory.create_batch(3, queue_name="mail")
        JobFactory.create_batch(3, queue_name="news")
        seen = look(worker)
        with other_session() as other:
            with write_transaction("default"):
                assert locked_rooms(["mail"], "default") == {"mail": 1}
                late = other.start(claim, worker, ALL, 9, "default", openings=seen)
                if connection.vendor != "sqlite":  # there it waits for the whole transaction
                    assert names(late.result(30)) == ["news"] * 3, "it waits for nobody"
                first = Job.objects.filter(queue_name="mail").earliest("pk")
                Job.objects.filter(pk=first.pk).update(status=Status.RUNNING)
            assert names(late.result(30)) == ["news"] * 3
        assert take(worker) == []

    def test_many_workers_drain_it_and_never_run_more(self) -> None:
        limit("mail", 3)
        JobFactory.create_batch(40, queue_name="mail")
        JobFactory.create_batch(40, queue_name="news")
        most: list[int] = []

        def drain(worker: Worker) -> int:
            done = 0
            while Job.objects.filter(status=Status.READY).exists():
                claims = take(worker, slots=2, ahead=3)
                running = Job.objects.filter(status=Status.RUNNING, queue_name="mail").count()
                most.append(running)
                end(claims)
                done += len(claims)
            return done

        done = race([partial(drain, WorkerFactory()) for _ in range(4)])
        assert [each for each in done if isinstance(each, Exception)] == []
        assert sum(each for each in done if isinstance(each, int)) == 80
        assert max(most) <= 3
        assert set(Job.objects.values_list("status", "claim_no")) == {(Status.SUCCESSFUL, 1)}
