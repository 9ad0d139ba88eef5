"""The overview: what it says, to whom, and at what cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from django_jobs.admin import periods, readings
from django_jobs.admin.charts import Curve, Mark, Point, curves, throughput
from django_jobs.admin.facts import Facts, in_words
from django_jobs.admin.paginator import Count
from django_jobs.admin.periods import PERIODS
from django_jobs.admin.readings import Crew, Limit, Line, Pause
from django_jobs.admin.trouble import banners
from django_jobs.figures import write
from django_jobs.ids import uuid7
from django_jobs.models import Job, Status, Worker
from django_jobs.models.figures import SPANS
from django_jobs.tally import Tally
from tests.admin.pages import LIST, Page
from tests.factories import JobFactory, QueueFactory, WorkerFactory

pytestmark = pytest.mark.django_db

OVERVIEW = reverse("admin:app_list", args=["django_jobs"])
SCRIPT = "<script>alert(1)</script>"
NOW = datetime(2026, 11, 26, 3, 14, 15, tzinfo=UTC)
# Session, user, three for the figures and releases, and what is read of jobs, workers, queues.
STATEMENTS = 20


def counted(
    successes: int, failures: int = 0, *, dead: int = 0, run: float = 0.1, wait: float = 0.2
) -> Tally:
    tally = Tally()
    for n in range(successes + failures):
        tally.add(run, wait, failed=n < failures, dead=n < dead)
    return tally


def written(
    tally: Tally, *, path: str = "shop.tasks.send", queue: str = "mail", ago: int = 0
) -> None:
    """As a worker does, ``ago`` seconds ago."""
    moment = int(timezone.now().timestamp()) - ago
    totals = {(span, moment - moment % span, path, queue): tally for span in SPANS}
    write(totals, uuid7(), "default")


def text_of(response: Any) -> str:
    """What a person reads."""
    page = Page(response).text
    start = page.index('id="content"')
    return " ".join(re.sub(r"<[^>]+>", " ", page[start:]).split())


class TestPage:
    def test_empty(self, admin: Client) -> None:
        text = text_of(admin.get(OVERVIEW))
        for said in (
            "No worker is running. Start one with: manage.py runjobs",
            "none is waiting",
            "No slots: no worker is running.",
            "No attempt has ended in this time.",
            "No job is running.",
            "No queue has had work in this time.",
        ):
            assert said in text

    def test_limits_of_queues(self, admin: Client) -> None:
        WorkerFactory(threads=8)
        QueueFactory(name="mail", limit=3)
        QueueFactory(name="news", limit=1_000, paused=True)
        JobFactory.create_batch(2, queue_name="mail", running=True)
        text = text_of(admin.get(OVERVIEW))
        assert "2 of 3 run" in text
        assert "Paused 0 of 1,000 run" in text
        assert "at its limit" not in text
        JobFactory(queue_name="mail", running=True)
        assert "3 of 3 run: at its limit" in text_of(admin.get(OVERVIEW))

    def test_all_is_well(self, admin: Client) -> None:
        WorkerFactory(threads=8, release="v1")
        written(counted(3))
        text = text_of(admin.get(OVERVIEW))
        assert "Nothing needs a person." in text
        assert "Idle: all 8 slots are free." in text
        assert "1 worker, 8 threads, release v1" in text

    def test_counts_by_state_lead_to_the_list(self, admin: Client) -> None:
        JobFactory.create_batch(3, dead=True)
        JobFactory.create_batch(2)
        page = Page(admin.get(OVERVIEW))
        text = text_of(admin.get(OVERVIEW))
        for said in ("2 Ready", "0 Scheduled", "0 Running", "3 Dead", "0 Cancelled", "0 Discarded"):
            assert said in text
        assert f"{LIST}?status=DEAD" in {attrs.get("href") for attrs in page.all("a")}

    def test_what_is_dead_leads_to_why_however_long_ago(self, admin: Client) -> None:
        why = f"{reverse('admin:django_jobs_failuregroup_changelist')}?jobs=dead"
        assert why not in {attrs.get("href") for attrs in Page(admin.get(OVERVIEW)).all("a")}
        JobFactory(dead=True, finished_at=timezone.now() - timedelta(days=3))
        assert why in {attrs.get("href") for attrs in Page(admin.get(OVERVIEW)).all("a")}

    def test_counts_that_are_cut_short_say_so(
        self, admin: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("django_jobs.admin.paginator.count_up_to.__defaults__", (2,))
        monkeypatch.setattr(readings.ready_lines, "__defaults__", (2,))
        JobFactory.create_batch(3, dead=True)
        JobFactory.create_batch(3)
        text = text_of(admin.get(OVERVIEW))
        assert "2+ Ready" in text
        assert "2+ Dead" in text

    def test_how_long_the_oldest_has_waited(self, admin: Client) -> None:
        JobFactory(run_after=timezone.now() - timedelta(minutes=3, seconds=20))
        JobFactory()
        QueueFactory(name="later", paused=True)
        JobFactory(queue_name="later", run_after=timezone.now() - timedelta(days=2))
        assert re.search(r"has waited for 3 min 2\d s", text_of(admin.get(OVERVIEW)))
        Job.objects.exclude(queue_name="later").delete()
        assert "Oldest ready job in a paused queue" in text_of(admin.get(OVERVIEW))

    def test_lost_workers_and_what_they_are_not_counted_among(self, admin: Client) -> None:
        WorkerFactory.create_batch(2, lost=True)
        page = Page(admin.get(OVERVIEW)).text
        assert "Lost workers: 2." in page
        assert "?state=lost" in page
        Worker.objects.update(lease_expires_at=timezone.now() + timedelta(hours=1))
        assert "Lost workers" not in Page(admin.get(OVERVIEW)).text

    def test_that_paused_queues_are_left_aside(self, admin: Client) -> None:
        JobFactory()
        assert "left aside" not in text_of(admin.get(OVERVIEW))
        QueueFactory(name="mail", paused=True)
        JobFactory(queue_name="mail")
        assert "paused queues left aside" in text_of(admin.get(OVERVIEW))

    def test_figures_of_tasks_and_queues(self, admin: Client) -> None:
        written(counted(6, 2, dead=1), path="shop.tasks.send_invoice")
        written(counted(1), path="shop.tasks.report", queue="slow")
        text = text_of(admin.get(OVERVIEW))
        assert "In the last hour Attempts succeeded failed" in text
        assert "Attempts: 7 succeeded and 2 failed." in text
        # A minute, done, failed, of all, died, waits, runs, longest.
        row = r"send_invoice 0\.1 6 2 25\.0 % 1 \d+ ms \d+ ms \d+ ms \d+ ms 100 ms"
        assert re.search(row, text)
        fails, rare = text.index("send_invoice 0.1"), text.index("report &lt; 0.1")
        assert fails < rare, "what fails comes first"
        assert "slow Open 0 &lt; 0.1 0" in text

    def test_figures_are_rounded(self, admin: Client) -> None:
        written(counted(2, 4), path="shop.tasks.a")
        written(counted(221), path="shop.tasks.b")
        written(counted(0, 1), path="shop.tasks.c")
        written(Tally(successes=1_999, failures=1), path="shop.tasks.d")
        text = text_of(admin.get(OVERVIEW))
        assert "a 0.1 2 4 66.7 %" in text
        assert "b 3.7 221 0 0.0 %" in text
        assert "c &lt; 0.1 0 1 100.0 %" in text
        assert "d 33.3 1,999 1 0.1 %" in text

    @pytest.mark.parametrize(("name", "shown"), [("15m", 1), ("1h", 2), ("24h", 3), ("7d", 4)])
    def test_range(self, admin: Client, name: str, shown: int) -> None:
        for n, minutes in enumerate((0, 30, 10 * 60, 5 * 24 * 60)):
            written(counted(1), path=f"x.task_{n}", ago=minutes * 60)
        response = admin.get(OVERVIEW, {"range": name})
        page, text = Page(response), text_of(response)
        assert [n for n in range(4) if f"task_{n}" in text] == list(range(shown))
        [current] = [a for a in page.all("a") if a.get("aria-current") == "true"]
        assert current["href"] == f"?range={name}"

    @pytest.mark.parametrize("junk", ["", "nonsense", "<script>", "1h&range=x"])
    def test_a_range_that_is_none_is_an_hour(self, admin: Client, junk: str) -> None:
        [current] = [
            attrs
            for attrs in Page(admin.get(f"{OVERVIEW}?range={junk}")).all("a")
            if attrs.get("aria-current") == "true"
        ]
        assert current["href"] == "?range=1h"

    def test_what_runs_for_longest(self, admin: Client) -> None:
        job = JobFactory(running=True, last_attempted_at=timezone.now() - timedelta(hours=2))
        page = Page(admin.get(OVERVIEW))
        url = reverse("admin:django_jobs_job_change", args=[job.pk])
        assert url in {attrs.get("href") for attrs in page.all("a")}
        assert "add 2 h 1/5 default" in text_of(admin.get(OVERVIEW))

    def test_new_releases_are_marked(self, admin: Client) -> None:
        written(counted(1))
        at = timezone.now() - timedelta(minutes=20)
        WorkerFactory(release="2026-11", started_at=at)
        WorkerFactory(release="2026-11", started_at=at + timedelta(minutes=5))
        WorkerFactory(release="old", started_at=at - timedelta(days=9))
        page = Page(admin.get(OVERVIEW))
        assert len([a for a in page.all("line") if a.get("class") == "jobs-mark"]) == 3
        assert f"New releases : {timezone.localtime(at):%H:%M} 2026-11" in text_of(
            admin.get(OVERVIEW)
        )

    def test_the_charts_are_told_in_words_and_as_a_table(self, admin: Client) -> None:
        written(counted(5, 1, run=3, wait=40))
        page = Page(admin.get(OVERVIEW))
        charts = [attrs for attrs in page.all("svg") if attrs.get("role") == "img"]
        assert len(charts) == 3
        assert all(attrs["aria-label"] for attrs in charts)
        assert "Attempts: 5 succeeded and 1 failed" in charts[0]["aria-label"]
        assert "The charts as a table" in page.text

    @pytest.mark.parametrize("amount", [1, 60])
    def test_takes_the_same_statements_whatever_there_is(
        self,
        admin: Client,
        django_assert_max_num_queries: Callable[..., Any],
        amount: int,
    ) -> None:
        for n in range(amount):
            JobFactory(queue_name=f"q{n}", run_after=timezone.now() - timedelta(minutes=n))
            JobFactory(running=True)
            WorkerFactory(release=f"r{n}", threads=1)
            QueueFactory(name=f"p{n}", paused=True)
            written(counted(1), path=f"x.t{n}", queue=f"q{n}", ago=n * 60)
        with django_assert_max_num_queries(STATEMENTS):
            admin.get(OVERVIEW)

    def test_escapes_and_holds_under_a_strict_policy(self, admin: Client) -> None:
        written(counted(1, 1, dead=1), path=f"x.{SCRIPT}", queue=SCRIPT)
        WorkerFactory(release=SCRIPT, backend_name=SCRIPT)
        QueueFactory(name=SCRIPT, paused=True)
        old = {"run_after": timezone.now() - timedelta(hours=1)}
        JobFactory(queue_name=SCRIPT, **old)
        JobFactory(queue_name=f"{SCRIPT}2", **old)
        JobFactory(running=True, task_path=f"x.{SCRIPT}", queue_name=SCRIPT)
        soon = timezone.now() + timedelta(minutes=1)
        JobFactory(
            status=Status.SCHEDULED,
            task_path=f"y.{SCRIPT}",
            last_error="UnknownTask: y",
            run_after=soon,
        )
        page = Page(admin.get(OVERVIEW))
        assert "&lt;script&gt;" in page.text
        assert SCRIPT not in page.text
        assert not page.inline
        for tag, attrs in page.elements:
            assert "style" not in attrs, (tag, attrs)
            assert not [name for name in attrs if name.startswith("on")], (tag, attrs)

    def test_in_a_language_with_other_numbers(self, admin: Client) -> None:
        """Coordinates are no text for people."""
        written(counted(1234, 5, run=1234.5))
        with translation.override("de"):
            page = Page(admin.get(OVERVIEW, headers={"accept-language": "de"}))
        for rect in page.all("rect"):
            assert re.fullmatch(r"[\d.]+", rect["height"]), rect


class TestWhoSeesIt:
    def test_who_may_view_jobs(self, browser: Callable[..., Client]) -> None:
        text = text_of(browser(view=("view_job",)).get(OVERVIEW))
        assert "Show the workers" not in text
        assert "Oldest ready job" in text
        assert "Show the workers" in text_of(browser().get(OVERVIEW))

    def test_others_have_the_list_of_models(self, browser: Callable[..., Client]) -> None:
        response = browser(view=("view_queue",)).get(OVERVIEW)
        assert "Oldest ready job" not in text_of(response)
        assert "Queues" in text_of(response)
        assert 'id="jobs-overview"' not in Page(response).text

    def test_nobody_else(self, client: Client, db: None) -> None:
        assert client.get(OVERVIEW).status_code == 302
        client.force_login(User.objects.create_user("staff", is_staff=True))
        assert client.get(OVERVIEW).status_code == 404

    @pytest.mark.parametrize("model", ["job", "queue", "worker"])
    def test_the_lists_lead_to_it(self, admin: Client, model: str) -> None:
        page = Page(admin.get(reverse(f"admin:django_jobs_{model}_changelist")))
        tools = [a for a in page.all("a") if "jobs-to-overview" in a.get("class", "")]
        assert [attrs["href"] for attrs in tools] == [OVERVIEW]


def facts(**said: Any) -> Facts:
    return Facts(**{"now": NOW, **crew(0), **said})


def crew(busy: int, slots: int = 8, coroutines: int = 0) -> dict[str, Any]:
    """Two workers with eight threads, of which so many take jobs and are busy."""
    return {"crews": [Crew("default", "", 2, 8, slots, busy, coroutines)]}


def line(queue: str = "mail", minutes: float = 5, ready: int = 3) -> Line:
    return Line(queue, ready, NOW - timedelta(minutes=minutes))


class TestBanners:
    def texts(self, **said: Any) -> list[str]:
        return [banner.text for banner in banners(facts(**said))]

    def test_none(self) -> None:
        assert self.texts() == []
        assert self.texts(**crew(8), lines=[line(minutes=0.5)]) == []

    def test_no_worker(self) -> None:
        ago = {"default": NOW - timedelta(minutes=7), "other": None}
        first, second = banners(facts(crews=[], idle_backends=ago))
        assert first.text == "No worker is running; the last one was seen 7 min ago."
        assert first.command == "manage.py runjobs"
        assert second.text == "Backend “other”: No worker is running."
        assert second.command == "manage.py runjobs --backend other"

    def test_behind(self) -> None:
        (banner,) = banners(facts(**crew(8), lines=[line()], arrived=Count(2000), done=1500))
        assert banner.tone == "bad"
        assert "2,000 came and 1,500 were done" in banner.text
        (banner,) = banners(facts(**crew(8), lines=[line()], arrived=Count(10), done=1500))
        assert banner.tone == "wait"
        assert banner.text == "Every slot is busy, and the oldest ready job has waited for 5 min."

    def test_late_though_slots_are_free(self) -> None:
        (banner,) = banners(facts(**crew(2), lines=[line("bulk")]))
        assert banner.text == "The queue “bulk” has waited for 5 min, though slots are free."
        assert banner.command == "manage.py runjobs --queues bulk"

    def test_late_because_of_a_limit(self) -> None:
        late = [line("mail", 120), line("b", 5)]
        full = {"mail": Limit(most=3, running=3)}
        both = self.texts(**crew(1), lines=late, limits=full)
        assert both == [
            "The queue “b” has waited for 5 min, though slots are free.",
            "The queue “mail” is at its limit of 3, and its oldest job has waited for 2 h.",
        ]
        assert not facts(**crew(8), lines=late[:1], limits=full).is_behind
        busy = self.texts(**crew(8), lines=late, limits=full)
        assert busy[0] == "Every slot is busy, and the oldest ready job has waited for 5 min."
        room = {"mail": Limit(most=3, running=2)}
        assert "mail" in self.texts(**crew(1), lines=late[:1], limits=room)[0]
        assert "at its limit" not in self.texts(**crew(1), lines=late[:1], limits=room)[0]

    def test_paused(self) -> None:
        late = [line("mail", 60, 1200)]
        for_good = Pause(None, "")
        assert self.texts(lines=late, paused={"mail": for_good, "other": for_good}) == [
            "The queue “mail” is paused; 1,200 jobs wait in it.",
            "The queue “other” is paused; 0 jobs wait in it.",
        ]
        paused = {f"q{n}": for_good for n in range(30)}
        assert len(self.texts(paused=paused)) == 6
        assert self.texts(paused=paused)[-1] == "25 more queues are paused."

    def test_why_and_until_when_it_is_paused(self) -> None:
        until = datetime(2026, 3, 1, 22, 43, tzinfo=UTC)
        (banner,) = banners(facts(paused={"mail": Pause(until, "The mail host is down.")}))
        assert banner.advice == (
            "The reason: The mail host is down. It goes on by itself at 2026-03-01 22:43:00, or "
            "when somebody resumes it:"
        )
        assert (banner.link, banner.queue) == ("queues", "mail")

    def test_unavailable(self) -> None:
        (banner,) = banners(facts(unavailable=[("shop.tasks.new", 1)]))
        assert "1 job of “shop.tasks.new” waits for a worker that knows the task." in banner.text
        assert (banner.link, banner.task) == ("scheduled", "shop.tasks.new")

    def test_died(self) -> None:
        died = {"shop.tasks.a": 2, "shop.tasks.b": 1500}
        (banner,) = banners(facts(died=died, states={Status.DEAD: Count(7)}))
        said = "Jobs have died 1,502 times in the last 15 minutes: 1,500 × b, 2 × a."
        assert (banner.tone, banner.text, banner.link) == ("bad", said, "dead")
        assert banners(facts(died=died, states={Status.DEAD: Count(0)})) == [], "all are settled"

    def test_dead_ones_wait_for_somebody_however_long_ago_they_died(self) -> None:
        (banner,) = banners(facts(states={Status.DEAD: Count(6000)}))
        said = "6,000 dead jobs wait for somebody to retry or discard them."
        assert (banner.tone, banner.text, banner.link) == ("wait", said, "dead")

    def test_all_quiet(self) -> None:
        (banner,) = banners(facts(**crew(0, slots=0), served=[], lines=[line()]))
        said = "Every worker is quiet or stops, and the oldest ready job has waited for 5 min."
        assert (banner.tone, banner.text, banner.link) == ("bad", said, "workers")
        for lines in ([], [line(minutes=0.5)]):
            (banner,) = banners(facts(**crew(0, slots=0), served=[], lines=lines))
            assert banner.tone == "wait"
            assert banner.text == "Every worker is quiet or stops: none claims a job."

    @pytest.mark.parametrize("busy", [1, 8])
    def test_nobody_serves_a_queue_whether_slots_are_free_or_not(self, busy: int) -> None:
        served = ["mail,default", "news*"]
        (banner,) = banners(facts(**crew(busy), served=served, lines=[line("mass")]))
        said = "The queue “mass” has waited for 5 min: no worker serves it."
        assert (banner.text, banner.command) == (said, "manage.py runjobs --queues mass")
        assert "mass" not in str(self.texts(**crew(8), served=["all"], lines=[line("mass")]))

    def test_the_worst_first(self) -> None:
        paused = {"a": Pause(None, "")}
        dead = {Status.DEAD: Count(1)}
        died = {"x.y": 1}
        found = banners(facts(paused=paused, died=died, states=dead, **crew(1), lines=[line("b")]))
        assert [banner.tone for banner in found] == ["bad", "wait", "wait"]

    @pytest.mark.parametrize(
        ("said", "words"),
        [
            (crew(0), "Idle: all 8 slots are free."),
            (crew(3), "Room: 3 of 8 slots are taken."),
            (crew(3, 4), "Room: 3 of 4 slots are taken."),
            (crew(8), "Saturated: all 8 slots are taken."),
            (crew(1, 1), "Saturated: the only slot is taken."),
            (crew(0, 0), "No slots: each worker is quiet or stops."),
            (
                crew(0, coroutines=1000),
                "Idle: all 8 slots are free. 1,000 coroutine jobs run beside them.",
            ),
        ],
    )
    def test_slots_in_words(self, said: dict[str, Any], words: str) -> None:
        assert in_words(facts(**said)) == words

    def test_what_is_claimed_ahead_takes_no_slot(self) -> None:
        claimed = {"states": {Status.RUNNING: Count(500)}}
        assert in_words(facts(**crew(3), **claimed)) == "Room: 3 of 8 slots are taken."
        assert not facts(**crew(3), **claimed, lines=[line()]).is_behind

    def test_no_slots(self) -> None:
        assert in_words(facts(crews=[])) == "No slots: no worker is running."


class TestCharts:
    def points(self, *tallies: Tally) -> list[Point]:
        return [Point(NOW + timedelta(minutes=n), f"{n}", tally) for n, tally in enumerate(tallies)]

    def test_bars_are_as_high_as_what_was_counted(self) -> None:
        drawn = throughput(self.points(counted(8), counted(2, 2), counted(0)), [], "said")
        heights = [float(h) for h in re.findall(r'<rect[^>]* height="([\d.]+)"', drawn)]
        assert len(heights) == 3
        assert heights[0] == pytest.approx(4 * heights[1], abs=0.5)
        assert heights[1] == heights[2]
        assert "<title>1: 2 done, 2 failed</title>" in drawn

    def test_one_failure_among_very_many_is_seen(self) -> None:
        drawn = throughput(self.points(counted(5000, 1)), [], "said")
        assert re.search(r'class="jobs-bar jobs-bad"[^>]* height="1"', drawn)

    def test_lines_break_where_nothing_was_counted(self) -> None:
        curve = Curve("p50", "jobs-p50", lambda tally: tally.wait_quantile(0.5))
        drawn = curves(
            self.points(counted(1), counted(1), counted(0), counted(1)), [], "said", [curve]
        )
        (path,) = re.findall(r' d="([^"]+)"', drawn)
        assert [path.count(letter) for letter in "MLh"] == [2, 1, 2]

    def test_nothing_at_all(self) -> None:
        assert 'role="img"' in throughput([], [], "said")
        assert 'd=""' in curves([], [], "said", periods.WAITS[:1])

    def test_marks_and_labels_are_escaped(self) -> None:
        drawn = throughput(self.points(counted(1)), [Mark(0.5, SCRIPT)], SCRIPT)
        assert "<script" not in drawn
        assert 'x1="240"' in drawn


@pytest.mark.parametrize("name", PERIODS)
def test_a_period_ends_with_what_is_being_counted(name: str) -> None:
    period = PERIODS[name]
    starts = period.starts(NOW)
    assert starts[0] == period.begin(NOW)
    assert timedelta() <= NOW - starts[-1] < timedelta(seconds=period.span)
    assert len(starts) * period.span == period.length.total_seconds()
    assert len(starts) <= 168
    assert starts[-1].timestamp() % period.span == 0


@pytest.mark.django_db
def test_what_is_for_later_has_not_come_yet() -> None:
    since = timezone.now() - timedelta(minutes=5)
    JobFactory(scheduled=True)
    assert readings.arrived(since) == 0
    JobFactory()
    JobFactory(scheduled=True, attempts=1)
    assert readings.arrived(since) == 2
