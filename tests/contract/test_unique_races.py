"""Many callers enqueue one unique job at a time, each in a transaction of its own."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import transaction

from django_jobs.models import Job, Worker
from tests.factories import WorkerFactory
from tests.sample import unique
from tests.support.sessions import race

pytestmark = pytest.mark.django_db(transaction=True)

CALLERS = 50
# As many sessions as a server takes beside those of other tests.
UNDECIDED = 18


class Undo(Exception):
    """Rolls a caller's transaction back."""


def call(number: int, *, undo: bool = False) -> str:
    """
    What a caller does: a write of its own, and the enqueue; the id that it was told. The write is
    to a table without unique columns, whose own locks are not what this is about.
    """
    with transaction.atomic():
        WorkerFactory(pid=number)
        job_id = unique.by_all.enqueue("a").id
        # A poisoned transaction would not take this.
        WorkerFactory(pid=number)
        if undo:
            raise Undo
    return str(job_id)


def test_fifty_callers_share_one_row_and_each_commits_its_own_write() -> None:
    ids = race([partial(call, n) for n in range(CALLERS)])
    assert {*map(str, ids)} == {*map(str, Job.objects.values_list("pk", flat=True))}
    assert Job.objects.count() == 1
    assert Worker.objects.count() == 2 * CALLERS


def call_alone(number: int) -> str:
    """The same for a caller without a transaction."""
    WorkerFactory(pid=number)
    job_id = unique.by_all.enqueue("a").id
    WorkerFactory(pid=number)
    return str(job_id)


@pytest.mark.parametrize("alone", [False, True], ids=["in transactions", "without"])
def test_who_rolls_back_leaves_the_key_to_one_that_waits(alone: bool) -> None:
    undone = [n for n in range(UNDECIDED) if n % 3]
    others = call_alone if alone else call
    told = race(
        [
            partial(call, n, undo=True) if n in undone else partial(others, n)
            for n in range(UNDECIDED)
        ]
    )
    errors = {n: each for n, each in enumerate(told) if not isinstance(each, str)}
    assert [n for n, error in errors.items() if isinstance(error, Undo)] == undone, errors
    assert len(errors) == len(undone), errors
    ids = {each for each in told if isinstance(each, str)}
    assert ids == {str(Job.objects.get().pk)}
    assert Worker.objects.count() == 2 * (UNDECIDED - len(undone))
