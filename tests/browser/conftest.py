"""A real browser, which sees the admin's pages under a strict policy."""

import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from tests.browser.visit import Visit
from tests.support.policy import POLICY

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """
    One for all tests of a module: to start it takes longer than most of them.

    Playwright has an event loop in this thread from here on. It runs nothing of Django's, so the
    tests may use the database beside it.
    """
    playwright = pytest.importorskip("playwright.sync_api")
    if not BROWSER:
        pytest.skip("no Chromium to open the admin's pages in")
    with pytest.MonkeyPatch.context() as patch, playwright.sync_playwright() as tools:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Any, live_server: Any, admin_client: Client) -> Iterator[Callable[..., Visit]]:
    """
    `visit(color_scheme="dark")` is a superuser at a browser with these settings. At the end,
    none of them has seen a message in the console, or a page without the policy.
    """
    opened: list[Visit] = []

    def begin(client: Client = admin_client, **settings: Any) -> Visit:
        made = Visit(chromium.new_context(**settings), live_server.url, client)
        opened.append(made)
        return made

    yield begin
    for each in opened:
        each.context.close()
    assert [complaint for each in opened for complaint in each.complaints] == []
    assert {policy for each in opened for policy in each.policies} <= {POLICY}
