"""Retry, Discard, Cancel and Run a copy: on the list and on a job's page."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import resolve

from django_jobs.admin import actions, perform
from django_jobs.admin.perform import Report
from django_jobs.admin.verbs import VERBS
from django_jobs.models import Job, Status
from tests.admin.pages import LIST, Page, act, confirm, job_url, said
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

# A verb, a job that it is for, and what becomes of that job.
DONE = [
    ("retry", {"dead": True}, Status.READY, "1 job was retried."),
    ("discard", {"dead": True}, Status.DISCARDED, "1 job was discarded."),
    ("cancel", {}, Status.CANCELLED, "1 job was cancelled."),
    ("cancel", {"scheduled": True}, Status.CANCELLED, "1 job was cancelled."),
    ("cancel", {"running": True}, Status.RUNNING, "1 running job was asked to end."),
    ("copy", {"successful": True}, Status.SUCCESSFUL, "1 copy was enqueued."),
]
DONE_TO_MANY = [
    ("retry", {"dead": True}, Status.READY, "3 jobs were retried"),
    ("discard", {"dead": True}, Status.DISCARDED, "3 jobs were discarded"),
    ("cancel", {}, Status.CANCELLED, "3 jobs were cancelled"),
]
LABELS = {verb.name: str(verb.label) for verb in VERBS.values()}


def reread(*jobs: Job) -> list[Any]:
    for job in jobs:
        job.refresh_from_db()
    return [job.status for job in jobs]


@pytest.mark.parametrize(("verb", "traits", "status", "message"), DONE)
def test_one_job_from_its_page(
    admin: Client, verb: str, traits: dict[str, bool], status: Status, message: str
) -> None:
    job = JobFactory(**traits)
    response = admin.post(job_url(job, verb))
    assert response.status_code == 302
    assert said(response)[0].startswith(message)
    assert reread(job) == [status]
    entry = LogEntry.objects.get()
    assert (entry.object_id, entry.change_message) == (str(job.pk), LABELS[verb])
    assert "Retry" in admin.get(job_url(job, "history")).content.decode() or verb != "retry"


@pytest.mark.parametrize(("verb", "traits", "status", "message"), DONE)
def test_one_job_of_the_list_needs_no_confirmation(
    admin: Client, verb: str, traits: dict[str, bool], status: Status, message: str
) -> None:
    job = JobFactory(**traits)
    response = act(admin, verb, job)
    assert response.status_code == 302
    assert said(response)[0].startswith(message)
    assert reread(job) == [status]
    assert LogEntry.objects.get().object_id == str(job.pk)


@pytest.mark.parametrize(("verb", "traits", "status", "message"), DONE_TO_MANY)
def test_several_jobs_are_asked_about_first(
    admin: Client, verb: str, traits: dict[str, bool], status: Status, message: str
) -> None:
    jobs = JobFactory.create_batch(3, **traits)
    others = JobFactory.create_batch(2, successful=True)
    before = reread(*jobs)
    question = act(admin, verb, *jobs, *others)
    assert f"{LABELS[verb]} 3 jobs?" in question.content.decode()
    assert "2 were skipped because" in question.content.decode()
    assert reread(*jobs) == before
    assert not LogEntry.objects.exists()

    answer = confirm(admin, question)
    assert said(answer)[0].startswith(f"{message}, 2 were skipped because they")
    assert reread(*jobs, *others) == [status] * 3 + [Status.SUCCESSFUL] * 2
    each = LogEntry.objects.exclude(object_id=None)
    assert {entry.object_id for entry in each} == {str(job.pk) for job in jobs}
    total = LogEntry.objects.get(object_id=None)
    assert total.object_repr == f"{LABELS[verb]}: 3"
    assert total.change_message == said(answer)[0]


def test_messages_agree_with_their_numbers(admin: Client) -> None:
    dead, other = JobFactory(dead=True), JobFactory(successful=True)
    response = confirm(admin, act(admin, "retry", dead, other))
    assert said(response) == ["1 job was retried, 1 was skipped because it is not dead."]
    response = act(admin, "retry", other)
    assert said(response) == ["0 jobs were retried, 1 was skipped because it is not dead."]


def test_nothing_to_do_is_not_asked_about_nor_logged(admin: Client) -> None:
    response = act(admin, "discard", *JobFactory.create_batch(2))
    assert said(response) == ["0 jobs were discarded, 2 were skipped because they are not dead."]
    assert not LogEntry.objects.exists()


def test_a_job_that_has_moved_on_is_counted_as_skipped(admin: Client) -> None:
    jobs = JobFactory.create_batch(3, dead=True)
    url = f"{LIST}?status=DEAD"
    question = act(admin, "retry", *jobs, url=url)
    Job.objects.filter(pk=jobs[0].pk).discard()
    response = confirm(admin, question, url)
    assert said(response) == ["2 jobs were retried, 1 was skipped because it is not dead."]


def test_a_retry_gives_all_attempts_anew(admin: Client) -> None:
    job = JobFactory(dead=True)
    admin.post(job_url(job, "retry"))
    job.refresh_from_db()
    assert (job.attempts, job.claim_no, job.finished_at) == (0, 5, None)


def test_running_jobs_are_asked_to_end_once(admin: Client) -> None:
    waiting, running = JobFactory(), JobFactory(running=True)
    response = confirm(admin, act(admin, "cancel", waiting, running))
    assert said(response) == ["1 job was cancelled, 1 running job was asked to end."]
    response = act(admin, "cancel", running)
    assert "it has ended or was asked to already" in said(response)[0]
    assert "cancel" not in Page(admin.get(job_url(running))).buttons()


class TestCopy:
    def test_has_the_same_call_and_says_where_it_is_from(self, admin: Client) -> None:
        job = JobFactory(
            dead=True, args=[1], kwargs={"b": 2}, queue_name="mail", priority=7, max_attempts=2
        )
        response = admin.post(job_url(job, "copy"))
        copy = Job.objects.exclude(pk=job.pk).get()
        assert response.url == job_url(copy)
        assert (copy.args, copy.kwargs, copy.queue_name, copy.priority) == (
            [1],
            {"b": 2},
            "mail",
            7,
        )
        assert (copy.status, copy.attempts, copy.claim_no) == (Status.READY, 0, 0)
        assert copy.max_attempts == 5  # what the task says today
        assert copy.metadata == {"copy_of": str(job.pk)}
        assert job_url(job) in admin.get(job_url(copy)).content.decode()

    def test_of_several(self, admin: Client) -> None:
        jobs = JobFactory.create_batch(3, successful=True)
        response = confirm(admin, act(admin, "copy", *jobs))
        assert said(response) == ["3 copies were enqueued."]
        made = Job.objects.filter(status=Status.READY)
        assert {copy.metadata["copy_of"] for copy in made} == {str(job.pk) for job in jobs}

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"task_path": "os.system"}, "Unknown task 'os.system'"),
            ({"task_path": "gone.tasks.<b>"}, "Unknown task 'gone.tasks.&lt;b&gt;'"),
            ({"backend_name": "gone"}, "TASKS has no django_jobs backend 'gone'"),
            ({"args": [1]}, "missing a required argument"),
            ({"queue_name": "no such name"}, "no queue name"),
        ],
    )
    def test_that_can_not_be_made(self, admin: Client, changes: dict[str, Any], why: str) -> None:
        job = JobFactory(dead=True, **changes)
        response = admin.post(job_url(job, "copy"), follow=True)
        assert "1 was skipped because it could not be enqueued" in response.content.decode()
        assert why in response.content.decode().replace("&#x27;", "'")
        assert Job.objects.count() == 1
        assert not LogEntry.objects.exists()

    def test_of_good_and_bad(self, admin: Client) -> None:
        good = JobFactory.create_batch(2)
        bad = JobFactory.create_batch(2, task_path="gone.tasks.x")
        response = confirm(admin, act(admin, "copy", *good, *bad))
        assert said(response)[0].startswith(
            "2 copies were enqueued, 2 were skipped because they could not be enqueued. "
            "Unknown task 'gone.tasks.x'"
        )
        assert said(response)[0].endswith("(×2)")

    def test_of_too_many(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(actions, "COPY_LIMIT", 2)
        response = act(admin, "copy", *JobFactory.create_batch(3))
        assert said(response) == ["At most 2 jobs can be copied at once; 3 are selected."]
        assert Job.objects.count() == 3


class TestAcrossPages:
    def test_all_that_match_in_chunks(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(perform, "CHUNK", 4)
        dead = JobFactory.create_batch(10, dead=True)
        other = JobFactory(dead=True, queue_name="mail")
        JobFactory.create_batch(3, successful=True)
        url = f"{LIST}?queue=default"
        question = act(admin, "retry", dead[0], url=url, select_across="1")
        assert "Retry 10 jobs?" in question.content.decode()
        later = JobFactory(dead=True)
        response = confirm(admin, question, url)
        assert said(response) == ["10 jobs were retried, 3 were skipped because they are not dead."]
        assert reread(*dead) == [Status.READY] * 10
        assert reread(other, later) == [Status.DEAD] * 2
        entry = LogEntry.objects.get()
        assert entry.object_id is None
        assert entry.object_repr == "Retry: 10"
        assert entry.change_message.endswith("Selected by 'queue=default'.")

    def test_where_the_count_is_cut_short(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_jobs.admin.paginator.count_up_to.__defaults__", (5,))
        jobs = JobFactory.create_batch(8, dead=True)
        url = f"{LIST}?status=DEAD"
        page = admin.get(url).content.decode()
        assert "All 5+ selected" in page
        question = act(admin, "retry", jobs[0], url=url, select_across="1")
        assert "Retry 5+ jobs?" in question.content.decode()
        assert said(confirm(admin, question, url)) == ["8 jobs were retried."]

    def test_when_the_time_is_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(perform, "CHUNK", 2)
        JobFactory.create_batch(5, dead=True)
        report = Report()
        perform.perform(VERBS["retry"], Job.objects.all(), report, time_limit=-1)
        assert (report.done, report.is_complete) == (0, False)
        perform.perform(VERBS["retry"], Job.objects.all(), report)
        assert report.done == 5

    def test_the_message_when_the_time_is_up(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(perform.perform, "__defaults__", (None, -1))
        job = JobFactory(dead=True)
        response = act(admin, "retry", job)
        assert said(response) == [
            "0 jobs were retried. "
            "The time for one request is up: run the action again for the rest."
        ]


def test_an_action_takes_a_bounded_number_of_statements(
    admin: Client,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    jobs = JobFactory.create_batch(300, dead=True)
    url = f"{LIST}?status=DEAD"
    question = act(admin, "retry", jobs[0], url=url, select_across="1")
    with django_assert_max_num_queries(25):
        confirm(admin, question, url)


def test_a_failure_midway_leaves_a_log_of_what_was_done(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(perform, "CHUNK", 2)
    jobs = JobFactory.create_batch(4, dead=True)
    calls = []

    def fail_once(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise RuntimeError("no more")
        change(*args)

    change = perform._change
    question = act(admin, "retry", jobs[0], select_across="1")
    monkeypatch.setattr(perform, "_change", fail_once)
    with pytest.raises(RuntimeError):
        confirm(admin, question)
    assert LogEntry.objects.get().object_repr == "Retry: 2"


def test_a_job_that_is_gone(admin: Client) -> None:
    job = JobFactory(dead=True)
    url = job_url(job, "retry")
    job.delete()
    response = admin.post(url)
    assert response.status_code == 302
    assert "doesn’t exist" in said(response)[0]


def test_the_filters_of_the_list_come_back(admin: Client) -> None:
    job = JobFactory(dead=True)
    url = f"{job_url(job)}?_changelist_filters=status%3DDEAD"
    [action] = [
        attrs["formaction"]
        for attrs in Page(admin.get(url)).all("button")
        if "/retry/" in attrs.get("formaction", "")
    ]
    assert admin.post(action).url == url
    links = [attrs.get("href") for attrs in Page(admin.get(url)).all("a")]
    assert f"{LIST}?status=DEAD" in links, "the way back"


def test_a_dead_action_is_retried_by_those_who_may_do_it(
    admin: Client, browser: Callable[..., Client]
) -> None:
    path = "django_jobs.tasks.act_on_jobs"
    job = JobFactory(dead=True, task_path=path, args=["discard", {}, "1"])
    other = JobFactory(dead=True)
    retrier = browser("retry_job")
    page = Page(retrier.get(job_url(job))).text
    assert "It does what you may not do." in page
    assert retrier.post(job_url(job, "retry")).status_code == 403
    confirm(retrier, act(retrier, "retry", job, other))
    assert reread(job, other) == [Status.DEAD, Status.READY]
    for junk in ([], [[]], {"a": 1}, ["copy"]):
        Job.objects.filter(pk=job.pk).update(args=junk)
        assert "It does what you may not do." in Page(retrier.get(job_url(job))).text
    Job.objects.filter(pk=job.pk).update(args=["discard", {}, "1"])
    both = browser("retry_job", "discard_job")
    assert "<h1>Discard: many jobs</h1>" in Page(both.get(job_url(job))).text
    assert "It does what you may not do." not in Page(both.get(job_url(job))).text
    assert both.post(job_url(job, "retry")).status_code == 302
    assert reread(job) == [Status.READY]


def test_a_made_up_selection_is_refused(admin: Client) -> None:
    data = {"action": "retry", "index": "0", "_selected_action": "junk"}
    assert admin.post(LIST, data).status_code == 400
    data = {"action": "retry", "_selected_action": str(UUID(int=0)), "select_across": "1"}
    assert admin.post(LIST, data | {"until": "junk"}).status_code == 400
    for junk in ("junk", "2026-01-01T00:00:00"):
        assert admin.post(LIST, data | {"before": junk}).status_code == 400


def test_no_transaction_spans_an_action() -> None:
    """Under ATOMIC_REQUESTS too: each chunk is to hold its locks for its own time only."""
    for url in (LIST, job_url(Job(), "retry")):
        assert resolve(url).func._non_atomic_requests == set(connections)
