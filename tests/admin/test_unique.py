"""Unique jobs in the admin: what their pages say, and what Retry and Run a copy do."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from django_jobs.models import Job, Status
from tests.admin.pages import Page, act, confirm, job_url, said
from tests.contract.support import row
from tests.factories import JobFactory
from tests.sample import unique

pytestmark = pytest.mark.django_db

HELD = "skipped because a job with the same unique key has not ended"


def enqueue(*args: Any) -> Job:
    return row(unique.by_some.enqueue(*args))


def die(job: Job) -> Job:
    Job.objects.filter(pk=job.pk).update(
        status=Status.DEAD, unique_hash=None, finished_at=job.enqueued_at
    )
    return row(job)


def facts(client: Client, job: Job) -> Any:
    context = client.get(job_url(job)).context_data  # type: ignore[attr-defined]
    return {fact["label"]: (fact["value"], fact["url"]) for fact in context["facts"]}


class TestPage:
    def test_of_one_that_has_not_ended(self, admin: Client) -> None:
        says = "No second job with the same order_id, part until it ends"
        assert facts(admin, enqueue(1))["Unique"] == (says, "")
        by_all = row(unique.by_all.enqueue("a"))
        says = "No second job with the same arguments until it ends"
        assert facts(admin, by_all)["Unique"] == (says, "")

    def test_of_one_whose_task_is_gone(self, admin: Client) -> None:
        job = JobFactory(task_path="gone.task", unique_hash="a", unique_key="a")
        says = "No second job with the same unique key until it ends"
        assert facts(admin, job)["Unique"] == (says, "")

    def test_of_one_that_has_ended(self, admin: Client) -> None:
        job = die(enqueue(1))
        says, url = facts(admin, job)["Unique"]
        assert (says, url) == (
            "It has ended: a job with the same order_id, part may be enqueued",
            "",
        )
        other = enqueue(1)
        says, url = facts(admin, job)["Unique"]
        assert says == "Another job with the same order_id, part has not ended"
        assert url == job_url(other)

    def test_of_any_other(self, admin: Client) -> None:
        assert "Unique" not in facts(admin, JobFactory())

    def test_retry_is_on_offer_while_the_key_is_free(self, admin: Client) -> None:
        job = die(enqueue(1))
        [retry] = retries(admin, job)
        assert "disabled" not in retry
        enqueue(1)
        [retry] = retries(admin, job)
        assert "disabled" in retry
        page = admin.get(job_url(job)).content.decode()
        assert "It can’t be retried now: another job with the same order_id, part" in page


def retries(client: Client, job: Job) -> list[dict[str, str]]:
    buttons = Page(client.get(job_url(job))).all("button")
    return [button for button in buttons if button.get("formaction") == job_url(job, "retry")]


class TestRetry:
    def test_of_one_whose_key_is_held(self, admin: Client) -> None:
        job = die(enqueue(1))
        enqueue(1)
        response = admin.post(job_url(job, "retry"))
        assert said(response) == [f"0 jobs were retried, 1 was {HELD}."]
        assert row(job).status == Status.DEAD
        assert not LogEntry.objects.exists()

    def test_of_many(self, admin: Client) -> None:
        jobs = [die(enqueue(n)) for n in (1, 2, 3)]
        again = [die(enqueue(n)) for n in (1, 2)]
        successful = JobFactory(successful=True)
        enqueue(3)
        response = confirm(admin, act(admin, "retry", *jobs, *again, successful))
        assert said(response)[0].startswith(
            "2 jobs were retried, 3 were skipped because jobs with the same unique keys have not "
            "ended, 1 was skipped because it is not dead."
        )
        assert [row(job).status for job in jobs] == [Status.READY, Status.READY, Status.DEAD]
        logged = set(LogEntry.objects.exclude(object_id=None).values_list("object_id", flat=True))
        assert logged == {str(job.pk) for job in jobs[:2]}


class TestCopy:
    def test_of_one_that_has_ended(self, admin: Client) -> None:
        job = die(enqueue(1))
        response = admin.post(job_url(job, "copy"))
        copy = Job.objects.exclude(pk=job.pk).get()
        assert response["Location"] == job_url(copy)
        assert copy.unique_hash == job.unique_key

    def test_of_one_that_has_not_leads_to_it(self, admin: Client) -> None:
        job = enqueue(1)
        response = admin.post(job_url(job, "copy"))
        assert response["Location"] == job_url(job)
        assert said(response) == [
            f'0 copies were enqueued, 1 was {HELD}. <a href="{job_url(job)}">Show that job</a>'
        ]
        assert Job.objects.count() == 1
        assert not LogEntry.objects.exists()

    def test_of_several_with_one_key(self, admin: Client) -> None:
        jobs = [die(enqueue(1)) for _ in range(3)]
        response = confirm(admin, act(admin, "copy", *jobs))
        assert said(response)[0].startswith("1 copy was enqueued, 2 were skipped because jobs")
        assert Job.objects.count() == 4
