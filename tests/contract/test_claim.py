"""What a claim takes where it is told more than how many."""

import pytest

from django_jobs.claim import claim
from django_jobs.look import glance
from django_jobs.models import Status
from django_jobs.queues import QueueFilter
from tests.contract.support import claim_all, row
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db


def test_of_those_it_names_it_takes_what_is_still_ready():
    taken, first, second, other = (JobFactory(priority=n) for n in (9, 5, 7, 8))
    claim_all(limit=1)
    named = [taken.pk, first.pk, second.pk]
    claims = claim(WorkerFactory(), QueueFilter(), 5, "default", among=named)
    assert [each.job.pk for each in claims] == [second.pk, first.pk], "in the order of any claim"
    assert row(other.pk).status == Status.READY
    assert row(taken.pk).claim_no == 1


def test_it_names_more_than_it_may_take():
    jobs = [JobFactory(priority=-n) for n in range(3)]
    claims = claim(WorkerFactory(), QueueFilter(), 2, "default", among=[job.pk for job in jobs])
    assert [each.job.pk for each in claims] == [job.pk for job in jobs[:2]]


def test_a_worker_whose_row_is_gone_looks_at_once():
    """It can't be told what waits; its next heartbeat brings the row back."""
    seen = glance(WorkerFactory.build(), QueueFilter(), "default")
    assert (seen.ready, seen.due) == (True, True)
