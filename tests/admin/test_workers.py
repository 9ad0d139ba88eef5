"""The list of workers, their pages, and what they are told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.db.clock import DbNow
from django_jobs.models import Command, Job, Phase, Worker
from django_jobs.sensitive import MASK
from tests.admin.pages import Page, job_url, said
from tests.contract.support import queries
from tests.factories import JobAttemptFactory, JobFactory, WorkerFactory
from tests.sample import secrets

pytestmark = pytest.mark.django_db

WORKERS = reverse("admin:django_jobs_worker_changelist")
VERBS = ("quiet", "resume", "stop", "stacks")
CONTROL = ("quiet", "resume", "stop")
SCRIPT = "<script>alert(1)</script>"


def url(worker: Worker, verb: str = "change") -> str:
    return reverse(f"admin:django_jobs_worker_{verb}", args=[worker.pk])


def text_of(response: Any) -> str:
    return " ".join(Page(response).text.split())


def working(**columns: Any) -> Worker:
    """A worker that says how it is."""
    says = {"phase": Phase.RUNNING, "threads_busy": 0, "coroutines_running": 0, "running": []}
    worker: Worker = WorkerFactory(**{**says, "memory": 50_000_000, **columns})
    return worker


def entry(job: Job, **more: Any) -> dict[str, Any]:
    since = (timezone.now() - timedelta(minutes=3)).isoformat()
    listed = {"job": str(job.pk), "task": job.task_path, "attempt": 2, "claim_no": job.claim_no}
    return {**listed, "since": since, **more}


class TestList:
    def listed(self, client: Client, **query: str) -> set[Any]:
        response = client.get(WORKERS, query)
        assert response.status_code == 200
        return {worker.pk for worker in response.context_data["cl"].result_list}

    def test_the_live_ones_unless_others_are_asked_for(self, admin: Client) -> None:
        live, lost = WorkerFactory().pk, WorkerFactory(lost=True).pk
        stopped = WorkerFactory(stopped_at=timezone.now()).pk
        assert self.listed(admin) == self.listed(admin, state="live") == {live}
        assert self.listed(admin, state="lost") == {lost}
        assert self.listed(admin, state="stopped") == {stopped}
        assert self.listed(admin, state="all") == {live, lost, stopped}
        assert "Lost workers: 1." in text_of(admin.get(WORKERS))
        assert "Lost workers" not in text_of(admin.get(WORKERS, {"state": "lost"}))

    def test_no_worker(self, admin: Client) -> None:
        WorkerFactory(stopped_at=timezone.now())
        page = text_of(admin.get(WORKERS))
        assert "manage.py runjobs" in page
        assert "Lost workers" not in page
        assert "There is no such worker." in text_of(admin.get(WORKERS, {"state": "lost"}))

    def test_states(self, admin: Client) -> None:
        rows = {
            "Live": WorkerFactory(queues="mail,in*"),
            "Lost": WorkerFactory(lost=True),
            "Stopped": WorkerFactory(stopped_at=timezone.now(), phase=Phase.STOPPING),
            "Quiet": working(phase=Phase.QUIET),
            "Starting": working(phase=Phase.STARTING),
            "Stopping": working(phase=Phase.STOPPING),
        }
        page = admin.get(WORKERS, {"state": "all"}).content.decode()
        for state, worker in rows.items():
            assert page.count(f">{state}</span>") == 1
            detail = admin.get(url(worker)).content.decode()
            assert f">{state}</span>" in detail
            assert worker.name in detail
            assert admin.post(url(worker)).status_code == 403

    @pytest.mark.parametrize(
        ("columns", "words"),
        [
            ({}, "0 of 4 threads busy"),
            ({"threads_busy": 3}, "3 of 4 threads busy"),
            ({"threads_busy": 4}, "all 4 threads busy"),
            ({"threads_busy": 1, "threads": 1}, "its thread is busy"),
            ({"threads_busy": 4, "coroutines_running": 2}, "all 4 threads busy, 2 coroutines"),
            ({"threads_busy": None}, "4 threads"),
        ],
    )
    def test_says_in_words_how_busy_it_is(
        self, admin: Client, columns: dict[str, Any], words: str
    ) -> None:
        worker = working(**columns)
        assert f">{words}<" in text_of(admin.get(WORKERS))
        assert f"<p>{words}</p>" in text_of(admin.get(url(worker)))

    def test_memory_and_heartbeat(self, admin: Client) -> None:
        WorkerFactory(last_heartbeat_at=DbNow() - timedelta(seconds=8))
        working()
        page = text_of(admin.get(WORKERS))
        assert "47.7" in page
        assert "8 s ago" in page or "9 s ago" in page

    @pytest.mark.parametrize("count", [1, 30])
    def test_takes_the_same_statements_for_any_number(
        self, admin: Client, django_assert_num_queries: Callable[..., Any], count: int
    ) -> None:
        for _ in range(count):
            working(running=[entry(JobFactory(running=True))])
        admin.get(WORKERS)  # what is read once for a process
        # Session, user, the count, the rows, the lost.
        with django_assert_num_queries(5) as captured:
            admin.get(WORKERS)
        assert not [q for q in captured.captured_queries if '"stacks"' in q["sql"]]


class TestPage:
    def test_what_it_runs(self, admin: Client) -> None:
        job = JobFactory(running=True, task_path="shop.tasks.send_invoice")
        worker = working(threads_busy=1, coroutines_running=2, running=[entry(job)])
        page = text_of(admin.get(url(worker)))
        assert job_url(job) in page
        assert "send_invoice" in page
        assert "3 min" in page
        assert "And 2 more" in page
        assert "What it runs" in page

    def test_what_a_lost_one_ran(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = working(lost=True, running=[entry(job)])
        page = text_of(admin.get(url(worker)))
        assert "What it ran at its last heartbeat" in page
        assert job_url(job) in page

    def test_of_an_older_release(self, admin: Client) -> None:
        page = Page(admin.get(url(WorkerFactory())))
        assert "has a version of django_jobs that doesn’t say" in page.text
        assert page.buttons() == set()

    @pytest.mark.parametrize(
        "listed", [7, "x", {}, [7], [{}], [{"job": "../x"}], [{"job": str(uuid4()), "since": 7}]]
    )
    def test_of_a_row_that_somebody_has_written_to(self, admin: Client, listed: Any) -> None:
        Page(admin.get(url(working(running=listed, stacks=listed, stacks_at=timezone.now()))))

    def test_what_it_ended_badly(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        worker, other = working(), working()
        first = JobAttemptFactory(worker_id=worker.pk, message="first <b>")
        JobAttemptFactory(worker_id=worker.pk, message="put off", outcome="SNOOZED")
        JobAttemptFactory(worker_id=other.pk, message="of another")
        JobAttemptFactory(worker_id=worker.pk, message="last", outcome="TIMED_OUT")
        page = text_of(admin.get(url(worker)))
        assert page.index("last") < page.index("first &lt;b&gt;")
        assert job_url(first.job) in page
        for text in ("put off", "of another"):
            assert text not in page
        monkeypatch.setattr("django_jobs.admin.workerpage.SEARCHED", 2)
        page = text_of(admin.get(url(worker)))
        assert "last" in page
        assert "first" not in page
        assert "Nothing lately." in text_of(admin.get(url(working())))

    def test_takes_few_statements(
        self, admin: Client, django_assert_num_queries: Callable[..., Any]
    ) -> None:
        worker = working(running=[entry(JobFactory(running=True)) for _ in range(30)])
        for _ in range(30):
            JobAttemptFactory(worker_id=worker.pk)
        admin.get(url(worker))  # the content type is read once for a process
        # Session, user, the worker, the newest attempt, its own.
        with django_assert_num_queries(5):
            admin.get(url(worker))

    def test_one_that_is_gone(self, admin: Client) -> None:
        gone = WorkerFactory.build()
        for response in (admin.get(url(gone)), *(admin.post(url(gone, v)) for v in VERBS)):
            assert response.status_code == 302
            assert "doesn’t exist" in said(response)[0]


class TestTell:
    def test_the_buttons_are_those_that_apply(self, admin: Client) -> None:
        def buttons(**columns: Any) -> set[str]:
            return Page(admin.get(url(working(**columns)))).buttons()

        assert buttons() == {"quiet", "stop", "stacks"}
        assert buttons(command=Command.QUIET) == {"resume", "stop", "stacks"}
        assert buttons(command=Command.STOP) == {"stacks"}
        assert buttons(lost=True) == buttons(stopped_at=timezone.now()) == set()

    def test_quiet_resume_stop(self, admin: Client) -> None:
        worker = working()
        for verb, command in (
            ("quiet", Command.QUIET),
            ("resume", Command.WORK),
            ("stop", Command.STOP),
        ):
            response = admin.post(url(worker, verb))
            assert response.url == url(worker)
            assert said(response)[0].startswith(f"The worker {worker.name} was told to ")
            worker.refresh_from_db()
            assert worker.command == command
        log = LogEntry.objects.order_by("pk").values_list("object_repr", "change_message")
        assert list(log) == [(worker.name, verb) for verb in ("Quiet", "Resume", "Stop")]

    def test_what_it_has_not_heard_of_yet(self, admin: Client) -> None:
        def page(**columns: Any) -> str:
            return text_of(admin.get(url(working(**columns))))

        hears = "hears of it at its next heartbeat"
        assert f"to be quiet, and {hears}" in page(command=Command.QUIET)
        assert hears not in page(command=Command.QUIET, phase=Phase.QUIET)
        assert f"to claim jobs again, and {hears}" in page(phase=Phase.QUIET)
        assert f"to stop, and {hears}" in page(command=Command.STOP)
        stopping = page(command=Command.STOP, phase=Phase.STOPPING)
        assert "What runs may finish until the deadline." in stopping
        assert hears not in page()

    @pytest.mark.parametrize("verb", VERBS)
    def test_a_worker_that_can_not_hear(self, admin: Client, verb: str) -> None:
        lost = working(lost=True, command=Command.QUIET)
        assert said(admin.post(url(lost, verb))) == [
            f"The worker {lost.name} is not live, or was told so already."
        ]
        assert not LogEntry.objects.exists()

    def test_its_name_is_written_as_it_is(self, admin: Client) -> None:
        """Django capitalizes the first letter of a message, whatever it begins with."""
        for worker, verb in (
            *((working(hostname="vm"), verb) for verb in VERBS if verb != "resume"),
            (working(hostname="vm", command=Command.QUIET), "resume"),
            (working(hostname="vm", lost=True), "stop"),
        ):
            told = text_of(admin.post(url(worker, verb), follow=True))
            assert f"The worker vm:{worker.pid} " in told, verb
            assert f"Vm:{worker.pid}" not in told, verb


class TestStacks:
    def of(self, job: Job, **columns: Any) -> Worker:
        taken = {"stacks_at": timezone.now(), "stacks": [entry(job, stack="File x <b> line 7")]}
        worker = working(running=[entry(job)], **{**taken, **columns})
        Job.objects.filter(pk=job.pk).update(worker_id=worker.pk)
        return worker

    def test_are_asked_for_on_the_page_of_the_worker(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = self.of(job, stacks=None, stacks_at=None)
        assert "was asked for the stacks" in said(admin.post(url(worker, "stacks")))[0]
        worker.refresh_from_db()
        assert worker.stacks_asked_at is not None
        assert LogEntry.objects.get().change_message == "Show stacks"
        assert "the worker answers at its next heartbeat" in text_of(admin.get(url(worker)))

    def test_are_shown_on_both_pages(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = self.of(job)
        for page in (url(worker), job_url(job)):
            text = text_of(admin.get(page))
            assert "File x &lt;b&gt; line 7" in text
            assert "Asked;" not in text

    def test_come_with_the_log_for_those_who_may_view_arguments(
        self, browser: Callable[..., Client]
    ) -> None:
        job = JobFactory(running=True)
        worker = self.of(job, stacks=[entry(job, stack="File x", log="so far <b>")])
        may = browser("view_worker_stacks", "view_job_arguments")
        page = text_of(may.get(job_url(job)))
        assert "Its log so far" in page
        assert "so far &lt;b&gt;" in page
        assert "so far" not in text_of(may.get(url(worker))).replace("logged so far", "")
        page = text_of(browser("view_worker_stacks").get(job_url(job)))
        assert "File x" in page
        assert "so far" not in page
        self.of(job)
        assert "logged nothing by then" in text_of(may.get(job_url(job)))

    def test_come_with_a_log_without_what_is_sensitive(self, admin: Client) -> None:
        args = ["how", "s3cr3t-token"]
        job = JobFactory(running=True, task_path=secrets.call_api.module_path, args=args)
        self.of(job, stacks=[entry(job, stack="File x", log="with s3cr3t-token")])
        page = text_of(admin.get(job_url(job)))
        assert f"with {MASK}" in page
        assert "s3cr3t" not in page

    def test_are_asked_for_on_the_page_of_the_job(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = self.of(job, stacks=None, stacks_at=None)
        page = Page(admin.get(job_url(job)))
        assert "stack" in page.buttons()
        response = admin.post(job_url(job, "stack"))
        assert response.url == job_url(job)
        worker.refresh_from_db()
        assert worker.stacks_asked_at is not None
        assert LogEntry.objects.get().object_repr == worker.name
        assert "the worker answers at its next heartbeat" in text_of(admin.get(job_url(job)))

    def test_of_another_run_of_the_job_is_not_shown(self, admin: Client) -> None:
        job = JobFactory(running=True)
        self.of(job)
        Job.objects.update(claim_no=2)
        assert "File x" not in text_of(admin.get(job_url(job)))

    def test_of_a_job_that_runs_no_more(self, admin: Client) -> None:
        for job in (JobFactory(successful=True), JobFactory(running=True), JobFactory()):
            assert "stack" not in Page(admin.get(job_url(job))).buttons()
            response = admin.post(job_url(job, "stack"))
            assert said(response) == ["The job doesn’t run any more."]
        assert admin.post(job_url(JobFactory.build(), "stack")).status_code == 302

    def test_take_no_further_statement(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = self.of(job)
        admin.get(job_url(job))  # the content type is read once for a process
        with_stack = queries(lambda: admin.get(job_url(job)))
        Worker.objects.filter(pk=worker.pk).update(phase="", stacks=None, stacks_at=None)
        assert len(queries(lambda: admin.get(job_url(job)))) == len(with_stack)


class TestPermissions:
    def unchanged(self, worker: Worker) -> bool:
        before = (worker.command, worker.stacks_asked_at)
        worker.refresh_from_db()
        return (worker.command, worker.stacks_asked_at) == before and not LogEntry.objects.exists()

    @pytest.mark.parametrize("verb", VERBS)
    def test_viewer(self, verb: str, browser: Callable[..., Client]) -> None:
        viewer, worker = browser(), working(command=Command.QUIET)
        assert Page(viewer.get(url(worker))).buttons() == set()
        assert viewer.post(url(worker, verb)).status_code == 403
        assert self.unchanged(worker)

    def test_operator(self, browser: Callable[..., Client]) -> None:
        operator, worker = browser("control_worker"), working()
        assert Page(operator.get(url(worker))).buttons() == {"quiet", "stop"}
        assert operator.post(url(worker, "stacks")).status_code == 403
        assert self.unchanged(worker)
        for verb in CONTROL:
            assert operator.post(url(worker, verb)).status_code == 302
        assert LogEntry.objects.count() == 3

    def test_one_who_may_see_stacks(self, browser: Callable[..., Client]) -> None:
        operator, worker = browser("view_worker_stacks"), working()
        assert Page(operator.get(url(worker))).buttons() == {"stacks"}
        for verb in CONTROL:
            assert operator.post(url(worker, verb)).status_code == 403
        assert self.unchanged(worker)
        assert operator.post(url(worker, "stacks")).status_code == 302

    def test_stacks_are_hidden_from_others(self, browser: Callable[..., Client]) -> None:
        job = JobFactory(running=True)
        worker = TestStacks().of(job)
        viewer = browser("control_worker")
        for page in (url(worker), job_url(job)):
            assert "File x" not in text_of(viewer.get(page))
        assert viewer.post(job_url(job, "stack")).status_code == 403
        assert self.unchanged(worker)

    def test_jobs_are_hidden_from_those_who_may_not_look_at_them(
        self, browser: Callable[..., Client]
    ) -> None:
        job, failed = JobFactory(running=True), JobFactory(dead=True)
        worker = working(threads_busy=1, running=[entry(job)])
        JobAttemptFactory(job=failed, worker_id=worker.pk, message="No such card: 4242.")
        page = browser(view=("view_worker",)).get(url(worker))
        text = text_of(page)
        assert "add" in text
        for hidden in ("4242", "What failed or was lost", job_url(job), job_url(failed)):
            assert hidden not in text
        assert "4242" in text_of(browser().get(url(worker)))

    @pytest.mark.parametrize("verb", VERBS)
    def test_one_who_may_not_look(self, verb: str, browser: Callable[..., Client]) -> None:
        blind = browser("control_worker", "view_worker_stacks", view=())
        worker = working(command=Command.QUIET)
        assert blind.get(url(worker)).status_code == 403
        assert blind.post(url(worker, verb)).status_code == 403
        assert self.unchanged(worker)

    @pytest.mark.parametrize("verb", VERBS)
    def test_get_a_forged_request_and_nobody(self, verb: str, admin: Client) -> None:
        worker = working(command=Command.QUIET)
        response = admin.get(url(worker, verb))
        assert (response.status_code, response["Allow"]) == (405, "POST")
        forger = Client(enforce_csrf_checks=True)
        forger.cookies = admin.cookies
        assert forger.post(url(worker, verb)).status_code == 403
        assert reverse("admin:login") in Client().post(url(worker, verb)).url
        assert self.unchanged(worker)

    def test_the_stack_of_a_job(self, admin: Client) -> None:
        job = JobFactory(running=True)
        worker = TestStacks().of(job)
        response = admin.get(job_url(job, "stack"))
        assert (response.status_code, response["Allow"]) == (405, "POST")
        forger = Client(enforce_csrf_checks=True)
        forger.cookies = admin.cookies
        assert forger.post(job_url(job, "stack")).status_code == 403
        assert reverse("admin:login") in Client().post(job_url(job, "stack")).url
        assert self.unchanged(worker)


def test_what_a_worker_brings_is_escaped(admin: Client) -> None:
    job = JobFactory(running=True, task_path=SCRIPT)
    listed = [entry(job, attempt=SCRIPT, since=SCRIPT, stack=SCRIPT)]
    worker = working(
        hostname=SCRIPT,
        queues=SCRIPT,
        version=SCRIPT[:32],
        backend_name=SCRIPT,
        running=listed,
        stacks=listed,
        stacks_at=timezone.now(),
    )
    Job.objects.update(worker_id=worker.pk)
    JobAttemptFactory(worker_id=worker.pk, exception_class=SCRIPT, message=SCRIPT, job=job)
    pages = [url(worker), job_url(job), WORKERS, reverse("admin:django_jobs_queue_changelist")]
    responses = [admin.get(page) for page in pages]
    responses += [admin.post(url(worker, verb), follow=True) for verb in VERBS]
    for response in responses:
        page = Page(response)
        assert SCRIPT not in page.text
        assert not page.inline
        assert not [attrs for _tag, attrs in page.elements if "style" in attrs]
