"""What the pages show, at what cost, and that they hold under a strict policy."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.admin import display
from django_jobs.admin.paginator import CappedPaginator, count_up_to
from django_jobs.ids import first_uuid7
from django_jobs.models import Job, JobAttempt, JobLog, JobStep, Phase
from tests.admin.pages import LIST, Page, act, job_url, said
from tests.factories import JobAttemptFactory, JobFactory, QueueFactory, WorkerFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db

WORKERS = reverse("admin:django_jobs_worker_changelist")
QUEUES = reverse("admin:django_jobs_queue_changelist")
QUEUE_ADD = reverse("admin:django_jobs_queue_add")
SCRIPT = "<script>alert(1)</script>"
STATES: list[dict[str, Any]] = [
    {},
    {"scheduled": True},
    {"scheduled": True, "attempts": 1, "last_error": "ValueError"},
    {"running": True},
    {"running": True, "cancel_requested_at": timezone.now()},
    {"interruptions": 20, "attempts": 1},
    {"successful": True},
    {"dead": True},
    {"cancelled": True},
    {"discarded": True},
]


def listed(client: Client, **query: str) -> set[Any]:
    response = client.get(LIST, query)
    assert response.status_code == 200
    return {job.pk for job in response.context_data["cl"].result_list}


class TestList:
    def test_shows_what_an_operator_asks(self, admin: Client) -> None:
        JobFactory(dead=True, task_path="shop.tasks.send_invoice", queue_name="mail")
        page = admin.get(LIST).content.decode()
        for text in ("send_invoice", "Dead", "mail", "5/5", "ValueError: no luck"):
            assert text in page

    def test_empty(self, admin: Client) -> None:
        assert "There are no jobs yet." in admin.get(LIST).content.decode()
        JobFactory()
        assert "No job matches." in admin.get(f"{LIST}?q=nothing").content.decode()

    def test_newest_first(self, admin: Client) -> None:
        jobs = JobFactory.create_batch(3)
        shown = list(admin.get(LIST).context_data["cl"].result_list)
        assert [job.pk for job in shown] == [job.pk for job in reversed(jobs)]

    def test_filters(self, admin: Client) -> None:
        dead = JobFactory(dead=True)
        mail = JobFactory(queue_name="mail")
        fail = JobFactory(task_path="tests.sample.tasks.fail")
        scheduled = JobFactory(scheduled=True)
        retrying = JobFactory(scheduled=True, attempts=1)
        assert listed(admin, status="DEAD") == {dead.pk}
        assert listed(admin, status="SCHEDULED") == {scheduled.pk, retrying.pk}
        assert listed(admin, status="retrying") == {retrying.pk}
        assert listed(admin, queue="mail") == {mail.pk}
        assert listed(admin, task="tests.sample.tasks.fail") == {fail.pk}
        assert listed(admin, queue="mail", status="DEAD") == set()

    @pytest.mark.parametrize(("since", "days"), [("1h", 0), ("24h", 0.5), ("7d", 5), ("30d", 20)])
    def test_filter_by_time(self, admin: Client, since: str, days: float) -> None:
        old = first_uuid7(timezone.now() - timedelta(days=40))
        JobFactory(pk=old)
        recent = JobFactory(pk=first_uuid7(timezone.now() - timedelta(days=days)))
        assert listed(admin, since=since) == {recent.pk}
        assert listed(admin) == {old, recent.pk}

    def test_filters_offer_names_in_use_and_those_of_settings(self, admin: Client) -> None:
        JobFactory(queue_name="used", task_path="gone.tasks.one")
        QueueFactory(name="rowed")
        known = tasks.fail.module_path
        page = admin.get(LIST).content.decode()
        for link in ("queue=used", "queue=rowed", "task=gone.tasks.one", f"task={known}"):
            assert link in page

    def test_search(self, admin: Client) -> None:
        job, other = JobFactory(task_path="shop.tasks.send"), JobFactory()
        assert listed(admin, q=str(job.pk)) == {job.pk}
        assert listed(admin, q=f" {job.pk} ") == {job.pk}
        assert listed(admin, q=str(uuid4())) == set()
        assert listed(admin, q="SEND") == {job.pk}
        assert listed(admin, q="tasks") == {job.pk, other.pk}

    def test_search_looks_at_the_newest_only(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 2)
        jobs = JobFactory.create_batch(3, dead=True)
        newest, every = {jobs[1].pk, jobs[2].pk}, {job.pk for job in jobs}
        for query in ({"q": "add"}, {"queue": "default"}, {"task": jobs[0].task_path}):
            assert listed(admin, **query) == newest
            assert "among the newest 2 jobs" in admin.get(LIST, query).content.decode()
            found = newest if "q" in query else every
            assert listed(admin, **query, status="DEAD") == found
        assert listed(admin) == listed(admin, status="DEAD") == every
        assert listed(admin, q=str(jobs[0].pk)) == {jobs[0].pk}
        assert "among the newest" not in admin.get(LIST).content.decode()

    @pytest.mark.parametrize("count", [1, 60])
    def test_takes_the_same_statements_for_any_number_of_jobs(
        self, admin: Client, django_assert_num_queries: Callable[..., Any], count: int
    ) -> None:
        JobFactory.create_batch(count, dead=True)
        # Session, user, the names for the filters (where they begin, what they are, queues),
        # the count, the rows.
        with django_assert_num_queries(7) as captured:
            admin.get(LIST)
        assert not [q for q in captured.captured_queries if '"kwargs"' in q["sql"]]

    def test_a_count_that_is_cut_short_says_so(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_jobs.admin.paginator.count_up_to.__defaults__", (150,))
        JobFactory.create_batch(151)
        page = admin.get(LIST).content.decode()
        assert "150+ jobs" in " ".join(page.split())
        assert "Select all 150+ jobs" in page
        assert len(admin.get(f"{LIST}?p=2").context_data["cl"].result_list) == 50
        assert admin.get(f"{LIST}?p=3").status_code == 302
        assert "150+" not in admin.get(f"{LIST}?status=DEAD").content.decode()

    @pytest.mark.parametrize("lookup", ["e=1", "status=nonsense", "since=nonsense", "p=x", "o=1.2"])
    def test_survives_wild_parameters(self, admin: Client, lookup: str) -> None:
        JobFactory()
        assert admin.get(f"{LIST}?{lookup}").status_code == 200


def test_count_reads_no_further_than_its_limit() -> None:
    JobFactory.create_batch(5)
    count = count_up_to(Job.objects.all(), limit=3)
    assert (count, count.more, count.text) == (3, True, "3+")
    count = count_up_to(Job.objects.all(), limit=5)
    assert (count, count.more, count.text) == (5, False, "5")
    assert CappedPaginator(list(range(7)), 2).count == 7


def plan(rows: Any) -> str:
    explained: str = rows.explain()
    return explained


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans")
def test_plans_of_the_list() -> None:
    since = Job.objects.order_by("-pk").filter(pk__gte=first_uuid7(timezone.now()))[:100]
    assert re.search(r"SEARCH django_jobs_job USING INDEX \S+ \(id>\?\)", plan(since))
    assert "TEMP B-TREE" not in plan(since)


class TestDetail:
    @pytest.mark.parametrize("traits", STATES)
    def test_every_state(self, admin: Client, traits: dict[str, Any]) -> None:
        page = Page(admin.get(job_url(JobFactory(**traits))))
        assert "What happens next:" in page.text

    @pytest.mark.parametrize(("count", "said"), [(1, "1 time"), (20, "20 times")])
    def test_how_often_it_was_interrupted(self, admin: Client, count: int, said: str) -> None:
        row = "<dt>Interrupted</dt>"
        page = Page(admin.get(job_url(JobFactory(interruptions=count)))).text
        assert row in page
        assert f"{said} in a row" in page
        assert row not in Page(admin.get(job_url(JobFactory()))).text

    def test_attempts_with_all_there_is_to_know(self, admin: Client) -> None:
        job = JobFactory(dead=True)
        started = timezone.now() - timedelta(seconds=90)
        JobAttemptFactory(
            job=job,
            started_at=started,
            finished_at=started + timedelta(seconds=75),
            worker_name="host:77",
            message="no luck\nat all",
            delay=12.5,
        )
        page = admin.get(job_url(job)).content.decode()
        for text in (
            "Attempt 1",
            "Failed",
            "took 1 min 15 s",
            "on host:77",
            "builtins.ValueError",
            "next attempt after 12 s",
            "at all",
            "<summary>Traceback</summary>",
        ):
            assert text in page

    def test_latest_attempt_first_and_not_all_of_very_many(
        self, admin: Client, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        job = JobFactory(dead=True)
        now = timezone.now()
        JobAttempt.objects.bulk_create(
            JobAttempt(job=job, claim_no=n, number=n, finished_at=now, outcome="SNOOZED")
            for n in range(1, 81)
        )
        with django_assert_max_num_queries(10):
            page = admin.get(job_url(job)).content.decode()
        assert page.index("Attempt 80") < page.index("Attempt 79") < page.index("Attempt 31")
        assert "Attempt 30<" not in page
        assert "30 older attempts are not shown." in page

    @pytest.mark.parametrize("traits", STATES)
    def test_takes_few_statements(
        self,
        admin: Client,
        django_assert_max_num_queries: Callable[..., Any],
        traits: dict[str, Any],
    ) -> None:
        job = JobFactory(**traits)
        with django_assert_max_num_queries(9):
            admin.get(job_url(job))

    def test_steps_that_are_done(self, admin: Client) -> None:
        job = JobFactory(running=True)
        now = timezone.now()
        for key, result in (("", {"receipt": "<b>17"}), ("2", None)):
            JobStep.objects.create(
                job=job,
                name="charge <b>",
                key=key,
                number=1,
                claim_no=1,
                started_at=now - timedelta(seconds=2),
                finished_at=now,
                result=result,
            )
        page = admin.get(job_url(job)).content.decode()
        assert "Steps that are done" in page
        assert "<bdi>charge &lt;b&gt; 2</bdi>" in page
        assert "took 2.0 s" in page
        assert "&lt;b&gt;17" in page

    def test_no_steps_no_section(self, admin: Client) -> None:
        assert "Steps that are done" not in admin.get(job_url(JobFactory())).content.decode()

    def test_progress(self, admin: Client) -> None:
        progress = {"done": 1200, "total": 4000, "note": "rows <b>"}
        page = Page(admin.get(job_url(JobFactory(running=True, metadata={"progress": progress}))))
        [bar] = page.all("progress")
        assert (bar["value"], bar["max"]) == ("1200", "4000")
        assert "1,200 of 4,000 – rows &lt;b&gt;" in page.text

    @pytest.mark.parametrize(
        "progress", [None, 7, [], {"done": "x"}, {"done": 3, "total": 0}, {"done": 9, "total": 5}]
    )
    def test_progress_of_any_kind(self, admin: Client, progress: Any) -> None:
        job = JobFactory(running=True, metadata={"progress": progress})
        Page(admin.get(job_url(job)))

    def test_long_arguments_are_folded(self, admin: Client) -> None:
        page = admin.get(job_url(JobFactory(args=["x" * 2000], kwargs={"a": 1}))).content.decode()
        assert "<summary>Arguments</summary>" in page
        assert "<h3>Keyword arguments</h3>" in page

    def test_a_job_that_is_gone_and_a_junk_id(self, admin: Client) -> None:
        for object_id in (str(uuid4()), "junk"):
            response = admin.get(reverse("admin:django_jobs_job_change", args=[object_id]))
            assert response.status_code == 302
            assert "doesn’t exist" in said(response)[0]

    def test_odd_metadata(self, admin: Client) -> None:
        Page(admin.get(job_url(JobFactory(metadata={"copy_of": f"../../{SCRIPT}"}))))


class TestWhatHappensNext:
    def next(self, client: Client, **traits: Any) -> str:
        return str(client.get(job_url(JobFactory(**traits))).context_data["what_next"])

    def test_ready(self, admin: Client) -> None:
        assert "no worker is running" in self.next(admin)
        WorkerFactory(lost=True)
        assert "no worker is running" in self.next(admin)
        WorkerFactory(phase=Phase.QUIET)
        assert "every worker that is running is quiet or stops" in self.next(admin)
        WorkerFactory()
        assert self.next(admin) == "It starts when its turn has come and a worker is free."
        QueueFactory(name="default", paused=True)
        assert "the queue “default” is paused" in self.next(admin)

    def test_dead(self, admin: Client) -> None:
        alone = "Nothing, until somebody retries or discards it."
        assert self.next(admin, dead=True) == alone
        QueueFactory(name="default", paused=True)
        waits = "Retried, it waits, since the queue “default” is paused."
        assert self.next(admin, dead=True) == f"{alone} {waits}"

    def test_scheduled(self, admin: Client) -> None:
        WorkerFactory()
        assert re.search(r"It is due in (1 h|59 min \d+ s)\.", self.next(admin, scheduled=True))
        assert "Attempt 3 of 5 is due in" in self.next(admin, scheduled=True, attempts=2)

    def test_running(self, admin: Client) -> None:
        live, lost = WorkerFactory().pk, WorkerFactory(lost=True).pk
        running = {"running": True, "worker_id": live}
        assert "the job is tried again" in self.next(admin, **running)
        assert "the last attempt" in self.next(admin, **running, max_attempts=1)
        asked = self.next(admin, **running, cancel_requested_at=timezone.now())
        assert "asked to end" in asked
        assert "was lost" in self.next(admin, running=True, worker_id=lost)
        assert "was lost" in self.next(admin, running=True)

    def test_nobody_serves_its_queue(self, admin: Client) -> None:
        for queues in ("mail", "mail,in*", "all except default", "def"):
            WorkerFactory(queues=queues)
        for traits in ({}, {"scheduled": True}):
            said = self.next(admin, **traits)
            assert "no worker that is running serves the queue “default”" in said
        assert "no worker" not in self.next(admin, queue_name="mail")
        assert "no worker" not in self.next(admin, queue_name="invoices")
        WorkerFactory(queues="de*")
        assert "no worker" not in self.next(admin)

    @pytest.mark.parametrize(
        "queues", ["all", "x," * 249 + "y \x7f", "de* except mail", "x except y "]
    )
    def test_a_worker_says_what_it_serves(self, admin: Client, queues: str) -> None:
        WorkerFactory(queues=queues)
        serves = queues != "x except y "
        assert ("no worker" not in self.next(admin)) is serves

    def test_a_suspect_runs_alone(self, admin: Client) -> None:
        WorkerFactory()
        assert "it runs alone" in self.next(admin, crashes=1)
        assert "runs alone" not in self.next(admin, scheduled=True, crashes=1)

    @pytest.mark.parametrize("error", ["UnknownTask: no such", "TaskChanged: no such"])
    def test_no_worker_knows_its_task(self, admin: Client, error: str) -> None:
        WorkerFactory()
        traits = {"scheduled": True, "last_error": error}
        first = timezone.now() - timedelta(days=1, minutes=1)
        said = self.next(admin, **traits, started_at=first)
        assert "It waits for a worker that can run it" in said
        assert f"If none has come by {display.moment(first + timedelta(days=1))}" in said
        assert "If none has come" not in self.next(admin, **traits)
        said = self.next(admin, **traits, started_at=first, backend_name="gone")
        assert "that can run it" in said
        assert "If none has come" not in said

    def test_an_error_of_that_name_is_another_matter(self, admin: Client) -> None:
        traits = {"scheduled": True, "attempts": 1, "last_error": "UnknownTaskish: x"}
        assert "that can run it" not in self.next(admin, **traits)

    def test_ended(self, admin: Client) -> None:
        assert "until somebody retries" in self.next(admin, dead=True)
        assert self.next(admin, successful=True) == "Nothing: it has ended."


@pytest.fixture
def hostile() -> Job:
    """A job that brings a script wherever text may come from."""
    now = timezone.now()
    worker = WorkerFactory(hostname=SCRIPT, queues=SCRIPT, version=SCRIPT[:32])
    QueueFactory(name=SCRIPT)
    job = JobFactory(
        dead=True,
        task_path=f"x.{SCRIPT}",
        queue_name=SCRIPT,
        backend_name=SCRIPT,
        last_error=SCRIPT,
        worker_id=worker.pk,
        parent_id=JobFactory(task_path=f"x.{SCRIPT}", last_error=SCRIPT).pk,
        args=[SCRIPT],
        kwargs={SCRIPT: SCRIPT},
        metadata={SCRIPT: SCRIPT, "copy_of": SCRIPT, "progress": {"done": 1, "note": SCRIPT}},
    )
    JobStep.objects.create(
        job=job,
        name=SCRIPT,
        key=SCRIPT,
        result={SCRIPT: SCRIPT},
        **{"number": 1, "claim_no": 1, "started_at": now, "finished_at": now},
    )
    JobAttemptFactory(
        job=job,
        worker_name=SCRIPT,
        exception_class=SCRIPT,
        message=f"{SCRIPT}\n{SCRIPT}",
        traceback=SCRIPT,
    )
    JobLog.objects.create(job=job, claim_no=1, number=1, text=SCRIPT)
    JobFactory(task_path=f"x.{SCRIPT}", parent_id=job.pk, last_error=SCRIPT)
    return job


def test_every_page_escapes_and_holds_under_a_strict_policy(admin: Client, hostile: Job) -> None:
    other = JobFactory(dead=True, task_path=hostile.task_path, last_error=SCRIPT)
    # Of a known task, whose arguments are shown.
    known = JobFactory(
        successful=True, args=[SCRIPT], kwargs={SCRIPT: SCRIPT}, return_value={SCRIPT: SCRIPT}
    )
    worker = reverse("admin:django_jobs_worker_change", args=[hostile.worker_id])
    queue = reverse("admin:django_jobs_queue_change", args=["_3Cscript_3Ealert(1)_3C_2Fscript_3E"])
    responses = [
        admin.get(url)
        for url in (
            LIST,
            f"{LIST}?q={SCRIPT}",
            f"{LIST}?q=x={SCRIPT}",
            f"{LIST}?queue={SCRIPT}&task={SCRIPT}",
            job_url(hostile),
            job_url(known),
            WORKERS,
            worker,
            QUEUES,
            QUEUE_ADD,
            queue,
        )
    ]
    responses.append(act(admin, "retry", hostile, other))
    responses.append(admin.post(job_url(hostile, "copy"), follow=True))
    responses.append(admin.get(job_url(hostile, "history")))
    for response in responses:
        page = Page(response)
        assert SCRIPT not in page.text
        assert not page.inline
        for tag, attrs in page.elements:
            assert "style" not in attrs, (tag, attrs)
            assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
            source = attrs.get("src") or (attrs.get("href", "") if tag == "link" else "")
            assert "//" not in source, (tag, attrs)
        scripts = [attrs for attrs in page.all("script") if not attrs.get("src")]
        # Data for scripts, which no policy stops; Django's own, where there are any.
        assert all(attrs.get("type") == "application/json" for attrs in scripts)
