"""The search box: what it is bounded by, who may search arguments, and that filters stay."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from django_jobs.admin import changelist
from tests.admin.pages import LIST, Page, act, confirm, job_url
from tests.admin.test_pages import SCRIPT, listed
from tests.factories import JobFactory, WorkerFactory
from tests.sample import renamed, tasks

pytestmark = pytest.mark.django_db

PLAIN = tasks.plain.module_path
WORDS = tasks.plain_words.module_path
REFUSED = "Only people with the permission to view arguments"
OPERATOR = ("retry_job", "discard_job", "cancel_job", "copy_job")


def test_the_box_finds_what_the_terms_say(admin: Client) -> None:
    worker = WorkerFactory(hostname="blue", pid=17)
    job = JobFactory(
        dead=True,
        task_path=PLAIN,
        queue_name="mail",
        worker_id=worker.pk,
        last_error="OSError: timed out",
        kwargs={"order_id": 17},
    )
    JobFactory(task_path=PLAIN, kwargs={"order_id": "17"})
    for text in (
        *(str(job.pk), "queue:mail", "worker:blue:17", 'error:"timed out"', "order_id=17"),
        "plain queue:mail order_id=17",
    ):
        assert listed(admin, q=text) == {job.pk}, text


class TestTags:
    def test_finds_the_jobs_of_all_tasks_that_have_it(self, admin: Client) -> None:
        words, mail = JobFactory(task_path=WORDS), JobFactory(task_path=renamed.mail.module_path)
        former = JobFactory(task_path="tests.sample.old.mail", queue_name="old")
        JobFactory(task_path=PLAIN)
        assert listed(admin, q="tag:words") == {words.pk}
        assert listed(admin, q="tag:Mail") == {words.pk, mail.pk, former.pk}
        assert listed(admin, q="tag:mail queue:old") == {former.pk}
        assert listed(admin, q="tag:mail tag:words") == {words.pk}

    def test_one_that_no_task_has(self, admin: Client) -> None:
        JobFactory(task_path=WORDS)
        assert listed(admin, q="tag:wor") == set()
        page = Page(admin.get(LIST, {"q": "tag:wor tag:words"})).text
        assert "No task that this process knows has the tag <bdi>wor</bdi>." in page
        assert "No job matches." in page
        assert "has the tag" not in Page(admin.get(LIST, {"q": "tag:words"})).text
        assert SCRIPT not in Page(admin.get(LIST, {"q": f"tag:{SCRIPT}"})).text
        assert admin.get(LIST, {"q": "tag:"}).status_code == 200

    def test_a_jobs_page_links_to_them(self, admin: Client) -> None:
        job = JobFactory(task_path=WORDS)
        page = Page(admin.get(job_url(job)))
        links = [a["href"] for a in page.all("a") if "tag%3A" in a.get("href", "")]
        assert links == [f"{LIST}?q=tag%3Awords", f"{LIST}?q=tag%3Amail"]
        assert listed(admin, q=parse_qs(urlsplit(links[0]).query)["q"][0]) == {job.pk}
        for other in (PLAIN, "gone.task"):
            assert "tag%3A" not in Page(admin.get(job_url(JobFactory(task_path=other)))).text


class TestArguments:
    def test_only_for_those_who_may_view_them(self, browser: Callable[..., Client]) -> None:
        job = JobFactory(task_path=PLAIN, kwargs={"order_id": 17})
        assert listed(browser("view_job_arguments"), q="order_id=17") == {job.pk}
        for client in (browser(), browser(*OPERATOR)):
            response = client.get(LIST, {"q": "order_id=17"})
            assert REFUSED in response.content.decode()
            assert not response.context_data["cl"].result_list
            # Nothing tells a right guess from a wrong one.
            other = client.get(LIST, {"q": "order_id=18"})
            texts = [
                re.sub(r"order_id(=|%3D)1[78]", "", r.content.decode()) for r in (response, other)
            ]
            texts = [re.sub(r'value="\w{64}"', "", text) for text in texts]
            assert texts[0] == texts[1]

    def test_nor_by_an_action_on_all_that_match(self, browser: Callable[..., Client]) -> None:
        job = JobFactory(dead=True, task_path=PLAIN, kwargs={"order_id": 17})
        url = f"{LIST}?q=order_id%3D17"
        act(browser(*OPERATOR), "discard", job, url=url, select_across="1")
        job.refresh_from_db()
        assert job.status == "DEAD"
        client = browser("discard_job", "view_job_arguments")
        response = act(client, "discard", job, url=url, select_across="1")
        if response.status_code == 200:
            confirm(client, response, url)
        job.refresh_from_db()
        assert job.status == "DISCARDED"

    def test_says_where_it_looks(self, admin: Client) -> None:
        JobFactory(task_path=PLAIN, kwargs={"order_id": 17})
        text = Page(admin.get(LIST, {"q": "order_id=17"})).text
        assert "keyword arguments of tasks that this process knows, except for sensitive" in text
        assert "keyword arguments of tasks" not in Page(admin.get(LIST, {"q": "plain"})).text


TEXTS = ["plain", "queue:default", "error:x", "worker:a", "order_id=17", "tag:words"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_no_index_has_is_looked_for_among_the_newest(
    admin: Client, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 2)
    worker = WorkerFactory(hostname="a")
    traits = {"task_path": WORDS, "worker_id": worker.pk, "kwargs": {"order_id": 17}}
    traits["last_error"] = "x"
    # Those of a status among the newest of that, however many came later.
    dead = JobFactory.create_batch(3, dead=True, **traits)
    ready = JobFactory.create_batch(3, **traits)
    for status, found, said in [
        (None, ready[1:], "among the newest 2 jobs. With the status “Running”"),
        ("READY", ready[1:], "among the newest 2 jobs. With the status “Running”"),
        ("DEAD", dead[1:], "among the newest 2 jobs with this status."),
        ("RETRYING", [], "among the newest 2 jobs. With the status “Running”"),
    ]:
        query = {"q": f"{text} plain"} | ({} if status is None else {"status": status})
        assert listed(admin, **query) == {job.pk for job in found}, status
        assert said in admin.get(LIST, query).content.decode(), status
    for status in ("CANCELLED", "RUNNING"):
        assert "among the newest" not in Page(admin.get(LIST, {"q": text, "status": status})).text


def test_those_that_succeeded_are_looked_for_among_the_newest(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 3)
    _old, new = JobFactory(successful=True), JobFactory(successful=True)
    JobFactory.create_batch(2, dead=True)
    assert listed(admin, status="SUCCESSFUL") == {new.pk}
    text = admin.get(LIST, {"status": "SUCCESSFUL"}).content.decode()
    assert "Looked for among the newest 3 jobs. With a status other than “Successful”" in text
    assert "Looked for" not in admin.get(LIST, {"status": "DEAD"}).content.decode()


def test_what_an_index_has_is_found_however_old(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 2)
    parent = JobFactory()
    children = JobFactory.create_batch(3, parent_id=parent.pk)
    JobFactory.create_batch(3)
    assert listed(admin, q=f"parent:{parent.pk}") == {child.pk for child in children}
    assert listed(admin, q=f"parent:{parent.pk} add") == {child.pk for child in children}
    assert listed(admin, q=str(parent.pk)) == {parent.pk}
    assert listed(admin, q=str(parent.pk), queue="default") == {parent.pk}
    text = admin.get(LIST, {"q": f"parent:{parent.pk}"}).content.decode()
    assert "among the newest" not in text


def test_filters_keep_their_place_when_searching_and_the_other_way_round(admin: Client) -> None:
    JobFactory(dead=True, queue_name="mail")
    page = Page(admin.get(LIST, {"q": "add", "status": "DEAD", "queue": "mail", "since": "7d"}))
    hidden = page_inputs(page)
    assert hidden == {"status": "DEAD", "queue": "mail", "since": "7d"}
    queries = [
        parse_qs(urlsplit(a["href"]).query) for a in page.all("a") if "status=" in a.get("href", "")
    ]
    changed = [query for query in queries if query.get("status") == ["READY"]]
    assert changed
    assert all(query["q"] == ["add"] and query["queue"] == ["mail"] for query in changed)


def page_inputs(page: Page) -> dict[str, str]:
    """The hidden inputs of the search form."""
    names = ("status", "queue", "since", "task")
    return {
        attrs["name"]: attrs["value"]
        for attrs in page.all("input")
        if attrs.get("type") == "hidden" and attrs.get("name") in names
    }


@pytest.mark.parametrize(
    "text",
    [
        SCRIPT,
        f"queue:{SCRIPT}",
        f"x={SCRIPT}",
        "'",
        '"',
        "\\",
        "a=" + "[" * 5_000,
        "a=" * 900,
        "%",
        "parent:",
        "worker::",
        "= =",
        "ı=1",
        "a=\u202e",
    ],
)
def test_survives_wild_texts(admin: Client, text: str) -> None:
    JobFactory(task_path=PLAIN, kwargs={"a": 1})
    page = Page(admin.get(LIST, {"q": text}))
    assert SCRIPT not in page.text


@pytest.mark.parametrize("text", ["plain", "order_id=17", "worker:a", "error:x queue:y"])
def test_takes_few_statements(
    admin: Client, django_assert_max_num_queries: Callable[..., Any], text: str
) -> None:
    JobFactory.create_batch(30, task_path=PLAIN, kwargs={"order_id": 17})
    # Those of the list, where the newest begin, and the ids of workers.
    with django_assert_max_num_queries(9):
        admin.get(LIST, {"q": text})


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_it_reads_along_the_key_and_sorts_nothing(
    admin: Client, monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: Any
) -> None:
    monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 5)
    JobFactory.create_batch(10, task_path=PLAIN, kwargs={"order_id": 17})
    for text in ("plain", "order_id=17", "error:x"):
        with django_assert_max_num_queries(9) as captured:
            admin.get(LIST, {"q": text})
        [rows] = [
            query["sql"]
            for query in captured.captured_queries
            if "ORDER BY" in query["sql"] and '"last_error"' in query["sql"].partition("FROM")[0]
        ]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {rows}")
            plan = " ".join(str(line[-1]) for line in cursor.fetchall())
        assert re.search(r"SEARCH django_jobs_job USING INDEX \S+ \(id>\?\)", plan), plan
        assert "TEMP B-TREE FOR ORDER BY" not in plan


def test_the_page_of_a_found_job_leads_back(admin: Client) -> None:
    job = JobFactory(task_path=PLAIN)
    links = [a["href"] for a in Page(admin.get(LIST, {"q": "plain"})).all("a") if "href" in a]
    assert f"{job_url(job)}?_changelist_filters=q%3Dplain" in links


def test_who_completes_a_name_reads_no_more_than_a_list_does(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changelist, "SEARCHED", 2)
    jobs = [JobFactory(dead=True, last_error="OSError: away") for _ in range(4)]
    where = {"app_label": "django_jobs", "model_name": "jobattempt", "field_name": "job"}
    answer = admin.get(reverse("admin:autocomplete"), where | {"term": "error:away"})
    found = {each["id"] for each in answer.json()["results"]}
    assert found == {str(job.pk) for job in jobs[2:]}
