"""The life of a row: claimed in order, promoted when due, tried again, dead."""

from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from django_jobs import enqueue_many
from django_jobs.claim import claim
from django_jobs.db.clock import DbNow
from django_jobs.look import glance
from django_jobs.models import Job, JobAttempt, Queue, Status
from django_jobs.promote import promote
from django_jobs.queues import QueueFilter
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row, seconds_until_due
from tests.factories import JobFactory, QueueFactory, WorkerFactory
from tests.sample import odd, tasks

pytestmark = pytest.mark.django_db


@pytest.fixture
def time_zone_of_tokyo(db):
    """
    A session in another zone than UTC where Django leaves that to the server. On the others
    it sets UTC, or there is no such thing.
    """
    if connection.vendor == "mysql":
        connection.cursor().execute("SET time_zone = '+09:00'")
    yield
    if connection.vendor == "mysql":
        connection.cursor().execute("SET time_zone = DEFAULT")


def ids(claims):
    return [str(each.job.pk) for each in claims]


class TestClaim:
    def test_higher_priority_comes_first_then_the_earlier_due_then_the_older(self):
        def enqueue(priority=0, seconds_ago=0):
            job = JobFactory(priority=priority, run_after=DbNow() - timedelta(seconds=seconds_ago))
            return str(job.pk)

        low = enqueue(priority=-5, seconds_ago=900)
        late = enqueue(seconds_ago=10)
        early = enqueue(seconds_ago=500)
        high = enqueue(priority=5)
        assert ids(claim_all()) == [high, early, late, low]

    def test_of_equals_the_oldest_comes_first_in_bulk_too(self):
        moment = JobFactory(scheduled=True)
        moment.refresh_from_db()
        made = enqueue_many(tasks.add, [[n, n] for n in range(20)])
        made += [tasks.add.enqueue(n, n).id for n in range(5)]
        made += enqueue_many(tasks.add, [[n, n] for n in range(20)])
        Job.objects.filter(status=Status.READY).update(run_after=moment.run_after)
        assert ids(claim_all(7)) + ids(claim_all()) == made

    def test_a_claim_is_written_and_returned_alike(self):
        result = tasks.add.enqueue(1, 2)
        worker = WorkerFactory()
        (claim,) = claim_all(worker=worker)
        job = row(result)
        for each in (job, claim.job):
            assert each.status == Status.RUNNING
            assert (each.attempts, each.claim_no, each.worker_id) == (1, 1, worker.pk)
            assert each.started_at == each.last_attempted_at == claim.job.last_attempted_at
        assert (claim.worker_id, claim.worker_name) == (worker.pk, worker.name)

    def test_a_job_is_claimed_once(self):
        tasks.add.enqueue(1, 2)
        assert len(claim_all()) == 1
        assert claim_all() == []

    def test_no_more_than_the_limit_are_claimed(self):
        enqueue_many(tasks.add, [[1, 2]] * 5)
        assert [len(claim_all(2)) for _ in range(4)] == [2, 2, 1, 0]

    def test_a_job_in_its_last_attempt_is_not_claimed_ahead(self):
        first = JobFactory(max_attempts=1)
        last = JobFactory(max_attempts=3, attempts=2)
        other = JobFactory(max_attempts=3, attempts=1)
        claims = claim(WorkerFactory(), QueueFilter(), 1, "default", ahead=5)
        assert ids(claims) == [str(first.pk), str(other.pk)]
        assert row(last).status == Status.READY

    def test_only_ready_jobs_are_claimed(self):
        for status in Status:
            JobFactory(status=status)
        assert [each.job.attempts for each in claim_all()] == [1]

    def test_the_second_attempt_keeps_the_first_start(self):
        job = JobFactory(attempts=1, claim_no=3, started_at="2020-01-01T00:00Z")
        (claim,) = claim_all()
        job.refresh_from_db()
        assert (job.attempts, job.claim_no, claim.job.claim_no) == (2, 4, 4)
        assert job.started_at.year == 2020
        assert job.last_attempted_at.year > 2020

    @pytest.mark.parametrize(
        ("include", "exclude", "expected"),
        [
            ("", "", ["a", "mail", "mail.bulk", "mailing"]),
            ("mail", "", ["mail"]),
            ("mail*", "", ["mail", "mail.bulk", "mailing"]),
            ("mail.*,a", "", ["a", "mail.bulk"]),
            ("", "mail", ["a", "mail.bulk", "mailing"]),
            ("", "mail*", ["a"]),
            ("mail*", "mail.*,mailing", ["mail"]),
            ("*", "a", ["mail", "mail.bulk", "mailing"]),
            ("none", "", []),
        ],
    )
    def test_only_jobs_of_the_workers_queues_are_claimed(self, include, exclude, expected):
        for name in ("a", "mail", "mail.bulk", "mailing"):
            JobFactory(queue_name=name)
        claims = claim_all(queues=QueueFilter.parse(include, exclude))
        assert sorted(each.job.queue_name for each in claims) == expected

    def test_a_paused_queue_waits_until_it_is_resumed(self):
        QueueFactory(name="mail")
        JobFactory(queue_name="mail")
        JobFactory(queue_name="other")
        assert Queue.objects.filter(name="mail").pause() == 1
        assert [each.job.queue_name for each in claim_all()] == ["other"]
        assert claim_all(queues=QueueFilter(("mail",))) == []
        assert Queue.objects.filter(name="mail").pause() == 0
        assert Queue.objects.filter(name="mail").resume() == 1
        assert [each.job.queue_name for each in claim_all()] == ["mail"]

    def test_jobs_of_another_backend_are_left_alone(self):
        JobFactory(backend_name="other")
        assert claim_all() == []


