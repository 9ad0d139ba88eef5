"""What the search of the admin finds, alike on every database."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_jobs.admin.search import ARGUMENT, Term, is_indexed, matching, needs_arguments, terms
from django_jobs.ids import uuid7
from django_jobs.models import Job, Status
from tests.factories import JobFactory, WorkerFactory
from tests.sample import secrets, tasks
from tests.support.rows import analyze, fill

pytestmark = pytest.mark.django_db

PLAIN = tasks.plain.module_path


def found(text: str) -> set[UUID]:
    return {job.pk for job in matching(Job.objects.all(), terms(text))}


class TestTerms:
    @pytest.mark.parametrize(
        ("text", "read"),
        [
            ("", []),
            ("send", [Term("task", "send")]),
            ("a b", [Term("task", "a"), Term("task", "b")]),
            ("task:send", [Term("task", "send")]),
            ("QUEUE:Mail", [Term("queue", "Mail")]),
            ('error:"timed out" x', [Term("error", "timed out"), Term("task", "x")]),
            ("error:'timed out'", [Term("error", "timed out")]),
            ('error:"timed', [Term("error", '"timed')]),
            ("worker:host:17", [Term("worker", "host:17")]),
            ("colour:red", [Term("task", "colour:red")]),
            ("a=1", [Term(ARGUMENT, 1, "a")]),
            ("a=1.5", [Term(ARGUMENT, 1.5, "a")]),
            ("a=-1e3", [Term(ARGUMENT, -1000.0, "a")]),
            ("a=true", [Term(ARGUMENT, True, "a")]),
            ("a=null", [Term(ARGUMENT, None, "a")]),
            ('a="1"', [Term(ARGUMENT, "1", "a")]),
            ("a='1'", [Term(ARGUMENT, "1", "a")]),
            ('a="two words"', [Term(ARGUMENT, "two words", "a")]),
            ("a=True", [Term(ARGUMENT, "True", "a")]),
            ("a=01", [Term(ARGUMENT, "01", "a")]),
            ("a=", [Term(ARGUMENT, "", "a")]),
            ("a=[1]", [Term(ARGUMENT, "[1]", "a")]),
            ('a={"b":1}', [Term(ARGUMENT, '{"b":1}', "a")]),
            ("a=NaN", [Term(ARGUMENT, "NaN", "a")]),
            ("a=1e999", [Term(ARGUMENT, "1e999", "a")]),
            (f"a={2**63}", [Term(ARGUMENT, str(2**63), "a")]),
            ("a=" + "9" * 10_000, [Term(ARGUMENT, "9" * 10_000, "a")]),
            ("größe=1", [Term(ARGUMENT, 1, "größe")]),
            ("a-b=1", [Term("task", "a-b=1")]),
            ("=1", [Term("task", "=1")]),
            ('"a=1"', [Term("task", "a=1")]),
        ],
    )
    def test_reads(self, text: str, read: list[Term]) -> None:
        got = terms(text)
        assert got == read
        assert [type(term.value) for term in got] == [type(term.value) for term in read]

    @pytest.mark.parametrize("form", [str, lambda pk: pk.hex, lambda pk: str(pk).upper()])
    def test_an_id(self, form: Any) -> None:
        pk = uuid7()
        assert terms(f" {form(pk)} ") == [Term("id", pk)]

    def test_what_an_index_has(self) -> None:
        pk = uuid7()
        for text, indexed in [
            (str(pk), True),
            (f"parent:{pk}", True),
            (f"send parent:{pk}", True),
            ("send", False),
            ("a=1", False),
            ("", False),
        ]:
            assert is_indexed(terms(text)) is indexed
        assert needs_arguments(terms("send a=1"))
        assert not needs_arguments(terms("send error:a=1"))


class TestFinds:
    def test_by_id(self) -> None:
        job, _other = JobFactory.create_batch(2)
        assert found(str(job.pk)) == {job.pk}
        assert found(str(uuid4())) == set()

    def test_by_a_part_of_the_task_in_any_case(self) -> None:
        send = JobFactory(task_path="shop.tasks.send_Invoice")
        other = JobFactory(task_path="shop.tasks.other")
        assert found("INVOICE") == found("task:invoice") == found("shop SEND") == {send.pk}
        assert found("shop") == {send.pk, other.pk}
        assert found("send other") == set()

    @pytest.mark.parametrize("text", ["%", "_", "\\", "'", "a%b", "s_nd"])
    def test_what_means_something_to_a_database_means_itself(self, text: str) -> None:
        JobFactory(task_path="shop.tasks.send")
        odd = JobFactory(task_path=f"shop.{text}")
        assert found(f"task:{text}") == {odd.pk}

    def test_by_queue(self) -> None:
        job, _ = JobFactory(queue_name="mail"), JobFactory(queue_name="Mail")
        assert found("queue:mail") == {job.pk}
        assert found("queue:mai") == set()

    def test_by_worker(self) -> None:
        one, two = WorkerFactory(hostname="a", pid=17), WorkerFactory(hostname="a", pid=18)
        other = WorkerFactory(hostname="b", pid=17)
        first, second, third = (
            JobFactory(running=True, worker_id=worker.pk) for worker in (one, two, other)
        )
        JobFactory()
        assert found("worker:a:17") == {first.pk}
        assert found("worker:a") == {first.pk, second.pk}
        assert found(f"worker:{other.pk}") == {third.pk}
        for nobody in ("worker:c", "worker:a:19", "worker:a:" + "9" * 30, "worker:", "worker:a:-1"):
            assert found(nobody) == set()
        other.delete()
        assert found(f"worker:{other.pk}") == set()

    def test_by_the_id_of_a_worker_that_is_gone(self) -> None:
        worker = WorkerFactory()
        job = JobFactory(running=True, worker_id=worker.pk)
        pk = worker.pk
        worker.delete()
        assert found(f"worker:{pk}") == {job.pk}

    def test_by_error_in_any_case(self) -> None:
        job = JobFactory(dead=True, last_error="ValueError: Timed out at 10%")
        JobFactory(dead=True, last_error="KeyError: timed")
        assert found('error:"timed out"') == found("error:10%") == {job.pk}

    def test_by_parent(self) -> None:
        parent = JobFactory()
        children = JobFactory.create_batch(2, parent_id=parent.pk)
        assert found(f"parent:{parent.pk}") == {child.pk for child in children}
        assert found("parent:x") == set()

    def test_several_at_once(self) -> None:
        job = JobFactory(queue_name="mail", dead=True, task_path=PLAIN, kwargs={"a": 1})
        JobFactory(queue_name="mail", task_path=PLAIN, kwargs={"a": 1})
        JobFactory(queue_name="other", dead=True, task_path=PLAIN, kwargs={"a": 1})
        assert found("plain queue:mail error:luck a=1") == {job.pk}


VALUES: list[Any] = [
    *(0, 1, 17, -1, 17.5, 1e-7, 9007199254740993, 9007199254740992, 2**63 - 1, 2**63 - 2),
    *(True, False, None),
    *("", "17", "true", "null", "True", "Straße", "straße", "STRASSE", "strasse ", "strasse"),
    *('a"b', "a\\b", "a'b", "%", "[1]", "𝄞", "a b", "\u2028", "1.0"),
    *([1], {"a": 1}, [], {}),
]


class TestArguments:
    @pytest.fixture
    def jobs(self) -> list[tuple[Any, UUID]]:
        return [
            (value, JobFactory(task_path=PLAIN, kwargs={"x": value, "y": 1}).pk) for value in VALUES
        ]

    @pytest.mark.parametrize("value", [v for v in VALUES if not isinstance(v, list | dict)])
    def test_each_value_finds_itself_alone(self, jobs: list[tuple[Any, UUID]], value: Any) -> None:
        same = {pk for v, pk in jobs if v == value and type(v) is type(value)}
        assert found(f"x={json.dumps(value)}") == same
        assert found(f"x={json.dumps(value)} y=1") == same
        assert found(f"y={json.dumps(value)}") == (
            {pk for _, pk in jobs} if value == 1 and value is not True else set()
        )

    @pytest.mark.parametrize("value", ["Straße", "True", "a'b", "[1]", "1.0.0"])
    def test_text_needs_no_quotes(self, value: str) -> None:
        job = JobFactory(task_path=PLAIN, kwargs={"x": value})
        JobFactory(task_path=PLAIN, kwargs={"x": f"{value}."})
        assert found(f"x={value}") == {job.pk}

    def test_numbers_are_compared_by_value(self) -> None:
        jobs = {JobFactory(task_path=PLAIN, kwargs={"x": value}).pk for value in (17, 17.0)}
        JobFactory(task_path=PLAIN, kwargs={"x": "17"})
        assert found("x=17") == found("x=17.0") == found("x=1.7e1") == jobs
        assert found("x=17.00001") == set()

    def test_only_top_level_ones_of_that_name(self) -> None:
        job = JobFactory(task_path=PLAIN, kwargs={"x": 1, "größe": 2})
        JobFactory(task_path=PLAIN, kwargs={"y": {"x": 1}, "X": 1, "z": [{"x": 1}]})
        JobFactory(task_path=PLAIN, args=[1], kwargs={})
        assert found("x=1") == found("größe=2") == {job.pk}

    def test_one_that_is_null_is_not_one_that_is_missing(self) -> None:
        job = JobFactory(task_path=PLAIN, kwargs={"x": None})
        JobFactory(task_path=PLAIN, kwargs={"y": 1})
        assert found("x=null") == {job.pk}

    def test_never_sensitive_ones(self) -> None:
        path = secrets.call_api.module_path
        kwargs = {"how": "x", "token": "secret"}
        jobs = {
            JobFactory(task_path=task, kwargs=kwargs).pk
            for task in (path, "tests.sample.secrets.former")
        }
        assert found("how=x") == jobs
        assert found("token=secret") == set()

    def test_nor_what_may_be_one_under_another_name(self) -> None:
        """As on the page of the job, where a mask stands for it."""
        JobFactory(task_path=secrets.call_api.module_path, kwargs={"how": "x", "old_token": "s"})
        assert found("old_token=s") == set()
        path = secrets.take_anything.module_path
        shown = JobFactory(task_path=path, kwargs={"first": "s", "password": "p", "pin": "q"})
        assert found("first=s") == found("pin=q") == {shown.pk}
        assert found("password=p") == set()

    def test_nor_of_tasks_that_nobody_knows(self) -> None:
        JobFactory(task_path="no.such.task", kwargs={"x": 1})
        JobFactory(task_path="tests.sample.never.task", kwargs={"x": 1})
        assert found("x=1") == set()


@pytest.mark.usefixtures("renewed")
def test_within_a_status_it_reads_the_newest_of_that_by_its_index(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 100)
    fill(20_000, Status.SUCCESSFUL)
    fill(400, Status.DEAD)
    analyze()
    query = {"status": "DEAD", "q": "error:nothing"}
    with CaptureQueriesContext(connection) as captured:
        response = admin_client.get(reverse("admin:django_jobs_job_changelist"), query)
    assert "among the newest 100 jobs with this status" in response.content.decode()
    # Where they begin, how many match, and which.
    made = [each["sql"] for each in captured if "'DEAD'" in each["sql"]]
    assert len(made) == 3
    for sql in made:
        with connection.cursor() as cursor:
            how = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
            cursor.execute(f"{how} {sql}")
            plan = "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())
        assert "django_jobs_status" in plan, plan
        assert "Seq Scan" not in plan, plan
    bounded = [sql for sql in made if "nothing" in sql.lower()]
    assert len(bounded) == 2
    assert all(re.search(r"id[`\"]? > ", sql) for sql in bounded), made
