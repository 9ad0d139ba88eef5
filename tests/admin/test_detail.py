"""The page of a job: its attempts in time, what they logged, parent and children."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from django_jobs.admin.timeline import Part, Run, take_apart
from django_jobs.models import Job, JobAttempt, JobLog, Worker
from django_jobs.sensitive import MASK
from tests.admin.pages import LIST, Page, job_url
from tests.admin.test_groups import make
from tests.factories import JobAttemptFactory, JobFactory, WorkerFactory
from tests.sample import secrets

pytestmark = pytest.mark.django_db

SCRIPT = "<script>alert(1)</script>"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LONG = "x" * 300


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class TestParts:
    def parts(self, *runs: tuple[float, float | None, float], now: float = 100) -> list[Any]:
        """Of attempts that began, ended and then backed off so, in seconds after the enqueue."""
        made = [
            Run(n, at(a), None if b is None else at(b), d, {}) for n, (a, b, d) in enumerate(runs)
        ]
        take_apart(made, NOON, at(now))
        return [
            [(p.kind, self.offset(p.start), self.offset(p.end)) for p in run.parts] for run in made
        ]

    def offset(self, moment: datetime) -> float:
        return (moment - NOON).total_seconds()

    def test_it_waits_runs_and_backs_off(self) -> None:
        assert self.parts((2, 5, 10), (16, 17, 0)) == [
            [("waited", 0, 2), ("ran", 2, 5), ("backed-off", 5, 15)],
            [("waited", 15, 16), ("ran", 16, 17)],
        ]

    def test_one_that_runs_does_so_until_now(self) -> None:
        assert self.parts((2, None, 0), now=30) == [[("waited", 0, 2), ("ran", 2, 30)]]

    def test_one_that_waits_backs_off_into_the_future(self) -> None:
        assert self.parts((0, 5, 60), now=30) == [[("ran", 0, 5), ("backed-off", 5, 65)]]

    def test_somebody_may_run_it_earlier(self) -> None:
        assert self.parts((0, 5, 60), (20, 21, 0))[0][-1] == ("backed-off", 5, 20)
        assert self.parts((0, 5, 60), (20, 21, 0))[1] == [("ran", 20, 21)]

    def test_clocks_may_disagree(self) -> None:
        assert self.parts((-3, -4, 2), (-9, None, -1), now=-20) == [
            [("ran", -3, -3), ("backed-off", -3, -3)],
            [("ran", -9, -9)],
        ]

    def test_times_may_be_missing(self) -> None:
        run = Run(1, None, at(5), 0.0, {})
        take_apart([run], None, at(9))
        assert run.parts == [Part("ran", at(5), at(5))]
        assert run.parts[0].seconds == 0


class TestTimeline:
    @pytest.fixture
    def job(self) -> Job:
        now = timezone.now()
        job = JobFactory(
            dead=True,
            attempts=2,
            claim_no=2,
            max_attempts=2,
            enqueued_at=now - timedelta(seconds=100),
            finished_at=now,
        )
        JobAttemptFactory(
            job=job,
            started_at=now - timedelta(seconds=90),
            finished_at=now - timedelta(seconds=60),
            delay=40.0,
        )
        JobAttemptFactory(
            job=job,
            claim_no=2,
            number=2,
            started_at=now - timedelta(seconds=20),
            finished_at=now,
        )
        return job

    def test_bars_on_one_axis_latest_first(self, admin: Client, job: Job) -> None:
        page = Page(admin.get(job_url(job)))
        rects = page.all("rect")
        assert [rect["class"] for rect in rects] == [
            *("jobs-ran",),
            *("jobs-waited", "jobs-ran", "jobs-backed-off"),
        ]
        assert [(rect["x"], rect["width"]) for rect in rects] == [
            ("80.00%", "20.00%"),
            ("0.00%", "10.00%"),
            ("10.00%", "30.00%"),
            ("40.00%", "40.00%"),
        ]

    def test_say_the_same_in_words(self, admin: Client, job: Job) -> None:
        page = Page(admin.get(job_url(job)))
        bars = [svg for svg in page.all("svg") if svg.get("class") == "jobs-bars"]
        assert [svg["aria-hidden"] for svg in bars] == ["true", "true"]
        for text in ("waited 10 s", "took 30 s", "next attempt after 40 s", "1 min 40 s"):
            assert text in page.text

    @pytest.mark.parametrize("language", ["de", "ar", "fa"])
    def test_numbers_of_a_picture_are_not_translated(
        self, admin: Client, job: Job, language: str
    ) -> None:
        with translation.override(language):
            page = Page(admin.get(job_url(job), headers={"accept-language": language}))
        assert all(re.fullmatch(r"[\d.]+%", rect["x"], re.ASCII) for rect in page.all("rect"))

    def test_a_short_attempt_can_be_seen_and_nothing_sticks_out(self, admin: Client) -> None:
        now = timezone.now()
        job = JobFactory(
            successful=True,
            enqueued_at=now - timedelta(days=3),
            last_attempted_at=now,
            finished_at=now + timedelta(milliseconds=1),
        )
        for rect in Page(admin.get(job_url(job))).all("rect"):
            x, width = float(rect["x"][:-1]), float(rect["width"][:-1])
            assert width >= 0.4
            assert x + width <= 100

    def test_no_attempt_no_picture(self, admin: Client) -> None:
        page = Page(admin.get(job_url(JobFactory())))
        assert not page.all("rect")
        assert "It has not been tried yet." in page.text
        assert "jobs-legend" not in page.text

    def test_no_time_no_picture(self, admin: Client) -> None:
        now = timezone.now()
        job = JobFactory(successful=True, enqueued_at=now, last_attempted_at=now, finished_at=now)
        assert not Page(admin.get(job_url(job))).all("rect")


class TestLogs:
    @pytest.fixture
    def job(self) -> Job:
        job = JobFactory(dead=True, attempts=2, claim_no=7)
        for claim_no, text in ((4, "first try"), (7, f"second try\n{SCRIPT}")):
            JobAttemptFactory(job=job, claim_no=claim_no, number=1)
            JobLog.objects.create(job=job, claim_no=claim_no, number=1, text=text)
        return job

    def test_are_with_their_attempt(self, browser: Callable[..., Client], job: Job) -> None:
        text = Page(browser("view_job_arguments").get(job_url(job))).text
        assert text.index("Log, 2 lines") < text.index("second try\n&lt;script&gt;")
        assert text.index("second try") < text.index("Log, 1 line<") < text.index("first try")
        assert SCRIPT not in text

    def test_are_for_those_who_may_view_arguments(
        self, browser: Callable[..., Client], job: Job
    ) -> None:
        operator = browser("retry_job", "discard_job", "cancel_job", "copy_job")
        text = Page(operator.get(job_url(job))).text
        assert "first try" not in text
        assert "second try" not in text
        assert "what attempts have logged are for people" in text

    def test_of_the_attempt_that_succeeded(self, admin: Client) -> None:
        job = JobFactory(successful=True)
        JobLog.objects.create(job=job, claim_no=1, number=1, text="well done")
        assert "well done" in Page(admin.get(job_url(job))).text

    def test_sensitive_values_are_masked_here_too(self, admin: Client) -> None:
        job = JobFactory(
            successful=True, task_path=secrets.call_api.module_path, args=["how", "s3cr3t-token"]
        )
        JobLog.objects.create(job=job, claim_no=1, number=1, text="with s3cr3t-token")
        text = Page(admin.get(job_url(job))).text
        assert f"with {MASK}" in text
        assert "s3cr3t" not in text


class TestRelatives:
    def test_parent_and_children(self, admin: Client) -> None:
        parent = JobFactory(successful=True, task_path="shop.tasks.parent")
        child = JobFactory(
            dead=True, task_path="shop.tasks.child", parent_id=parent.pk, last_error=SCRIPT
        )
        page = Page(admin.get(job_url(parent)))
        assert {"href": job_url(child)} in page.all("a")
        assert "&lt;script&gt;" in page.text
        assert "It was enqueued by" not in page.text
        page = Page(admin.get(job_url(child)))
        assert {"href": job_url(parent)} in page.all("a")
        assert "It was enqueued by" in page.text
        assert "It has enqueued" not in page.text

    def test_a_parent_that_is_gone(self, admin: Client) -> None:
        gone = uuid4()
        text = Page(admin.get(job_url(JobFactory(parent_id=gone)))).text
        assert f"the job {gone}, whose row is gone" in text

    def test_no_relatives_no_section(self, admin: Client) -> None:
        assert "Parent and children" not in Page(admin.get(job_url(JobFactory()))).text

    def test_the_first_fifty_and_the_way_to_all(self, admin: Client) -> None:
        parent = JobFactory()
        JobFactory.create_batch(53, parent_id=parent.pk)
        page = Page(admin.get(job_url(parent)))
        assert page.text.count("jobs-error") == 50
        assert "3 more are not shown." in page.text
        [url] = [a["href"] for a in page.all("a") if "parent%3A" in a["href"]]
        assert len(admin.get(url).context_data["cl"].result_list) == 53

    def test_the_way_back_leads_to_the_list_as_it_was(self, admin: Client) -> None:
        parent = JobFactory()
        JobFactory(parent_id=parent.pk)
        url = f"{job_url(parent)}?_changelist_filters=status%3DDEAD"
        links = [a["href"] for a in Page(admin.get(url)).all("a")]
        assert [link for link in links if link.endswith("_changelist_filters=status%3DDEAD")]


class TestLinks:
    GROUP = "ab" * 8

    @pytest.fixture
    def job(self) -> Job:
        worker = WorkerFactory()
        made: Job = JobFactory(
            dead=True, queue_name="a/b c", worker_id=worker.pk, failure_group=self.GROUP
        )
        return made

    def links(self, client: Client, job: Job) -> set[str]:
        return {a["href"] for a in Page(client.get(job_url(job))).all("a")}

    def url(self, name: str, *args: Any) -> str:
        return reverse(f"admin:django_jobs_{name}", args=args)

    def test_to_what_it_is_of(self, admin: Client, job: Job) -> None:
        make(self.GROUP[:2])
        assert self.links(admin, job) >= {
            f"{LIST}?task={job.task_path}",
            f"{self.url('queue_changelist')}#queue-a/b%20c",
            self.url("worker_change", job.worker_id),
            self.url("failuregroup_change", self.GROUP),
        }
        rows = Page(admin.get(self.url("queue_changelist"))).all("tr")
        assert "queue-a/b c" not in {row.get("id") for row in rows}, "nothing of it waits"
        JobFactory(queue_name="a/b c")
        rows = Page(admin.get(self.url("queue_changelist"))).all("tr")
        assert "queue-a/b c" in {row.get("id") for row in rows}

    def test_none_to_what_is_gone(self, admin: Client, job: Job) -> None:
        Worker.objects.all().delete()
        links = self.links(admin, job)
        assert self.url("worker_change", job.worker_id) not in links
        assert self.url("failuregroup_change", self.GROUP) not in links
        assert "Failure group:" not in Page(admin.get(job_url(JobFactory()))).text

    def test_none_to_what_the_user_may_not_see(
        self, browser: Callable[..., Client], job: Job
    ) -> None:
        make(self.GROUP[:2])
        links = " ".join(self.links(browser(view=("view_job",)), job))
        assert f"{LIST}?task=" in links
        for page in ("queue", "worker", "failuregroup"):
            assert f"/{page}/" not in links


def test_all_there_may_be_takes_few_statements(
    admin: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    parent = JobFactory(successful=True)
    worker = WorkerFactory()
    group = make().pk
    job = JobFactory(
        dead=True, parent_id=parent.pk, worker_id=worker.pk, claim_no=80, failure_group=group
    )
    now = timezone.now()
    for n in range(1, 81):
        JobAttempt.objects.create(job=job, claim_no=n, number=n, finished_at=now, outcome="FAILED")
        JobLog.objects.create(job=job, claim_no=n, number=n, text=f"log of {n}.")
    JobFactory.create_batch(60, parent_id=job.pk)
    # Session, user, job, type of content, worker, group, steps, attempts and how many, logs,
    # children and how many, parent.
    with django_assert_max_num_queries(13) as captured:
        page = Page(admin.get(job_url(job)))
    assert "log of 80." in page.text
    assert "log of 31." in page.text
    assert "log of 30." not in page.text
    for query in captured.captured_queries:
        if connection.vendor == "sqlite" and query["sql"].startswith("SELECT"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                plan = " ".join(str(line[-1]) for line in cursor.fetchall())
            assert "SCAN django_jobs" not in plan, (query["sql"], plan)


def test_long_names_and_right_to_left(admin: Client, settings: Any) -> None:
    settings.LANGUAGE_CODE = "ar"
    parent = JobFactory(task_path=f"shop.tasks.{LONG}"[:255], queue_name=LONG[:64])
    job = JobFactory(
        dead=True, task_path=f"shop.{LONG}"[:255], parent_id=parent.pk, last_error=LONG
    )
    JobAttemptFactory(job=job, worker_name=LONG[:255], exception_class=LONG[:255], message=LONG)
    JobLog.objects.create(job=job, claim_no=1, number=1, text=LONG)
    page = Page(admin.get(job_url(job)))
    assert page.all("html")[0]["dir"] == "rtl"
    # Code and logs read from left to right whatever the language.
    assert all(pre["dir"] == "ltr" for pre in page.all("pre"))
    assert Page(admin.get(LIST)).all("html")[0]["dir"] == "rtl"
