"""A project's own ``JobAdmin`` that shows some jobs only: its buttons do nothing to the others."""

from typing import Any

import pytest
from django.contrib import admin as site
from django.http import HttpRequest
from django.test import Client

from django_jobs.admin import handover
from django_jobs.admin.job import JobAdmin
from django_jobs.models import Job, Status
from tests.admin.pages import LIST, VERBS, act, confirm, job_url
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def only_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    def get_queryset(self: JobAdmin, request: HttpRequest) -> Any:
        return super(JobAdmin, self).get_queryset(request).filter(queue_name="mail")

    narrow = type("NarrowAdmin", (JobAdmin,), {"get_queryset": get_queryset})
    monkeypatch.setattr(site.site.get_model_admin(Job), "__class__", narrow)


def statuses(*jobs: Job) -> list[str]:
    for job in jobs:
        job.refresh_from_db()
    return [job.status for job in jobs]


@pytest.mark.parametrize("verb", VERBS)
def test_the_page_of_another_does_nothing(admin: Client, verb: str) -> None:
    other = JobFactory(dead=verb != "cancel")
    before = statuses(other)
    response = admin.post(job_url(other, verb))
    assert response.status_code == 302, "to the index, as Django does for what is not there"
    assert statuses(other) == before
    assert Job.objects.count() == 1


def test_ticks_that_were_made_up_do_nothing(admin: Client) -> None:
    mine, other = JobFactory(dead=True, queue_name="mail"), JobFactory(dead=True)
    confirm(admin, act(admin, "retry", mine, other))
    assert statuses(mine, other) == [Status.READY, Status.DEAD]


def test_all_of_the_list_are_those_and_no_job_is_told(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "AT_ONCE", 2)
    mine = JobFactory.create_batch(4, dead=True, queue_name="mail")
    other = JobFactory(dead=True)
    confirm(admin, act(admin, "retry", mine[0], select_across="1"), LIST)
    assert statuses(*mine, other) == [Status.READY] * 4 + [Status.DEAD]
    assert Job.objects.count() == 5


def test_nobody_is_asked_for_the_stack_of_another(admin: Client) -> None:
    worker = WorkerFactory(phase="RUNNING", threads_busy=1, running=[])
    other = JobFactory(running=True, worker_id=worker.pk)
    admin.post(job_url(other, "stack"))
    worker.refresh_from_db()
    assert worker.stacks_asked_at is None
