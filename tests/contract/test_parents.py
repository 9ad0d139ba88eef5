"""A job that is enqueued in another one knows it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.db import connection

from django_jobs.models import Job, Status
from django_jobs.testing import run_pending
from tests.contract.support import queries, row
from tests.factories import JobFactory
from tests.sample import talking, tasks
from tests.support.rows import analyze, fill, uses

pytestmark = pytest.mark.django_db(transaction=True)


def parents() -> dict[Any, int]:
    """How many jobs have which parent."""
    found: dict[Any, int] = {}
    for parent in Job.objects.values_list("parent_id", flat=True):
        found[parent] = found.get(parent, 0) + 1
    return found


def test_outside_of_a_job_there_is_none() -> None:
    tasks.add.enqueue(1, 2)
    talking.beget.enqueue(0)
    assert parents() == {None: 2}


def test_one_two_and_many() -> None:
    result = talking.beget.enqueue(3)
    run_pending()
    # By enqueue(), by enqueue_many(), and by enqueue_on_commit().
    assert parents() == {None: 1, UUID(result.id): 1 + 3 + 1}


def test_a_coroutine_has_children_too() -> None:
    result = talking.beget_async.enqueue()
    run_pending()
    assert parents() == {None: 1, UUID(result.id): 1}


def test_children_have_children() -> None:
    result = tasks.enqueue_other.enqueue(depth=2)
    run_pending()
    chain = {job.pk: job.parent_id for job in Job.objects.all()}
    assert len(chain) == 3
    [youngest] = set(chain) - set(chain.values())
    assert chain[chain[youngest]] == UUID(result.id)


def test_in_the_transaction_of_an_atomic_job() -> None:
    result = talking.beget_atomically.enqueue()
    run_pending()
    assert parents() == {None: 1, UUID(result.id): 2}


def test_after_a_job_its_worker_has_no_children() -> None:
    talking.beget.enqueue(0)
    run_pending()
    before = parents()
    tasks.add.enqueue(1, 2)
    assert parents() == before | {None: before[None] + 1}


def test_a_parent_may_be_gone() -> None:
    result = talking.beget.enqueue(1)
    run_pending(limit=1)
    Job.objects.filter(pk=result.id).delete()
    assert parents() == {UUID(result.id): 3}
    assert {job.status for job in run_pending()} == {Status.SUCCESSFUL}


def test_it_is_still_one_statement() -> None:
    talking.beget.enqueue(1)
    made = [sql for sql in queries(run_pending) if sql.startswith("INSERT") and "kwargs" in sql]
    assert len(made) == 3


@pytest.mark.usefixtures("renewed")
@pytest.mark.parametrize("counted", [False, True])
def test_children_are_found_by_their_index(counted: bool) -> None:
    parent = JobFactory(successful=True)
    fill(5_000, Status.SUCCESSFUL)
    fill(500, Status.READY)
    children = JobFactory.create_batch(3, parent_id=parent.pk)
    if counted:
        analyze()
    found = Job.objects.filter(parent_id=parent.pk)
    assert list(found.order_by("pk")[:50]) == children
    for rows in (found.order_by("pk")[:51], found.order_by("-pk")[:100]):
        plan = rows.explain()
        assert uses("django_jobs_parent", plan), plan
        # A few rows may well be sorted; never more than this parent has.
        assert "Seq Scan" not in plan, plan
    plan = found.order_by()[:50_001].explain()
    assert uses("django_jobs_parent", plan), plan


def test_the_row_of_a_job_without_a_parent_is_in_no_index_for_it() -> None:
    if not connection.features.supports_partial_indexes:
        pytest.skip("no partial indexes")
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, Job._meta.db_table)
    assert "django_jobs_parent" in constraints
    assert row(tasks.add.enqueue(1, 2)).parent_id is None