class TestGlance:
    def test_it_sees_what_a_claim_would_find_and_when_the_next_is_due(self):
        worker = WorkerFactory()

        def look():
            return glance(worker, QueueFilter(("mail",)), "default")

        assert (look().ready, look().due_in) == (False, None)
        JobFactory(queue_name="other")
        assert look().ready is False
        JobFactory(queue_name="mail")
        assert look().ready is True
        JobFactory(scheduled=True, run_after=DbNow() + timedelta(seconds=60))
        assert look().due is False
        assert 55 < look().due_in <= 60
        JobFactory(scheduled=True, run_after=DbNow() - timedelta(seconds=60))
        assert look().due is True


class TestPromote:
    def test_what_is_due_by_the_clock_of_the_database_becomes_ready(self):
        due = JobFactory(scheduled=True, run_after=DbNow() - timedelta(milliseconds=1))
        not_yet = JobFactory(scheduled=True, run_after=DbNow() + timedelta(seconds=60))
        assert promote("default") == 1
        assert promote("default") == 0
        assert (row(due).status, row(not_yet).status) == (Status.READY, Status.SCHEDULED)

    def test_the_time_zone_of_the_session_makes_no_difference(self, time_zone_of_tokyo):
        due = JobFactory(scheduled=True, run_after=DbNow() - timedelta(seconds=1))
        not_yet = JobFactory(scheduled=True, run_after=DbNow() + timedelta(minutes=10))
        result = tasks.add.using(run_after=timedelta(minutes=10)).enqueue(1, 2)
        assert promote("default") == 1
        assert row(due).status == Status.READY
        for each in (not_yet, result):
            assert 540 < seconds_until_due(each) <= 600
            assert abs(row(each).run_after - timezone.now()) < timedelta(minutes=11)

    def test_in_steps(self):
        for _ in range(5):
            JobFactory(scheduled=True, run_after=DbNow() - timedelta(seconds=1))
        assert [promote("default", limit=2) for _ in range(4)] == [2, 2, 1, 0]

    def test_only_scheduled_jobs_are_promoted(self):
        for status in set(Status) - {Status.SCHEDULED}:
            JobFactory(status=status)
        assert promote("default") == 0


