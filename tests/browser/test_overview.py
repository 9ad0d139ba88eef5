"""The overview in a real browser: it shows itself anew while somebody looks."""

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from django_jobs.figures import write
from django_jobs.ids import uuid7
from django_jobs.tally import Tally
from tests.browser.visit import Visit
from tests.factories import JobFactory

OVERVIEW = reverse("admin:app_list", args=["django_jobs"])
TEN_SECONDS = 10_500  # and a little


@pytest.fixture
def overview(visit: Callable[..., Visit]) -> Callable[..., Any]:
    """Opens the overview in a browser: `overview(java_script_enabled=False)`."""

    def opened(**context: Any) -> Any:
        visitor = visit(**context)
        visitor.page.clock.install()
        return visitor.open(OVERVIEW)

    return opened


class TestOverview:
    def dead(self, page: Any) -> str:
        return str(page.locator(".jobs-states li", has_text="Dead").inner_text().split()[0])

    def pass_time(self, page: Any) -> None:
        page.clock.run_for(TEN_SECONDS)
        page.wait_for_load_state("networkidle")

    def test_it_refreshes_itself_while_it_is_looked_at(self, overview: Any) -> None:
        page = overview()
        assert self.dead(page) == "0"
        JobFactory.create_batch(2, dead=True)
        with page.expect_response("**/django_jobs/"):
            self.pass_time(page)
        page.locator(".jobs-states li", has_text="2").wait_for()
        assert self.dead(page) == "2"

    def test_not_while_nobody_looks(self, overview: Any) -> None:
        page = overview()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        how = "{value: hidden, configurable: true}"
        hide = f"hidden => Object.defineProperty(document, 'hidden', {how})"
        page.evaluate(hide, True)
        self.pass_time(page)
        assert asked == []
        page.evaluate(hide, False)
        with page.expect_response("**/django_jobs/"):
            page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    def test_the_switch_is_remembered(self, overview: Any) -> None:
        page = overview()
        asked: list[str] = []
        page.uncheck("#jobs-refresh")
        page.on("request", lambda request: asked.append(request.url))
        self.pass_time(page)
        assert asked == []
        page.reload()
        assert not page.is_checked("#jobs-refresh")
        page.check("#jobs-refresh")
        page.reload()
        assert page.is_checked("#jobs-refresh")

    def test_what_is_unfolded_stays_so(self, overview: Any) -> None:
        now = int(timezone.now().timestamp()) // 60 * 60
        tally = Tally()
        tally.add(1, 1)
        write({(60, now, "x.y", "q"): tally}, uuid7(), "default")
        page = overview()
        page.click("#jobs-points summary")
        before = page.locator("#jobs-overview").element_handle()
        with page.expect_response("**/django_jobs/"):
            self.pass_time(page)
        page.wait_for_function("old => !old.isConnected", arg=before)
        assert page.locator("#jobs-points[open]").count() == 1
        assert page.locator("#jobs-points > summary:focus").count() == 1

    def test_it_says_so_when_it_cannot(self, overview: Any) -> None:
        page = overview()
        page.context.clear_cookies()
        assert not page.is_visible("#jobs-refresh-failed")
        self.pass_time(page)
        page.locator("#jobs-refresh-failed").wait_for()
        assert page.locator("#jobs-overview").count() == 1

    def test_without_javascript(self, overview: Any) -> None:
        page = overview(java_script_enabled=False)
        assert not page.is_visible("#jobs-refresh-switch")
        JobFactory(dead=True)
        with page.expect_navigation():
            page.click("text=Refresh")
        assert self.dead(page) == "1"
        with page.expect_navigation():
            page.click("text=7 days")
        assert page.url.endswith("?range=7d")
