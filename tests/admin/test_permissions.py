"""Who may do what: each verb has a permission of its own, and GET changes nothing."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.admin.verbs import VERBS as ALL_VERBS
from django_jobs.models import Job, JobLog, JobStep, Status
from django_jobs.sensitive import MASK
from django_jobs.testing import run_pending
from tests.admin.pages import LIST, VERBS, Page, act, confirm, job_url, said
from tests.contract.support import queries
from tests.factories import JobAttemptFactory, JobFactory
from tests.sample import secrets

pytestmark = pytest.mark.django_db

FOR = {"retry": "dead", "discard": "dead", "cancel": "scheduled", "copy": "successful"}
LABELS = {name: str(verb.label) for name, verb in ALL_VERBS.items()}


def unchanged(job: Job) -> bool:
    status = job.status
    job.refresh_from_db()
    return job.status == status and Job.objects.count() == 1 and not LogEntry.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
class TestVerb:
    def test_viewer(self, verb: str, browser: Callable[..., Client]) -> None:
        viewer, job = browser(), JobFactory(**{FOR[verb]: True})
        assert Page(viewer.get(job_url(job))).buttons() == set()
        assert 'name="action"' not in viewer.get(LIST).content.decode()
        assert viewer.post(job_url(job, verb)).status_code == 403
        act(viewer, verb, job)
        assert unchanged(job)

    def test_operator_of_this_verb_alone(self, verb: str, browser: Callable[..., Client]) -> None:
        operator, job = browser(f"{verb}_job"), JobFactory(**{FOR[verb]: True})
        assert Page(operator.get(job_url(job))).buttons() == {verb}
        options = [attrs["value"] for attrs in Page(operator.get(LIST)).all("option")]
        assert options == ["", verb]
        for other in set(VERBS) - {verb}:
            assert operator.post(job_url(job, other)).status_code == 403
            assert said(act(operator, other, job)) == ["No action selected."]
        assert unchanged(job)
        assert operator.post(job_url(job, verb)).status_code == 302
        assert LogEntry.objects.count() == 1

    def test_without_the_permission_to_view(
        self, verb: str, browser: Callable[..., Client]
    ) -> None:
        blind, job = browser(f"{verb}_job", view=()), JobFactory(**{FOR[verb]: True})
        assert blind.get(LIST).status_code == 403
        assert blind.get(job_url(job)).status_code == 403
        assert blind.post(job_url(job, verb)).status_code == 403
        assert unchanged(job)

    def test_get_is_refused(self, verb: str, admin: Client) -> None:
        job = JobFactory(**{FOR[verb]: True})
        response = admin.get(job_url(job, verb))
        assert (response.status_code, response["Allow"]) == (405, "POST")
        admin.get(LIST, {"action": verb, "_selected_action": str(job.pk), "index": "0"})
        assert unchanged(job)

    def test_a_forged_request_is_refused(self, verb: str, admin: Client) -> None:
        job = JobFactory(**{FOR[verb]: True})
        forger = Client(enforce_csrf_checks=True)
        forger.cookies = admin.cookies
        assert forger.post(job_url(job, verb)).status_code == 403
        assert act(forger, verb, job).status_code == 403
        assert unchanged(job)

    def test_nobody(self, verb: str) -> None:
        job = JobFactory(**{FOR[verb]: True})
        response = Client().post(job_url(job, verb))
        assert response.status_code == 302
        assert reverse("admin:login") in response.url
        assert unchanged(job)


class TestOperator:
    """May do everything to jobs, and is not shown what they were called with."""

    ALL = tuple(f"{verb}_job" for verb in VERBS)

    def test_sees_every_button_and_no_argument(self, browser: Callable[..., Client]) -> None:
        job = JobFactory(dead=True, args=["arg-secret"], kwargs={"k": "kw-secret"})
        JobLog.objects.create(job=job, claim_no=5, number=5, text="log-secret")
        JobAttemptFactory(job=job, claim_no=5, number=5)
        JobStep.objects.create(
            job=job,
            name="a step",
            result="step-secret",
            **{"number": 5, "claim_no": 5},
            started_at=timezone.now(),
            finished_at=timezone.now(),
        )
        page = Page(browser(*self.ALL).get(job_url(job)))
        assert page.buttons() == {"retry", "discard", "copy"}
        assert "secret" not in page.text
        text = Page(browser("view_job_arguments").get(job_url(job))).text
        for secret in ("arg-secret", "kw-secret", "log-secret", "step-secret"):
            assert secret in text

    @pytest.mark.parametrize("verb", VERBS)
    def test_logs_what_and_how_many(self, verb: str, browser: Callable[..., Client]) -> None:
        jobs = JobFactory.create_batch(3, **{FOR[verb]: True})
        operator = browser(*self.ALL)
        confirm(operator, act(operator, verb, *jobs))
        each = LogEntry.objects.exclude(object_id=None)
        assert {entry.object_id for entry in each} == {str(job.pk) for job in jobs}
        assert {entry.change_message for entry in each} == {f"{LABELS[verb]}, 3 selected"}
        total = LogEntry.objects.get(object_id=None)
        assert total.object_repr == f"{LABELS[verb]}: 3"

    @pytest.mark.parametrize("verb", VERBS)
    def test_nobody_else_acts_on_many(self, verb: str, browser: Callable[..., Client]) -> None:
        jobs = JobFactory.create_batch(3, **{FOR[verb]: True})
        forger = Client(enforce_csrf_checks=True)
        forger.force_login(User.objects.create_superuser("forged"))
        others = [name for name in self.ALL if name != f"{verb}_job"]
        for client in (browser(), browser(*others), forger):
            for extra in ({}, {"select_across": "1"}, {"confirmed": "1"}):
                act(client, verb, *jobs, **extra)
            client.get(LIST, {"action": verb, "select_across": "1", "confirmed": "1", "index": "0"})
        assert Job.objects.filter(status=jobs[0].status).count() == Job.objects.count() == 3
        assert not LogEntry.objects.exists()


def test_superuser_sees_what_applies(admin: Client) -> None:
    def buttons(job: Job) -> set[str]:
        return Page(admin.get(job_url(job))).buttons()

    assert buttons(JobFactory(dead=True)) == {"retry", "discard", "copy"}
    assert buttons(JobFactory()) == {"cancel", "copy"}
    assert buttons(JobFactory(scheduled=True)) == {"cancel", "copy"}
    assert buttons(JobFactory(running=True)) == {"cancel", "copy"}
    assert buttons(JobFactory(successful=True)) == {"copy"}
    assert buttons(JobFactory(cancelled=True)) == {"copy"}
    assert buttons(JobFactory(discarded=True)) == {"copy"}


class TestArguments:
    def test_are_hidden_without_their_permission(self, browser: Callable[..., Client]) -> None:
        job = JobFactory(
            successful=True, args=["arg-secret"], kwargs={"k": "kw-secret"}, return_value="r-secret"
        )
        page = browser().get(job_url(job)).content.decode()
        assert "secret" not in page
        assert "(hidden)" in page
        page = browser("view_job_arguments").get(job_url(job)).content.decode()
        assert all(value in page for value in ("arg-secret", "kw-secret", "r-secret"))
        assert "(hidden)" not in page

    @pytest.mark.parametrize(
        "lookup", ["kwargs__password", "args__contains", "return_value", "worker_id", "id__gt"]
    )
    def test_can_not_be_guessed_at_by_a_filter(
        self, browser: Callable[..., Client], lookup: str
    ) -> None:
        JobFactory(kwargs={"password": "x"})
        assert browser().get(LIST, {lookup: "x"}).status_code == 400


class TestByHand:
    def test_nothing_is_added_edited_or_deleted(self, admin: Client) -> None:
        job = JobFactory(dead=True)
        assert admin.get(f"{LIST}add/").status_code == 403
        assert admin.post(f"{LIST}add/").status_code == 403
        assert admin.post(job_url(job), {"status": "READY"}).status_code == 403
        assert admin.get(job_url(job, "delete")).status_code == 403
        assert admin.post(job_url(job, "delete"), {"post": "yes"}).status_code == 403
        assert unchanged(job)
        assert said(act(admin, "delete_selected", job)) == ["No action selected."]
        assert unchanged(job)

    def test_the_page_of_a_job_has_no_inputs(self, admin: Client) -> None:
        page = Page(admin.get(job_url(JobFactory(dead=True))))
        names = {attrs.get("name") for attrs in page.all("input") if attrs["type"] != "search"}
        assert names == {"csrfmiddlewaretoken"}
        assert not page.all("textarea")
        assert not page.all("select")


def test_no_page_imports_what_a_row_names(admin: Client) -> None:
    job = JobFactory(dead=True, task_path="tests.sample.never.task")
    admin.get(job_url(job))
    admin.get(LIST, {"task": job.task_path})
    admin.post(job_url(job, "copy"))
    admin.post(job_url(job, "retry"))
    assert "tests.sample.never" not in sys.modules
    assert Job.objects.count() == 1


def test_a_retry_needs_the_status_too(browser: Callable[..., Client]) -> None:
    job = JobFactory(running=True)
    response = browser("retry_job").post(job_url(job, "retry"))
    assert "it is not dead" in said(response)[0]
    job.refresh_from_db()
    assert job.status == Status.RUNNING


class TestSensitive:
    TOKEN = "s3cr3t-token"

    @pytest.fixture
    def page(self, admin: Client) -> Callable[..., str]:
        """The page of such a job, for somebody who may see everything."""

        def get(**kwargs: object) -> str:
            job = JobFactory(**{"task_path": "tests.sample.secrets.call_api", **kwargs})
            pages = admin.get(job_url(job)), admin.get(LIST)
            return "".join(Page(response).text for response in pages)

        return get

    @pytest.mark.parametrize(
        "call",
        [
            {"args": ["how", TOKEN]},
            {"args": [], "kwargs": {"how": "how", "token": TOKEN}},
            {"args": ["how", TOKEN], "task_path": "tests.sample.secrets.former"},
            {"args": ["how"], "kwargs": {"former_name": TOKEN}},
        ],
    )
    def test_are_masked_for_everybody(self, page: Callable[..., str], call: Any) -> None:
        shown = page(**call)
        assert self.TOKEN not in shown
        assert "how" in shown
        assert MASK in shown

    def test_are_not_searched(self, admin: Client) -> None:
        JobFactory(task_path=secrets.call_api.module_path, args=["how", self.TOKEN])
        assert "No job matches" in Page(admin.get(LIST, {"q": self.TOKEN})).text

    def test_are_masked_where_something_quotes_them(self, page: Callable[..., str]) -> None:
        quoted = page(
            successful=True,
            args=["how", self.TOKEN],
            return_value=f"done with {self.TOKEN}",
            metadata={"x": self.TOKEN, "progress": {"done": 1, "note": f"sends {self.TOKEN}"}},
        )
        assert self.TOKEN not in quoted
        assert f"done with {MASK}" in quoted
        assert f"sends {MASK}" in quoted

    def test_the_result_of_a_step_too(self, admin: Client) -> None:
        secrets.call_with_context.enqueue("-", self.TOKEN)
        [job] = run_pending()
        page = Page(admin.get(job_url(job))).text
        assert f"session of {MASK}" in page
        assert self.TOKEN not in page

    @pytest.mark.parametrize(
        "what", [{"task_path": "shop.tasks.gone"}, {"backend_name": "gone"}], ids=str
    )
    def test_all_are_hidden_where_the_task_is_not_known(
        self, page: Callable[..., str], what: Any
    ) -> None:
        kwargs = {"task_path": "no.such.task"} | what
        own = {"return_value": "an-argument", "metadata": {"progress": {"note": "an-argument"}}}
        shown = page(args=["how", "an-argument"], successful=True, **kwargs, **own)
        assert "an-argument" not in shown
        assert MASK in shown
        assert "know the task" in shown

    def test_the_result_of_a_step_is_not_even_read_for_others(
        self, browser: Callable[..., Client]
    ) -> None:
        secrets.call_with_context.enqueue("-", self.TOKEN)
        [job] = run_pending()
        [steps] = [sql for sql in queries(lambda: browser().get(job_url(job))) if "jobstep" in sql]
        assert "name" in steps
        assert "result" not in steps

    def test_a_copy_has_them_and_shows_them_no_more(self, admin: Client) -> None:
        job = JobFactory(
            successful=True,
            task_path=secrets.call_api.module_path,
            args=["how", self.TOKEN],
        )
        page = admin.post(job_url(job, "copy"), follow=True)
        copy = Job.objects.exclude(pk=job.pk).get()
        assert copy.args == ["how", self.TOKEN]
        assert self.TOKEN not in Page(page).text
        log = LogEntry.objects.values_list("object_repr", "change_message")
        assert self.TOKEN not in repr(list(log))
