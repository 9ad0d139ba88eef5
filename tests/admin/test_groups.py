"""Failure groups: the list, a group's page, and its buttons."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections
from django.test import Client
from django.urls import resolve, reverse
from django.utils import timezone

from django_jobs import tasks
from django_jobs.admin import group_counts, handover
from django_jobs.db.clock import DbNow
from django_jobs.many import Which
from django_jobs.models import FailureGroup, Job, Status
from django_jobs.testing import run_pending
from tests.admin.pages import LIST, Page, act, confirm, job_url, said
from tests.factories import JobFactory, QueueFactory, WorkerFactory

pytestmark = pytest.mark.django_db

GROUPS = reverse("admin:django_jobs_failuregroup_changelist")
VERBS = ("retry", "discard", "cancel")
TRAITS: dict[str, dict[str, Any]] = {
    "retry": {"dead": True},
    "discard": {"dead": True},
    "cancel": {"scheduled": True, "attempts": 1},
}
THEN = {"retry": Status.READY, "discard": Status.DISCARDED, "cancel": Status.CANCELLED}
SCRIPT = "<script>alert(1)</script>"


def group_url(group: FailureGroup, verb: str = "change") -> str:
    return reverse(f"admin:django_jobs_failuregroup_{verb}", args=[group.pk])


def make(pk: str = "ab", **values: Any) -> FailureGroup:
    now = timezone.now()
    made: FailureGroup = FailureGroup.objects.create(
        **{
            "fingerprint": pk * 8,
            "task_path": "shop.tasks.send_invoice",
            "outcome": "FAILED",
            "exception_class": "builtins.ValueError",
            "place": "shop.mail.send",
            "message": "no luck",
            "job_id": JobFactory.build().pk,
            "first_seen": now,
            "last_seen": now,
            "seen": 7,
            **values,
        }
    )
    return made


def jobs_of(group: FailureGroup, n: int, **traits: Any) -> list[Job]:
    made: list[Job] = JobFactory.create_batch(n, failure_group=group.pk, **traits)
    return made


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


class TestList:
    def rows(self, client: Client, **query: str) -> list[str]:
        response = client.get(GROUPS, query)
        assert response.status_code == 200
        return [group.pk[:2] for group in response.context_data["cl"].result_list]

    def test_shows_what_an_operator_asks(self, admin: Client) -> None:
        group = make(seen=1234)
        jobs_of(group, 3, dead=True)
        jobs_of(group, 2, scheduled=True, attempts=1)
        page = text(admin.get(GROUPS))
        for shown in (
            "send_invoice",
            "ValueError",
            "no luck",
            "shop.mail.send",
            "1,234",
            f'<a href="{LIST}?group={group.pk}&amp;status=DEAD">3</a>',
            f'<a href="{LIST}?group={group.pk}&amp;status=retrying">2</a>',
        ):
            assert shown in page

    def test_empty(self, admin: Client) -> None:
        assert "Nothing has failed yet." in text(admin.get(GROUPS))
        make()
        assert "No failure matches." in text(admin.get(f"{GROUPS}?q=nothing"))

    def test_those_with_dead_jobs_first_and_those_that_are_over_last(self, admin: Client) -> None:
        now = timezone.now()
        for pk, minutes, traits in (
            ("aa", 0, {"discarded": True}),
            ("bb", 1, {"scheduled": True, "attempts": 1}),
            ("cc", 3, {"dead": True}),
            ("dd", 2, {"dead": True}),
        ):
            jobs_of(make(pk, last_seen=now - timedelta(minutes=minutes)), 1, **traits)
        assert self.rows(admin) == ["dd", "cc", "bb", "aa"]
        jobs_of(FailureGroup.objects.get(pk="cc" * 8), 1, dead=True)
        assert self.rows(admin) == ["cc", "dd", "bb", "aa"], "what fails most comes first"
        assert self.rows(admin, o="2.6")[-2:] == ["dd", "cc"], "the fewest first, if asked for"
        assert self.rows(admin, jobs="dead") == ["cc", "dd"]
        assert self.rows(admin, jobs="retrying") == ["bb"]
        assert self.rows(admin, jobs="none") == ["aa"]
        assert self.rows(admin, o="-6") == ["aa", "bb", "dd", "cc"]

    def test_search(self, admin: Client) -> None:
        make("aa", task_path="a.mail")
        make("bb", place="b.mail")
        make("cc", message="no Mail")
        make("dd", place="c.d")
        assert set(self.rows(admin, q="mail")) == {"aa", "bb", "cc"}

    @pytest.mark.parametrize("count", [1, 25])
    def test_takes_the_same_statements_for_any_number_of_groups(
        self, admin: Client, django_assert_num_queries: Callable[..., Any], count: int
    ) -> None:
        for n in range(count):
            jobs_of(make(f"{n:02}"), 2, dead=True)
        # Session, user, what has the most dead, the count, the groups, the counts of jobs.
        with django_assert_num_queries(6):
            assert len(self.rows(admin)) == count

    def test_counts_say_where_they_are_cut_short(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_jobs.admin.group.LISTED_LIMIT", 2)
        jobs_of(make(), 3, dead=True)
        assert ">2+</a>" in text(admin.get(GROUPS))

    def test_pages(self, admin: Client) -> None:
        for n in range(30):
            make(f"{n:02}")
        assert len(self.rows(admin)) == 25
        assert len(self.rows(admin, p="2")) == 5
        assert len(self.rows(admin, all="")) == 25

    @pytest.mark.parametrize("lookup", ["jobs=nonsense", "p=x", "o=1.2", "e=1"])
    def test_survives_wild_parameters(self, admin: Client, lookup: str) -> None:
        make()
        assert admin.get(f"{GROUPS}?{lookup}").status_code == 200

    def test_counts_of_none(self) -> None:
        assert group_counts.counts_of([], 10) == {}


class TestPage:
    def test_shows_the_same_and_links_to_jobs(self, admin: Client) -> None:
        group = make(message="first line\nsecond")
        [job] = jobs_of(group, 1, dead=True)
        FailureGroup.objects.update(job_id=job.pk)
        page = text(admin.get(group_url(group)))
        for shown in (
            "builtins.ValueError",
            "first line second",
            "shop.tasks.send_invoice",
            "shop.mail.send",
            job_url(job),
            f"{LIST}?group={group.pk}&amp;status=DEAD",
            "Retry the job",
            "Discard the job",
        ):
            assert shown in page
        assert "Cancel the job" not in page
        assert "Nothing is left to do" not in page

    def test_says_when_nothing_is_left_to_do(self, admin: Client) -> None:
        group = make()
        jobs_of(group, 1, discarded=True)
        page = text(admin.get(group_url(group)))
        assert "Nothing is left to do" in page
        assert "jobs-badge jobs-quiet" in page

    def test_the_examples_of_the_question_are_jobs(self, admin: Client) -> None:
        group = make()
        [job] = jobs_of(group, 1, dead=True)
        page = Page(admin.post(group_url(group, "retry")))
        assert job_url(job) in [a.get("href") for a in page.all("a")]

    @pytest.mark.parametrize("verb", ["retry", "discard"])
    def test_what_died_after_the_question_is_left_alone(self, admin: Client, verb: str) -> None:
        group = make()
        jobs, later = jobs_of(group, 2, dead=True), jobs_of(group, 1)
        url = group_url(group, verb)
        question = admin.post(url)
        Job.objects.filter(pk=later[0].pk).update(status=Status.DEAD, finished_at=DbNow())
        assert "2 jobs were" in said(confirm(admin, question, url))[0]
        assert reread(jobs) == [THEN[verb]] * 2
        assert reread(later) == [Status.DEAD]

    def test_an_example_that_is_gone(self, admin: Client) -> None:
        group = make()
        page = text(admin.get(group_url(group)))
        assert str(group.job_id) in page
        assert job_url(Job(pk=group.job_id)) not in page
        assert Page(admin.get(group_url(group))).buttons() == set()

    def test_a_lost_worker_has_no_exception(self, admin: Client) -> None:
        group = make(outcome="LOST", exception_class="", place="", message="the worker was lost")
        page = text(admin.get(group_url(group)))
        assert "send_invoice: Worker lost" in page
        assert "<dt>Place</dt>" not in page

    def test_takes_few_statements(
        self, admin: Client, django_assert_max_num_queries: Callable[..., Any]
    ) -> None:
        group = make()
        jobs_of(group, 20, dead=True)
        with django_assert_max_num_queries(5):
            admin.get(group_url(group))

    def test_nothing_is_edited(self, admin: Client) -> None:
        group = make()
        assert admin.post(group_url(group), {"message": "x"}).status_code == 403
        assert admin.post(group_url(group, "delete"), {"post": "yes"}).status_code == 403
        assert admin.get(f"{GROUPS}add/").status_code == 403
        assert FailureGroup.objects.get().message == "no luck"


@pytest.mark.parametrize("verb", VERBS)
class TestButtons:
    def test_all_of_the_group_after_a_question(self, admin: Client, verb: str) -> None:
        group, other = make("ab"), make("cd")
        jobs = jobs_of(group, 3, **TRAITS[verb])
        others = [*jobs_of(other, 1, **TRAITS[verb]), *jobs_of(group, 1, successful=True)]
        before = [job.status for job in others]
        url = group_url(group, verb)
        question = admin.post(url)
        assert f"{verb.capitalize()} 3 jobs?" in text(question)
        assert set(reread(jobs)) == {jobs[0].status}
        later = jobs_of(group, 1, **TRAITS[verb])
        answer = confirm(admin, question, url)
        assert answer.url == group_url(group)
        assert reread(jobs) == [THEN[verb]] * 3
        assert reread([*others, *later]) == [*before, later[0].status]
        [message] = said(answer)
        assert message.startswith("3 jobs were")
        entry = LogEntry.objects.get()
        assert (entry.object_id, entry.object_repr) == (group.pk, f"{verb.capitalize()}: 3")
        assert (
            entry.change_message == f"{message} Selected by the failure group {group.pk}, {group}."
        )
        assert "3 jobs were" in text(admin.get(group_url(group, "history")))

    def test_nothing_to_do(self, admin: Client, verb: str) -> None:
        response = admin.post(group_url(make(), verb))
        assert said(response)[0].startswith("0 jobs were")
        assert not LogEntry.objects.exists()

    def test_needs_its_permission_and_that_to_look(
        self, browser: Callable[..., Client], verb: str
    ) -> None:
        group = make()
        [job] = jobs_of(group, 1, **TRAITS[verb])
        views = ("view_job", "view_failuregroup")
        others = tuple(f"{other}_job" for other in VERBS if other != verb)
        for client in (
            browser(view=views),
            browser(*others, view=views),
            browser(f"{verb}_job", view=("view_job",)),
            browser(f"{verb}_job", view=("view_failuregroup",)),
        ):
            assert client.post(group_url(group, verb)).status_code == 403
        assert reread([job]) == [job.status]
        operator = browser(f"{verb}_job", view=views)
        assert Page(operator.get(group_url(group))).buttons() == {verb}
        question = operator.post(group_url(group, verb))
        assert reread([job]) == [job.status], "it asks even for one"
        assert confirm(operator, question, group_url(group, verb)).status_code == 302
        assert reread([job]) == [THEN[verb]]

    def test_get_a_forged_request_and_nobody_are_refused(self, admin: Client, verb: str) -> None:
        group = make()
        jobs = jobs_of(group, 2, **TRAITS[verb])
        url = group_url(group, verb)
        assert admin.get(url).status_code == 405
        forger = Client(enforce_csrf_checks=True)
        assert Client().post(url).url.startswith(reverse("admin:login"))
        forger.cookies = admin.cookies
        assert forger.post(url, {"confirmed": "1"}).status_code == 403
        assert reread(jobs) == [jobs[0].status] * 2

    def test_a_made_up_request_is_refused(self, admin: Client, verb: str) -> None:
        assert admin.post(group_url(make(), verb), {"until": "junk"}).status_code == 400
        gone = admin.post(group_url(FailureGroup(pk="cd" * 8), verb))
        assert "doesn’t exist" in said(gone)[0]

    def test_no_transaction_spans_it(self, verb: str) -> None:
        func = resolve(group_url(FailureGroup(pk="ab" * 8), verb)).func
        assert getattr(func, "_non_atomic_requests", None) == set(connections)


def reread(jobs: list[Job]) -> list[str]:
    for job in jobs:
        job.refresh_from_db()
    return [job.status for job in jobs]


class TestPermissions:
    def test_without_that_to_look(self, browser: Callable[..., Client]) -> None:
        client, group = browser(), make()
        assert client.get(GROUPS).status_code == 403
        assert client.get(group_url(group)).status_code == 403

    def test_a_viewer_sees_no_buttons(self, browser: Callable[..., Client]) -> None:
        group = make()
        jobs_of(group, 1, dead=True)
        viewer = browser(view=("view_failuregroup", "view_job"))
        assert Page(viewer.get(group_url(group))).buttons() == set()
        assert 'name="action"' not in text(viewer.get(GROUPS))

    def test_without_that_to_look_at_jobs_there_are_no_links(
        self, browser: Callable[..., Client]
    ) -> None:
        group = make()
        jobs_of(group, 1, dead=True)
        assert LIST not in text(browser(view=("view_failuregroup",)).get(group_url(group)))


def test_everything_is_escaped_and_holds_under_a_strict_policy(admin: Client) -> None:
    group = make(
        task_path=f"x.{SCRIPT}", exception_class=SCRIPT, place=SCRIPT, message=f"{SCRIPT}\n{SCRIPT}"
    )
    jobs_of(group, 2, dead=True, last_error=SCRIPT, task_path=f"x.{SCRIPT}")
    for response in (
        admin.get(GROUPS),
        admin.get(f"{GROUPS}?q={SCRIPT}"),
        admin.get(group_url(group)),
        admin.get(group_url(group, "history")),
        admin.get(LIST, {"group": group.pk}),
        admin.get(LIST, {"group": SCRIPT}),
        admin.post(group_url(group, "retry")),
    ):
        page = Page(response)
        assert SCRIPT not in page.text
        assert not page.inline
        for tag, attrs in page.elements:
            assert "style" not in attrs, (tag, attrs)
            assert not [name for name in attrs if name.startswith("on")], (tag, attrs)


class TestJobList:
    def listed(self, client: Client, **query: str) -> set[Any]:
        return {job.pk for job in client.get(LIST, query).context_data["cl"].result_list}

    def test_is_filtered_by_a_group(self, admin: Client) -> None:
        group = make()
        [dead] = jobs_of(group, 1, dead=True)
        [again] = jobs_of(group, 1, scheduled=True, attempts=1)
        JobFactory(dead=True)
        assert self.listed(admin, group=group.pk) == {dead.pk, again.pk}
        assert self.listed(admin, group=group.pk, status="DEAD") == {dead.pk}
        assert self.listed(admin, group="nonsense") == set()
        assert "send_invoice: ValueError" in text(admin.get(LIST, {"group": group.pk}))
        assert "By failure" not in text(admin.get(LIST))


class TestHandedOver:
    """An action for very many jobs is done by a job of its own."""

    @pytest.fixture(autouse=True)
    def many_are_three(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(handover, "AT_ONCE", 3)

    def across(self, client: Client, verb: str, query: str) -> Any:
        url = f"{LIST}?{query}"
        question = act(client, verb, Job.objects.all()[0], url=url, select_across="1")
        assert "a job of its own does it" in text(question)
        return confirm(client, question, url)

    def made(self) -> Any:
        return Job.objects.get(task_path=tasks.act_on_jobs.module_path)

    def test_a_group(self, admin: Client) -> None:
        group = make()
        jobs = jobs_of(group, 5, dead=True, queue_name="others")
        url = group_url(group, "discard")
        question = admin.post(url)
        assert "Discard 5 jobs?" in text(question)
        assert "a job of its own does it" in text(question)
        answer = confirm(admin, question, url)
        made = self.made()
        assert answer.url == job_url(made)
        [message] = said(answer)
        assert message.startswith("Discard, 5 jobs: a job of its own does it, step by step.")
        assert "no worker is running. Start one with: manage.py runjobs" in message
        assert reread(jobs) == [Status.DEAD] * 5
        entry, same = LogEntry.objects.order_by("pk")
        assert (entry.object_id, entry.object_repr) == (str(made.pk), "Discard: 5, by a job")
        assert f"{group.pk}, {group}" in entry.change_message
        assert (same.object_id, same.change_message) == (group.pk, entry.change_message)
        [ran] = run_pending()
        assert ran.return_value == {"done": 5, "asked": 0, "held": 0}
        assert reread(jobs) == [Status.DISCARDED] * 5
        assert LogEntry.objects.filter(object_repr="Discard: 5").get().user == entry.user

    def test_what_died_after_the_question_is_left_alone(self, admin: Client) -> None:
        group = make()
        jobs, later = jobs_of(group, 5, dead=True), jobs_of(group, 1)
        url = group_url(group, "discard")
        question = admin.post(url)
        Job.objects.filter(pk=later[0].pk).update(status=Status.DEAD, finished_at=DbNow())
        confirm(admin, question, url)
        run_pending()
        assert reread(jobs) == [Status.DISCARDED] * 5
        assert reread(later) == [Status.DEAD]

    def test_it_stands_behind_no_other_job(self, admin: Client) -> None:
        JobFactory(priority=99)
        group = make()
        jobs = jobs_of(group, 5, dead=True)
        url = group_url(group, "discard")
        confirm(admin, admin.post(url), url)
        run_pending(limit=1)
        assert reread(jobs) == [Status.DISCARDED] * 5

    def test_the_retries_of_a_group(self, admin: Client) -> None:
        group = make()
        jobs = jobs_of(group, 5, scheduled=True, attempts=1)
        [ready] = jobs_of(group, 1)
        url = group_url(group, "cancel")
        confirm(admin, admin.post(url), url)
        run_pending(limit=1)
        Job.objects.filter(pk=ready.pk).update(status=Status.READY)
        run_pending()
        assert reread(jobs) == [Status.CANCELLED] * 5

    def test_all_that_match_the_filters(self, admin: Client) -> None:
        WorkerFactory()
        values = {"dead": True, "queue_name": "mail", "task_path": "a.b"}
        jobs = JobFactory.create_batch(5, **values)
        others = [
            JobFactory(**values | {"queue_name": "other"}),
            JobFactory(**values | {"task_path": "a.c"}),
        ]
        answer = self.across(admin, "discard", "queue=mail&task=a.b&status=DEAD&since=24h&o=1")
        assert "It starts when its turn has come and a worker is free." in said(answer)[0]
        assert "Selected by 'queue=mail" in LogEntry.objects.get().change_message
        later = JobFactory(**values)
        run_pending()
        assert reread(jobs) == [Status.DISCARDED] * 5
        assert reread([*others, later]) == [Status.DEAD] * 3

    def test_of_a_list_that_looks_at_the_newest_only(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        jobs = JobFactory.create_batch(9, dead=True)
        monkeypatch.setattr("django_jobs.admin.changelist.SEARCHED", 5)
        self.across(admin, "discard", "queue=default")
        which = Which.of(self.made().args[1])
        assert which.after == jobs[3].pk

    @pytest.mark.parametrize("query", ["q=add", "q=add&status=DEAD"])
    def test_what_a_job_can_not_be_told_is_done_at_once(self, admin: Client, query: str) -> None:
        jobs = JobFactory.create_batch(5, dead=True)
        url = f"{LIST}?{query}"
        question = act(admin, "discard", jobs[0], url=url, select_across="1")
        assert "a job of its own" not in text(question)
        assert said(confirm(admin, question, url)) == ["5 jobs were discarded."]
        assert reread(jobs) == [Status.DISCARDED] * 5

    def test_a_job_that_does_it_is_not_copied(self, admin: Client) -> None:
        JobFactory.create_batch(5, dead=True)
        self.across(admin, "discard", "status=DEAD")
        run_pending()
        made = self.made()
        [button] = [
            attrs
            for attrs in Page(admin.get(job_url(made))).all("button")
            if attrs.get("formaction", "").endswith("/copy/")
        ]
        assert "disabled" in button
        [told] = said(admin.post(job_url(made, "copy")))
        assert "It does an action of the list: start that there again." in told
        assert self.made() == made

    def test_ticked_rows_and_copies_are_done_at_once(self, admin: Client) -> None:
        jobs = JobFactory.create_batch(5, dead=True)
        question = act(admin, "retry", *jobs)
        assert "a job of its own" not in text(question)
        assert said(confirm(admin, question)) == ["5 jobs were retried."]
        question = act(admin, "copy", jobs[0], select_across="1")
        assert "a job of its own" not in text(question)

    def test_where_the_queue_is_paused(self, admin: Client) -> None:
        WorkerFactory()
        QueueFactory(name="default", paused=True)
        JobFactory.create_batch(5, dead=True)
        assert "is paused" in said(self.across(admin, "discard", "status=DEAD"))[0]

    def test_where_no_backend_can_run_it(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "home", lambda: None)
        group = make()
        jobs_of(group, 5, dead=True)
        url = group_url(group, "discard")
        question = admin.post(url)
        assert "a job of its own" not in text(question)
        assert said(confirm(admin, question, url)) == ["5 jobs were discarded."]