class TestRetry:
    def test_a_failed_attempt_waits_for_its_delay_by_the_clock_of_the_database(self):
        result = tasks.fail.enqueue("no luck")
        for attempt, delay in ((1, 10), (2, 20)):
            run_pending()
            job = row(result)
            assert (job.status, job.attempts) == (Status.SCHEDULED, attempt)
            assert (job.worker_id, job.finished_at) == (None, None)
            assert job.last_error == "ValueError: no luck"
            assert delay * 0.8 - 30 < seconds_until_due(result) <= delay * 1.2
            last = history(result)[-1]
            assert delay * 0.8 <= last.delay <= delay * 1.2
            Job.objects.update(run_after=DbNow())

    def test_those_that_fail_together_do_not_come_back_together(self):
        enqueue_many(tasks.fail, [[]] * 100)
        run_pending()
        # On a machine that is slow enough, some have come back already.
        firsts = JobAttempt.objects.filter(number=1).values_list("finished_at", "delay")
        delays = [delay for _, delay in firsts]
        assert len(delays) == 100
        assert 8 <= min(delays) < 9
        assert 11 < max(delays) <= 12
        due = Counter(int(ended.timestamp() + delay) for ended, delay in firsts)
        assert max(due.values()) < 70, "in a second of its own, less than most of them"

    def test_it_dies_after_its_last_attempt(self):
        result = tasks.fail.enqueue("no luck")
        for _ in range(3):
            Job.objects.update(run_after=DbNow())
            run_pending()
        job = row(result)
        assert (job.status, job.attempts, job.claim_no) == (Status.DEAD, 3, 3)
        assert job.finished_at is not None
        Job.objects.update(run_after=DbNow())
        assert run_pending() == []

    def test_each_attempt_that_failed_is_in_its_history(self):
        result = tasks.fail.enqueue("grüße")
        run_pending()
        Job.objects.update(run_after=DbNow())
        run_pending()
        rows = history(result)
        assert [attempt.number for attempt in rows] == [1, 2]
        for attempt in rows:
            assert attempt.outcome == JobAttempt.Outcome.FAILED
            assert attempt.exception_class == "builtins.ValueError"
            assert attempt.message == "grüße"
            assert attempt.traceback.endswith("ValueError: grüße\n")
            assert attempt.worker_name == "test:0"
            assert attempt.started_at <= attempt.finished_at

    def test_a_success_leaves_no_history(self):
        result = tasks.add.enqueue(1, 2)
        run_pending()
        assert history(result) == []
        assert row(result).last_error == ""

    def test_a_success_clears_the_last_error(self):
        job = JobFactory(attempts=1, last_error="ValueError: before")
        run_pending()
        assert row(job).last_error == ""

    def test_the_number_of_attempts_is_the_one_it_was_enqueued_with(self):
        job = JobFactory(task_path=tasks.fail.module_path, args=[], max_attempts=1)
        run_pending()
        assert row(job).status == Status.DEAD

    def test_exceptions_that_are_not_worth_it(self):
        given_up = tasks.unwanted.enqueue()
        other = odd.fail_with.enqueue("ValueError")
        again = odd.fail_with.enqueue("OSError")
        run_pending()
        assert row(given_up).status == row(other).status == Status.DEAD
        assert row(again).status == Status.SCHEDULED

    def test_a_backoff_that_is_a_function(self):
        result = odd.back_off_by_function.enqueue()
        never = odd.back_off_never.enqueue()
        run_pending()
        assert history(result)[0].delay == 10
        assert row(never).status == Status.DEAD

    def test_a_backoff_that_fails_costs_no_attempt(self):
        result = odd.back_off_brokenly.enqueue()
        run_pending()
        assert (row(result).status, row(result).attempts) == (Status.SCHEDULED, 1)

    def test_jobs_that_jobs_enqueue_run_too(self):
        tasks.enqueue_other.enqueue(depth=3)
        assert len(run_pending()) == 4
        assert run_pending(limit=1) == []
