"""Pauses of queues: with an end, by the database's clock, and with a reason."""

from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from django_jobs.db.clock import DbNow
from django_jobs.look import glance
from django_jobs.models import Queue
from django_jobs.queues import QueueFilter
from tests.contract.support import claim_all
from tests.factories import JobFactory, QueueFactory, WorkerFactory
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db


def in_an_hour() -> datetime:
    return timezone.now() + timedelta(hours=1)


@pytest.fixture
def mail() -> Queue:
    JobFactory(queue_name="mail")
    queue: Queue = QueueFactory(name="mail")
    return queue


def test_a_pause_ends_by_itself_by_the_databases_clock(mail: Queue) -> None:
    worker = WorkerFactory()
    assert Queue.objects.pause(until=in_an_hour()) == 1
    assert list(Queue.objects.paused()) == [mail]
    assert not glance(worker, QueueFilter(), "default").ready
    assert claim_all(worker=worker) == []
    Queue.objects.update(paused_until=DbNow() - timedelta(seconds=1))
    assert not Queue.objects.paused().exists()
    assert glance(worker, QueueFilter(), "default").ready
    assert [claim.job.queue_name for claim in claim_all(worker=worker)] == ["mail"]


@pytest.mark.usefixtures("mail")
def test_a_worker_that_has_asked_before_sees_the_end_come() -> None:
    worker = WorkerFactory()
    Queue.objects.pause(until=timezone.now() + timedelta(seconds=0.7))
    assert claim_all(worker=worker) == []
    assert wait_until(lambda: claim_all(worker=worker), timeout=30)


def test_it_says_since_when_until_when_why_and_by_whom(mail: Queue) -> None:
    until = in_an_hour()
    Queue.objects.filter(name="mail").pause(until=until, reason="the provider is down", by="ann")
    mail.refresh_from_db()
    assert abs((mail.paused_at or until) - timezone.now()) < timedelta(seconds=30)
    assert abs((mail.paused_until or timezone.now()) - until) < timedelta(seconds=1)
    assert (mail.pause_reason, mail.paused_by) == ("the provider is down", "ann")
    assert Queue.objects.resume() == 1
    mail.refresh_from_db()
    assert (mail.paused_at, mail.paused_until) == (None, None)
    assert (mail.pause_reason, mail.paused_by) == ("", "")


def test_another_end_or_reason_changes_the_pause_that_is_there(mail: Queue) -> None:
    queues = Queue.objects.filter(name="mail")
    assert queues.pause(reason="a") == 1
    since = queues.get().paused_at
    assert queues.pause(reason="a") == 0
    assert queues.pause(reason="b") == 1
    until = in_an_hour()
    assert queues.pause(until=until, reason="b") == 1
    assert queues.pause(until=until, reason="b") == 0
    assert queues.pause(reason="b") == 1
    mail.refresh_from_db()
    assert (mail.paused_at, mail.paused_until, mail.pause_reason) == (since, None, "b")


def test_a_pause_after_one_that_has_ended_is_a_new_one(mail: Queue) -> None:
    long_ago = timezone.now() - timedelta(days=1)
    Queue.objects.update(paused_at=long_ago, paused_until=long_ago, pause_reason="a")
    assert Queue.objects.resume() == 0
    assert Queue.objects.pause(reason="a") == 1
    mail.refresh_from_db()
    assert mail.paused_at is not None
    assert mail.paused_at > long_ago + timedelta(hours=1)
    assert mail.paused_until is None


@pytest.mark.usefixtures("mail")
@pytest.mark.parametrize(
    "pause",
    [
        {"until": timezone.now() - timedelta(days=1)},
        {"until": datetime(2999, 1, 1)},  # noqa: DTZ001 (that is what is refused)
        {"until": timezone.now() + timedelta(days=36_501)},
        # In UTC it is in the year 10000, which a database takes and nothing reads again.
        {"until": datetime(9999, 12, 31, 23, 59, tzinfo=timezone.get_fixed_timezone(-300))},
        {"reason": "x" * 201},
        {"by": "x" * 151},
    ],
)
def test_what_makes_no_sense_is_refused(pause: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must be aware|a hundred years|is longer than"):
        Queue.objects.pause(**pause)
    assert not Queue.objects.paused().exists()
