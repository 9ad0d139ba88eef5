"""What nobody would type but anybody can send to the admin, alike on every database."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.models import FailureGroup, Job, Queue, Status
from tests.factories import JobFactory, QueueFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db

JOBS = reverse("admin:django_jobs_job_changelist")
GROUPS = reverse("admin:django_jobs_failuregroup_changelist")
QUEUES = reverse("admin:django_jobs_queue_changelist")
WORKERS = reverse("admin:django_jobs_worker_changelist")
LISTS = (JOBS, GROUPS, QUEUES, WORKERS)
PLAIN = tasks.plain.module_path
# Each would make a statement that SQLite refuses, or that takes long.
LONG = {
    "words": " ".join(f"w{n}" for n in range(1_500)),
    "terms": " ".join(f"a{n}={n}" for n in range(100)),
    "letters": "x" * 70_000,
    "quoted": 'error:"' + "x " * 35_000 + '"',
}


def make_group() -> None:
    now = timezone.now()
    FailureGroup.objects.create(
        fingerprint="a" * 16,
        task_path="a.b",
        outcome="FAILED",
        job_id=JobFactory.build().pk,
        first_seen=now,
        last_seen=now,
        seen=1,
    )


def listed(response: Any) -> list[Any]:
    assert response.status_code == 200
    return list(response.context_data["cl"].result_list)


@pytest.mark.parametrize("name", ["status", "queue", "task", "group"])
def test_a_filter_by_what_no_database_stores(admin_client: Client, name: str) -> None:
    job = JobFactory(dead=True, task_path=PLAIN)
    for value in ("%00", "DEAD%00", f"{PLAIN}%00"):
        url = f"{JOBS}?{name}={value}"
        assert listed(admin_client.get(url)) == []
        data = {"action": "discard", "_selected_action": str(job.pk), "select_across": "1"}
        for more in ({}, {"confirmed": "1"}):
            assert admin_client.post(url, data | more).status_code == 302
        assert Job.objects.get().status == Status.DEAD


@pytest.mark.parametrize("url", LISTS)
def test_other_parameters(admin_client: Client, url: str) -> None:
    for name in ("since", "p", "o", "jobs", "state", "x"):
        # 400 where nothing is filtered by that.
        assert admin_client.get(f"{url}?{name}=%00").status_code in (200, 302, 400), name


@pytest.mark.parametrize("url", LISTS)
def test_a_page_of_what_no_database_stores(admin_client: Client, url: str) -> None:
    QueueFactory(name="mail")
    for pk in ("%00", "mail%00", "_00"):
        for page in ("change", "history"):
            response: Any = admin_client.get(f"{url}{pk}/{page}/", follow=True)
            assert response.status_code == 200
            assert "doesn’t exist" in response.content.decode()
        for ask in (admin_client.get, admin_client.post):
            assert ask(f"{url}{pk}/delete/").status_code == 403, "as with any row"


@pytest.mark.parametrize("action", ["pause", "resume", "limit"])
def test_a_queue_of_a_name_that_no_database_stores(admin_client: Client, action: str) -> None:
    QueueFactory(name="mail", paused=True)
    ticked = {"action": action, "_selected_action": ["mail", "mail\0"]}
    for more in ({}, {"confirmed": "1", "limit": "3"}):
        data: dict[str, Any] = ticked | more
        assert admin_client.post(QUEUES, data).status_code == 400
    assert Queue.objects.paused().get().limit is None


@pytest.mark.parametrize("text", [r"\u0000", r"a\u0000b", r"\ud800", r"\udc00\ud800"])
def test_a_search_for_an_argument_that_no_database_stores(admin_client: Client, text: str) -> None:
    JobFactory(task_path=PLAIN, kwargs={"order_id": "a"})
    assert listed(admin_client.get(JOBS, {"q": f'order_id="{text}"'})) == []
    [job] = listed(admin_client.get(JOBS, {"q": r'order_id="\u0061"'}))
    assert job.pk == Job.objects.get().pk


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
@pytest.mark.parametrize("url", [JOBS, GROUPS])
def test_a_search_that_is_too_long_is_refused(admin_client: Client, url: str, text: str) -> None:
    job = JobFactory(dead=True, task_path=PLAIN, kwargs={"a1": 1})
    make_group()
    response: Any = admin_client.get(url, {"q": text})
    assert listed(response) == []
    page = response.content.decode()
    assert "A search has at most" in page
    assert "matches" in page
    # Nor is anything done to all that there is.
    data = {"action": "discard", "_selected_action": str(job.pk), "select_across": "1"}
    if url == JOBS:
        admin_client.post(f"{url}?q={text}", data | {"confirmed": "1"})
        assert Job.objects.get().status == Status.DEAD
    assert listed(admin_client.get(url))


@pytest.mark.parametrize("url", [JOBS, GROUPS])
def test_a_search_for_a_nul_finds_nothing(admin_client: Client, url: str) -> None:
    JobFactory()
    make_group()
    response: Any = admin_client.get(f"{url}?q=%00")
    assert listed(response) == []
    assert "Null characters are not allowed." in response.content.decode()


@pytest.mark.parametrize("url", [JOBS, GROUPS])
def test_as_long_as_a_search_may_be(admin_client: Client, url: str) -> None:
    for text in (
        " ".join(f"w{n}" for n in range(50)),
        " ".join(f"worker:{n}" for n in range(50)),
        " ".join(f"tag:{n}" for n in range(50)),
        " ".join(f"a{n}={n}" for n in range(50)),
        "x" * 1_000,
    ):
        response: Any = admin_client.get(url, {"q": text})
        assert listed(response) == []
        assert "A search has at most" not in response.content.decode()
