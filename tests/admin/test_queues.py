"""The list of queues, and how they are paused and resumed."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.admin import lanes as lanes_module
from django_jobs.admin.lanes import Lane, lanes
from django_jobs.figures import write
from django_jobs.ids import uuid7
from django_jobs.models import Phase, Queue
from django_jobs.tally import Tally
from tests.admin.conftest import VIEW
from tests.admin.pages import Page, job_url, said
from tests.factories import JobFactory, QueueFactory, WorkerFactory

pytestmark = pytest.mark.django_db

QUEUES = reverse("admin:django_jobs_queue_changelist")
ADD = reverse("admin:django_jobs_queue_add")
SCRIPT = "<script>alert(1)</script>"


def choose(client: Client, action: str, *names: str, **more: Any) -> Any:
    return client.post(QUEUES, {"action": action, "_selected_action": names, **more})


def pause(client: Client, *names: str, **more: Any) -> Any:
    """Fill in the page that asks how long."""
    return choose(client, "pause", *names, confirmed="1", **more)


def shown(client: Client) -> str:
    return " ".join(Page(client.get(QUEUES)).text.split())


def in_two_hours() -> datetime:
    return timezone.localtime(timezone.now() + timedelta(hours=2)).replace(second=0, microsecond=0)


class TestList:
    def test_every_queue_that_matters_without_a_row(self, admin: Client) -> None:
        JobFactory(queue_name="ready")
        JobFactory(queue_name="later", scheduled=True)
        JobFactory(queue_name="runs", running=True)
        JobFactory(queue_name="history", successful=True)
        QueueFactory(name="paused", paused=True)
        WorkerFactory(queues="served,pre*")
        WorkerFactory(queues="by-the-lost", lost=True)
        page = shown(admin)
        for name in ("ready", "later", "runs", "paused", "served"):
            assert f'value="{name}"' in page
        for name in ("history", "by-the-lost", "pre*"):
            assert f'value="{name}"' not in page

    def test_how_much_waits_and_since_when(self, admin: Client) -> None:
        now = timezone.now()
        JobFactory(queue_name="mail", run_after=now - timedelta(hours=3), priority=-5)
        JobFactory.create_batch(2, queue_name="mail", run_after=now)
        JobFactory.create_batch(4, queue_name="mail", scheduled=True)
        JobFactory.create_batch(5, queue_name="mail", running=True)
        JobFactory(queue_name="news", running=True)
        mail, news = lanes()
        assert (mail.name, mail.ready, mail.scheduled, mail.running) == ("mail", 3, 4, 5)
        assert mail.oldest is not None
        assert abs(now - timedelta(hours=3) - mail.oldest) < timedelta(seconds=1)
        assert (news.name, news.ready, news.running, news.oldest) == ("news", 0, 1, None)
        page = shown(admin)
        assert "3 h ago" in page
        assert "?queue=mail&amp;status=SCHEDULED" in page

    def test_counts_that_are_cut_short_say_so(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lanes_module, "COUNTED", 2)
        JobFactory.create_batch(3, queue_name="mail")
        JobFactory.create_batch(3, queue_name="news", scheduled=True)
        JobFactory.create_batch(2, queue_name="open")
        assert [(lane.ready.text, lane.scheduled.text) for lane in lanes()] == [
            ("2+", "0"),
            ("0", "3+"),
            ("2", "0"),
        ]

    def test_who_serves_it(self, admin: Client) -> None:
        JobFactory(queue_name="mail")
        nobody = "No worker claims its jobs"
        assert nobody in shown(admin)
        quiet = WorkerFactory(phase=Phase.QUIET)
        assert nobody in shown(admin)
        assert f"{quiet.name}</a> (Quiet)" in shown(admin)
        WorkerFactory(queues="news,other*")
        WorkerFactory(queues="all except ma*")
        assert nobody in shown(admin)
        worker = WorkerFactory(queues="ma* except mail.bulk")
        page = shown(admin)
        assert nobody not in page
        assert worker.name in page
        WorkerFactory.create_batch(3)
        assert "and 2 more" in shown(admin)

    def test_of_an_older_release_that_says_no_phase(self) -> None:
        assert Lane("mail", workers=[WorkerFactory.build()]).is_served

    def test_since_when_and_why_it_is_paused(self, admin: Client) -> None:
        until = in_two_hours()
        QueueFactory(name="mail")
        QueueFactory(name="over", paused=True, paused_until=timezone.now() - timedelta(seconds=1))
        Queue.objects.filter(name="mail").pause(until=until, reason="no <b>mail", by="ann")
        page = shown(admin)
        assert f", until {until:%Y-%m-%d %H:%M:%S}, by ann" in page
        assert "no &lt;b&gt;mail" in page
        assert page.count(">Paused</span>") == 1
        assert page.count(">Open</span>") == 1
        for name, state in (("mail", "Paused"), ("over", "Open")):
            url = reverse("admin:django_jobs_queue_change", args=[name])
            assert f">{state}</span>" in Page(admin.get(url)).text
            assert admin.post(url, {"name": "b"}).status_code == 403

    def test_empty(self, admin: Client) -> None:
        assert "No queue has jobs" in shown(admin)

    def test_the_names_in_the_settings(self, admin: Client, settings: Any) -> None:
        settings.TASKS = {"default": {**settings.TASKS["default"], "QUEUES": ["configured"]}}
        assert 'value="configured"' in shown(admin)

    @pytest.mark.parametrize("count", [1, 40])
    def test_takes_one_more_statement_for_each_queue_with_ready_jobs(
        self, admin: Client, django_assert_num_queries: Callable[..., Any], count: int
    ) -> None:
        for n in range(count):
            JobFactory(queue_name=f"s{n}", scheduled=True)
            QueueFactory(name=f"q{n}", paused=True)
            WorkerFactory(queues=f"q{n}")
        JobFactory.create_batch(9, queue_name="q0")
        JobFactory(queue_name="q1")
        # Session, user; workers, rows, scheduled, running, done, how many are ready; their names,
        # and that there are no more.
        with django_assert_num_queries(8 + 2 + 1):
            admin.get(QUEUES)

    def test_not_all_of_very_many(self, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("django_jobs.admin.queue.MOST", 3)
        for n in range(4):
            JobFactory(queue_name=f"q{n}")
        page = shown(admin)
        assert "more queues than are shown" in page
        assert 'value="q3"' not in page


class TestPause:
    def test_asks_until_when_and_why(self, admin: Client) -> None:
        until = in_two_hours()
        page = Page(choose(admin, "pause", "mail", "news"))
        assert "Pause 2 queues" in page.text
        assert not Queue.objects.exists(), "nothing is done yet"
        [field] = [attrs for attrs in page.all("input") if attrs.get("name") == "until"]
        assert field["type"] == "datetime-local"
        filled = {"until": f"{until:%Y-%m-%dT%H:%M}", "reason": "the provider is down"}
        assert said(pause(admin, "mail", "news", **filled)) == ["2 queues were paused."]
        for queue in Queue.objects.paused():
            assert (queue.paused_until, queue.pause_reason) == (until, "the provider is down")
            assert queue.paused_by == "admin"
        log = LogEntry.objects.order_by("object_id").values_list("object_id", "change_message")
        when = until.isoformat()
        assert list(log) == [
            (name, f"Pause until {when}: the provider is down") for name in ("mail", "news")
        ]

    def test_without_an_end(self, admin: Client) -> None:
        assert said(pause(admin, "mail")) == ["1 queue was paused."]
        queue = Queue.objects.paused().get()
        assert (queue.paused_until, queue.pause_reason) == (None, "")
        assert LogEntry.objects.get().change_message == "Pause"
        assert said(pause(admin, "mail")) == ["0 queues were paused."]

    def test_shows_the_pause_that_is_there_to_be_changed(self, admin: Client) -> None:
        until = in_two_hours()
        QueueFactory(name="mail", paused=True, paused_until=until, pause_reason="why")
        page = Page(choose(admin, "pause", "mail"))
        values = {a.get("name"): a.get("value") for a in page.all("input")}
        assert (values["until"], values["reason"]) == (f"{until:%Y-%m-%dT%H:%M:%S}", "why")
        assert said(pause(admin, "mail", reason="other")) == ["1 queue was paused."]
        queue = Queue.objects.paused().get()
        assert (queue.paused_until, queue.pause_reason) == (None, "other")

    def test_a_pause_that_is_confirmed_as_it_is_keeps_its_seconds(self, admin: Client) -> None:
        """Without them one that ends within this minute would be past."""
        until = in_two_hours() + timedelta(seconds=59)
        QueueFactory(name="mail", paused=True, paused_until=until)
        page = Page(choose(admin, "pause", "mail"))
        [field] = [a for a in page.all("input") if a.get("name") == "until"]
        assert said(pause(admin, "mail", until=field["value"])) == ["0 queues were paused."]
        assert Queue.objects.get().paused_until == until

    @pytest.mark.parametrize(
        ("wrong", "complaint"),
        [
            ({"until": "2020-01-01T00:00"}, "This time is past."),
            ({"until": "9999-12-31T23:59"}, "A pause ends within a hundred years."),
            ({"until": "soon"}, "Enter a valid date/time."),
            ({"reason": "x" * 201}, "at most 200 characters"),
        ],
    )
    def test_what_makes_no_sense_is_said(
        self, admin: Client, wrong: dict[str, str], complaint: str
    ) -> None:
        assert complaint in Page(pause(admin, "mail", **wrong)).text
        assert not Queue.objects.exists()

    def test_no_end_leaves_the_calendar(self, admin: Client, settings: Any) -> None:
        """West of Greenwich the last hours of the year 9999 are in the year 10000."""
        settings.TIME_ZONE = "America/New_York"
        for year, accepted in ((9999, False), (timezone.now().year + 98, True)):
            response = pause(admin, "mail", until=f"{year}-12-31T23:59")
            assert response.status_code == (302 if accepted else 200), year
            assert Queue.objects.exists() is accepted
            assert admin.get(QUEUES).status_code == 200
        assert said(choose(admin, "resume", "mail")) == ["1 queue was resumed."]

    def test_resume(self, admin: Client) -> None:
        QueueFactory(name="a", paused=True)
        QueueFactory(name="b", paused=True, paused_until=in_two_hours(), pause_reason="why")
        QueueFactory(name="c")
        assert said(choose(admin, "resume", "a", "b", "c")) == ["2 queues were resumed."]
        assert not Queue.objects.paused().exists()
        assert said(choose(admin, "resume", "a")) == ["0 queues were resumed."]
        log = LogEntry.objects.values_list("object_id", "change_message")
        assert sorted(log) == [("a", "Resume"), ("b", "Resume")]

    def test_the_history_is_of_those_that_changed(self, admin: Client) -> None:
        QueueFactory(name="a", paused=True, pause_reason="why")
        QueueFactory(name="b", limit=3)
        assert said(pause(admin, "a", "b", reason="why")) == ["1 queue was paused."]
        assert said(limit(admin, "a", "b", limit="3")) == ["The limit of 1 queue was changed."]
        log = LogEntry.objects.values_list("object_id", "change_message")
        assert sorted(log) == [("a", "Limit: 3"), ("b", "Pause: why")]

    def test_of_nothing(self, admin: Client) -> None:
        assert said(choose(admin, "pause")) == ["No queue was selected."]

    @pytest.mark.parametrize(
        "names",
        [["x" * 65], [""], ["<b>x</b>"], ["a b/c"], ["mail\n"], ["é"], ["mail", "a b"], ["a\0"]],
    )
    def test_of_what_is_no_name(self, admin: Client, names: list[str]) -> None:
        assert pause(admin, *names).status_code == 400
        assert choose(admin, "pause", *names).status_code == 400
        assert choose(admin, "resume", *names).status_code == 400
        assert limit(admin, *names, limit="3").status_code == 400
        assert choose(admin, "delete_selected", "a").status_code == 400
        assert not Queue.objects.exists()

    def test_rows_of_other_names_that_are_there_are_taken(self, admin: Client) -> None:
        QueueFactory(name="a b/c", paused=True)
        assert said(choose(admin, "resume", "a b/c", "mail")) == ["1 queue was resumed."]
        assert said(pause(admin, "a b/c")) == ["1 queue was paused."]

    def test_of_a_queue_that_is_named_like_a_script(self, admin: Client) -> None:
        JobFactory(queue_name=SCRIPT)
        QueueFactory(name=SCRIPT)
        assert SCRIPT not in Page(admin.get(QUEUES)).text
        assert SCRIPT not in Page(choose(admin, "pause", SCRIPT)).text
        pause(admin, SCRIPT, reason=SCRIPT)
        assert Queue.objects.paused().get().name == SCRIPT
        assert SCRIPT not in Page(admin.get(QUEUES)).text


def url_of(name: str) -> str:
    return reverse("admin:django_jobs_queue_change", args=[name])


def limit(client: Client, *names: str, **more: Any) -> Any:
    """Fill in the page that asks how many."""
    return choose(client, "limit", *names, confirmed="1", **more)


class TestLimit:
    def test_asks_how_many(self, admin: Client) -> None:
        page = Page(choose(admin, "limit", "mail", "news"))
        assert "Limit 2 queues" in page.text
        assert not Queue.objects.exists(), "nothing is done yet"
        [field] = [attrs for attrs in page.all("input") if attrs.get("name") == "limit"]
        assert (field["type"], field["min"], field["max"]) == ("number", "1", "10000")
        assert said(limit(admin, "mail", "news", limit="3")) == [
            "The limits of 2 queues were changed."
        ]
        assert list(Queue.objects.values_list("name", "limit")) == [("mail", 3), ("news", 3)]
        log = LogEntry.objects.order_by("object_id").values_list("object_id", "change_message")
        assert list(log) == [(name, "Limit: 3") for name in ("mail", "news")]
        assert said(limit(admin, "mail", limit="3")) == ["The limits of 0 queues were changed."]

    def test_none(self, admin: Client) -> None:
        QueueFactory(name="mail", limit=3)
        page = Page(choose(admin, "limit", "mail"))
        assert {a.get("name"): a.get("value") for a in page.all("input")}["limit"] == "3"
        assert said(limit(admin, "mail", limit="")) == ["The limit of 1 queue was changed."]
        assert Queue.objects.get().limit is None
        assert LogEntry.objects.get().change_message == "Limit: none"
        assert said(limit(admin, "new", limit="")) == ["The limits of 0 queues were changed."]
        assert not Queue.objects.filter(name="new").exists()

    @pytest.mark.parametrize("wrong", ["0", "-1", "10001", "many", "1.5"])
    def test_what_makes_no_sense_is_said(self, admin: Client, wrong: str) -> None:
        page = Page(limit(admin, "mail", limit=wrong)).text
        assert "errorlist" in page
        assert not Queue.objects.exists()

    def test_on_the_page_of_the_queue(self, admin: Client) -> None:
        QueueFactory(name="mail", limit=3)
        page = Page(admin.get(url_of("mail")))
        buttons = [a for a in page.all("button") if a.get("name") == "action"]
        assert [a["value"] for a in buttons] == ["pause", "limit"]
        assert {a["formaction"] for a in buttons} == {QUEUES}
        sent = {a["name"]: a.get("value", "") for a in page.all("input") if "name" in a}
        assert "limit" not in sent, "Enter in a field would press the first button of the page"
        assert sent["_selected_action"] == "mail"
        asked = Page(choose(admin, "limit", "mail", limit="5"))
        assert {a.get("name"): a.get("value") for a in asked.all("input")}["limit"] == "5"
        assert Queue.objects.get().limit == 3, "nothing is done yet"

    def test_the_page_of_a_paused_queue_resumes_it(self, admin: Client) -> None:
        QueueFactory(name="mail", paused=True)
        page = Page(admin.get(url_of("mail")))
        values = [a["value"] for a in page.all("button") if a.get("name") == "action"]
        assert values == ["resume", "pause", "limit"]
        sent = {a["name"]: a.get("value", "") for a in page.all("input") if "name" in a}
        assert admin.post(QUEUES, sent | {"action": "resume"}).status_code == 302
        assert not Queue.objects.paused().exists()

    def test_how_many_run_of_how_many(self, admin: Client) -> None:
        QueueFactory(name="mail", limit=5)
        JobFactory.create_batch(3, queue_name="mail", running=True)
        JobFactory.create_batch(2, queue_name="mail")
        for page in (shown(admin), Page(admin.get(url_of("mail"))).text):
            assert ">3 of 5</a>" in page
            assert "t its limit" not in page.replace("or at its limit", "")
        JobFactory.create_batch(2, queue_name="mail", running=True)
        assert '>5 of 5</a><div class="jobs-note">at its limit' in shown(admin)
        page = Page(admin.get(url_of("mail"))).text
        assert ">5 of 5</a>" in page
        assert "At its limit: its other jobs wait" in page

    def test_how_many_are_done_a_minute(self, admin: Client) -> None:
        QueueFactory(name="mail")
        tally = Tally(successes=24, failures=9, dead=6)
        old = int(timezone.now().timestamp()) // 60 * 60 - 16 * 60
        path = "tests.sample.tasks.add"
        now = int(timezone.now().timestamp()) // 60 * 60
        write({(60, now, path, "mail"): tally, (60, old, path, "mail"): tally}, uuid7(), "default")
        assert {lane.name: lane.done for lane in lanes()} == {"mail": 30}
        assert "<dd>2.0 " in Page(admin.get(url_of("mail"))).text
        assert "2.0" in shown(admin)

    @pytest.mark.parametrize(("done", "rate"), [(55, "3.7"), (0, "0.0"), (1, "0.1")])
    def test_their_number_is_rounded(self, admin: Client, done: int, rate: str) -> None:
        QueueFactory(name="mail")
        now = int(timezone.now().timestamp()) // 60 * 60
        write({(60, now, "x.y", "mail"): Tally(successes=done)}, uuid7(), "default")
        assert f"<dd>{rate} " in Page(admin.get(url_of("mail"))).text
        assert f'<td class="field-time">{rate}</td>' in shown(admin)

    def test_what_waits_in_it(self, admin: Client) -> None:
        QueueFactory(name="mail")
        JobFactory.create_batch(3, queue_name="mail", run_after=timezone.now() - timedelta(hours=3))
        JobFactory.create_batch(4, queue_name="mail", scheduled=True)
        JobFactory.create_batch(9)
        page = " ".join(Page(admin.get(url_of("mail"))).text.split())
        for text in ('READY">3</a>', 'SCHEDULED">4</a>', 'RUNNING">0</a>', "3 h ago"):
            assert text in page, text

    def test_of_a_queue_that_has_no_jobs_yet(self, admin: Client) -> None:
        admin.post(ADD, {"name": "new", "limit": "4"})
        queue = Queue.objects.get()
        assert (queue.name, queue.limit, queue.paused_at) == ("new", 4, None)
        log = LogEntry.objects.values_list("change_message", flat=True)
        assert "Limit: 4" in log

    def test_viewer(self, browser: Callable[..., Client]) -> None:
        viewer = browser()
        QueueFactory(name="mail", limit=2)
        page = Page(viewer.get(url_of("mail")))
        assert not [a for a in page.all("button") if a.get("name") == "action"]
        assert "No more than 2 of its jobs run at once" in page.text
        assert limit(viewer, "mail", limit="3").status_code == 403
        assert choose(viewer, "limit", "mail").status_code == 403
        assert Queue.objects.get().limit == 2

    def test_each_permission_is_for_itself(self, browser: Callable[..., Client]) -> None:
        pauser, limiter = browser("pause_queue"), browser("limit_queue")
        JobFactory(queue_name="mail")
        assert limit(pauser, "mail", limit="3").status_code == 403
        assert pause(limiter, "mail").status_code == 403
        assert choose(limiter, "resume", "mail").status_code == 403
        values = {a.get("value") for a in Page(limiter.get(QUEUES)).all("button")}
        assert "limit" in values
        assert not values & {"pause", "resume"}
        assert 'name="pause"' not in Page(limiter.get(ADD)).text
        assert 'name="limit"' not in Page(pauser.get(ADD)).text
        both = {"name": "a", "pause": "on", "limit": "3"}
        limiter.post(ADD, both)
        pauser.post(ADD, both | {"name": "b"})
        found = {
            queue.name: (queue.limit, queue.paused_at is None) for queue in Queue.objects.all()
        }
        assert found == {"a": (3, True), "b": (None, False)}
        assert said(limit(limiter, "mail", limit="7")) == ["The limit of 1 queue was changed."]

    def test_get_and_a_forged_request_are_refused(self, admin: Client) -> None:
        data = {"action": "limit", "_selected_action": "mail", "confirmed": "1", "limit": "2"}
        forger = Client(enforce_csrf_checks=True)
        forger.cookies = admin.cookies
        admin.get(QUEUES, data)
        assert forger.post(QUEUES, data).status_code == 403
        assert not Queue.objects.exists()
        admin.post(QUEUES, data)
        assert Queue.objects.get().limit == 2

    def test_a_job_says_that_its_queue_is_full(self, admin: Client) -> None:
        WorkerFactory()
        QueueFactory(name="default", limit=2)
        JobFactory(running=True)
        waits = JobFactory()
        text = "the queue “default” runs 2 jobs at once, and as many run"
        assert text not in Page(admin.get(job_url(waits))).text
        JobFactory(running=True)
        assert text in Page(admin.get(job_url(waits))).text


class TestAdd:
    def test_of_a_queue_that_has_no_jobs_yet(self, admin: Client) -> None:
        JobFactory(queue_name="in-use")
        page = Page(admin.get(ADD))
        assert {"value": "in-use"} in page.all("option")
        until = in_two_hours()
        when = {"until": f"{until:%Y-%m-%dT%H:%M}", "reason": "not yet"}
        admin.post(ADD, {"name": "new", "pause": "on", **when})
        queue = Queue.objects.paused().get()
        assert (queue.name, queue.paused_until, queue.pause_reason) == ("new", until, "not yet")
        assert "already exists" in admin.post(ADD, {"name": "new"}).content.decode()
        assert "is past" in Page(admin.post(ADD, {"name": "x", "until": "2020-01-01T00:00"})).text

    def test_without_a_pause(self, admin: Client) -> None:
        admin.post(ADD, {"name": "open", "until": "", "reason": "", "limit": "3"})
        queue = Queue.objects.get()
        assert (queue.paused_at, queue.limit) == (None, 3)

    @pytest.mark.parametrize("more", [{"reason": "why"}, {"until": "2100-01-01T00:00"}])
    def test_what_is_for_a_pause_without_one(self, admin: Client, more: dict[str, str]) -> None:
        page = Page(admin.post(ADD, {"name": "open", "limit": "3", **more})).text
        assert "An end and a reason are those of a pause" in page
        assert not Queue.objects.exists()
        assert admin.post(ADD, {"name": "open", "pause": "on", **more}).status_code == 302

    @pytest.mark.parametrize("name", ["", "a b", "é", "x" * 65, SCRIPT, "a;--", "a/b"])
    def test_takes_names_only(self, admin: Client, name: str) -> None:
        assert admin.post(ADD, {"name": name}).status_code == 200
        assert not Queue.objects.exists()


class TestPermissions:
    def test_viewer(self, browser: Callable[..., Client]) -> None:
        viewer = browser()
        QueueFactory(name="mail")
        page = Page(viewer.get(QUEUES))
        assert "mail" in page.text
        assert not [a for a in page.all("button") if a.get("name") == "action"]
        assert not [a for a in page.all("input") if a.get("type") == "checkbox"]
        assert viewer.get(ADD).status_code == 403
        assert viewer.post(ADD, {"name": "x"}).status_code == 403
        assert pause(viewer, "mail").status_code == 403
        assert choose(viewer, "resume", "mail").status_code == 403
        assert not Queue.objects.paused().exists()

    @pytest.mark.parametrize("views", [(), ("view_job",), ("view_worker",), VIEW])
    def test_links_lead_where_somebody_may_go(
        self, browser: Callable[..., Client], views: tuple[str, ...]
    ) -> None:
        QueueFactory(name="mail", limit=9)
        JobFactory.create_batch(7, queue_name="mail")
        worker = WorkerFactory(queues="mail")
        viewer = browser(view=tuple({"view_queue", *views}))
        pages = [Page(viewer.get(url)) for url in (QUEUES, url_of("mail"))]
        links = [a.get("href", "") for page in pages for a in page.all("a")]
        jobs = [link for link in links if "/job/?queue=mail" in link]
        workers = [link for link in links if f"/worker/{worker.pk}/" in link]
        assert (len(jobs), len(workers)) == (8 * ("view_job" in views), "view_worker" in views)
        assert all(viewer.get(link).status_code == 200 for link in (*jobs, *workers))
        for text in (">mail</span>", ">7<", ">0 of 9<"):
            assert all(text in page.text for page in pages), text
        assert worker.name in pages[0].text

    def test_operator(self, browser: Callable[..., Client]) -> None:
        operator = browser("pause_queue")
        assert operator.post(ADD, {"name": "mail", "pause": "on"}).status_code == 302
        assert Queue.objects.paused().get().name == "mail"
        assert said(choose(operator, "resume", "mail")) == ["1 queue was resumed."]
        assert said(pause(operator, "mail")) == ["1 queue was paused."]

    def test_one_who_may_pause_but_not_look(self, browser: Callable[..., Client]) -> None:
        blind = browser("pause_queue", view=())
        assert blind.get(QUEUES).status_code == 403
        assert pause(blind, "mail").status_code == 403
        assert not Queue.objects.exists()

    @pytest.mark.parametrize("verb", ["pause", "resume"])
    def test_get_and_a_forged_request_are_refused(self, verb: str, admin: Client) -> None:
        queue = QueueFactory(name="mail", paused=verb == "resume")
        data = {"action": verb, "_selected_action": "mail", "confirmed": "1"}
        forger = Client(enforce_csrf_checks=True)
        forger.cookies = admin.cookies
        admin.get(QUEUES, data)
        assert forger.post(QUEUES, data).status_code == 403
        assert forger.post(ADD, {"name": "other", "pause": "on"}).status_code == 403
        assert Queue.objects.get().paused_at == queue.paused_at
        assert not LogEntry.objects.exists()
        admin.post(QUEUES, data)
        assert Queue.objects.get().paused_at != queue.paused_at
        assert LogEntry.objects.get().object_id == "mail"

    def test_nobody(self) -> None:
        assert reverse("admin:login") in pause(Client(), "mail").url
        assert not Queue.objects.exists()


def test_a_job_says_until_when_its_queue_is_paused(admin: Client) -> None:
    WorkerFactory()
    until = in_two_hours()
    QueueFactory(name="default", paused=True, paused_until=until)
    page = Page(admin.get(job_url(JobFactory()))).text
    assert f"the queue “default” is paused until {until:%Y-%m-%d %H:%M:%S}" in page
