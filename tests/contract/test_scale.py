"""The tables that `make scale` fills, and that it comes to every page."""

from collections import Counter

import pytest

from django_jobs.models import FailureGroup, Job, JobAttempt, Status
from tests.scale.__main__ import MOST_STATEMENTS, visits
from tests.scale.seed import GROUPS, RUNNING, WAITING, seed

ROWS = 10_000
OLD = ROWS - WAITING - RUNNING

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_small_one() -> None:
    seed(ROWS)
    found = Counter(Job.objects.values_list("status", flat=True))
    assert found.total() == ROWS
    assert (found[Status.READY], found[Status.RUNNING]) == (WAITING, RUNNING)
    assert found[Status.SUCCESSFUL] > OLD * 0.95
    failed = found[Status.DEAD] + found[Status.SCHEDULED]
    assert JobAttempt.objects.count() == failed == 60
    groups = set(Job.objects.exclude(failure_group=None).values_list("failure_group", flat=True))
    assert groups == set(FailureGroup.objects.values_list("pk", flat=True))
    assert 1 < len(groups) <= GROUPS
    newest = Job.objects.order_by("-pk")[0]
    assert newest.enqueued_at == Job.objects.latest("enqueued_at").enqueued_at
    assert newest.pk.version == 7
    counts = {name: count for name, count, _seconds, _scans in visits(times=1)}
    assert max(counts.values()) <= MOST_STATEMENTS, counts
