"""What an operator needs is on the pages, whatever the theme. `test_themes.py` runs this."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from django_jobs.models import Job, Status
from tests.admin.pages import Page, act, confirm, said
from tests.browser import scene
from tests.browser.visit import Visit


@pytest.fixture
def shop(transactional_db: None) -> scene.Scene:
    return scene.shop()


def read(client: Client, url: str) -> tuple[Page, str]:
    response = client.get(url)
    return Page(response), " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_each_page_opens(admin_client: Client, shop: scene.Scene) -> None:
    for name, url in shop.pages.items():
        assert admin_client.get(url).status_code == 200, name


def test_overview(admin_client: Client, shop: scene.Scene) -> None:
    page, text = read(admin_client, shop.pages["overview"])
    for wanted in ("Jobs have died", "Running for longest", "send_invoice"):
        assert wanted in text
    assert any("status=DEAD" in link.get("href", "") for link in page.all("a"))
    assert page.all("svg")


def test_list_and_its_action(admin_client: Client, shop: scene.Scene) -> None:
    page, text = read(admin_client, shop.pages["jobs-dead"])
    assert "SMTPRecipientsRefused" in text
    assert {"action", "q"} <= {each.get("name") for each in page.all("select") + page.all("input")}
    options = {each.get("value") for each in page.all("option")}
    assert {"retry", "discard", "cancel", "copy"} <= options
    jobs = Job.objects.filter(failure_group=shop.group.pk)
    asked = act(admin_client, "retry", *jobs, url=shop.pages["jobs-dead"])
    done = confirm(admin_client, asked, url=shop.pages["jobs-dead"])
    assert said(done) == ["5 jobs were retried."]


def test_buttons_of_a_job(admin_client: Client, shop: scene.Scene) -> None:
    page, _text = read(admin_client, shop.pages["job-dead"])
    assert page.buttons() == {"retry", "discard", "copy"}
    [button] = [each for each in page.all("button") if "/retry/" in each.get("formaction", "")]
    admin_client.post(button["formaction"])
    assert Job.objects.get(pk=shop.dead.pk).status == Status.READY


def test_buttons_of_the_others(admin_client: Client, shop: scene.Scene) -> None:
    page, _text = read(admin_client, shop.pages["failure"])
    assert page.buttons() == {"retry", "discard"}
    page, _text = read(admin_client, shop.pages["worker"])
    assert page.buttons() == {"quiet", "stop", "stacks"}
    page, _text = read(admin_client, shop.pages["queues"])
    assert {"pause", "resume"} <= {each.get("value") for each in page.all("button")}
    chosen = {"action": "pause", "_selected_action": ["default"]}
    asked = Page(admin_client.post(shop.pages["queues"], chosen))
    assert {"until", "reason"} <= {each.get("name") for each in asked.all("input")}


OURS = [".jobs-section", ".jobs-empty", ".jobs-queues", ".jobs-confirm", "#jobs-overview"]
# The colour of Bootstrap's links has a contrast of 4.26 to jazzmin's background; 4.5 is asked for.
THEIRS = ["a"] if "jazzmin" in settings.INSTALLED_APPS else []
IN_LISTS = ["#result_list .jobs-badge", "#result_list .jobs-task", "#result_list .jobs-error"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_grave_in_what_is_ours(
    chromium: Any, live_server: Any, admin_client: Client, shop: scene.Scene, scheme: str
) -> None:
    """
    The rest of a page is the theme's: its navigation, its forms, its scripts. The policy of the
    tests lets none of these run that is written into the page, so a theme may stay light in the
    dark.
    """
    context = chromium.new_context(color_scheme=scheme)
    visitor = Visit(context, live_server.url, admin_client)
    found = {}
    for name in ("overview", "jobs-dead", "job-dead", "job-running", "failure", "queues", "worker"):
        visitor.open(shop.pages[name])
        found[name] = visitor.findings(within=[*OURS, *IN_LISTS], without=THEIRS)
    context.close()
    assert {name: findings for name, findings in found.items() if findings} == {}
