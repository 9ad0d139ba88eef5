"""What the page "Who failed, why, and bring them back" says, click by click."""

import re
from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry

from django_jobs.models import Job, Status
from tests.browser import scene
from tests.browser.visit import Visit
from tests.docs.blocks import DOCS

MOST = 5  # clicks
CLICKS = re.findall(
    r"^\d\. .*?[Cc]lick(?: its task, here)? \*\*(.+?)\*\*",
    (DOCS / "howto" / "woken.md").read_text(),
    re.MULTILINE,
)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_from_the_overview_to_the_jobs_that_failed(
    visit: Callable[..., Visit], scripts: bool, transactional_db: None
) -> None:
    shop = scene.shop(dead=23)
    others = set(Job.objects.exclude(failure_group=shop.group.pk).values_list("pk", "status"))
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(shop.pages["overview"])
    assert len(CLICKS) <= MOST
    content = page.locator("#content")
    for name in CLICKS:
        said = content.inner_text()
        link, button = (content.get_by_role(role, name=name) for role in ("link", "button"))
        visitor.click(link.or_(button).first)
    assert "Selected" in said  # it asked first
    assert visitor.said == "23 jobs were retried."
    assert LogEntry.objects.count() == 1
    assert Job.objects.filter(failure_group=shop.group.pk, status=Status.DEAD).count() == 0
    assert set(others) <= set(Job.objects.values_list("pk", "status"))


def test_the_page_says_what_to_click() -> None:
    assert CLICKS == ["Failure groups", "send_invoice", "Retry all 23", "Retry: 23"]
