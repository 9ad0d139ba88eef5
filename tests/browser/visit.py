"""What somebody does at a browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import django
from django.test import Client

from tests.support.policy import HEADER

# What is worth a failure: axe's words for "hard to use" and "impossible to use" for some people.
GRAVE = ("serious", "critical")
AXE = {
    "resultTypes": ["violations"],
    # Django's search box has a picture with a text for a label, which is one for who can't see.
    "rules": {"label-title-only": {"enabled": False}},
}
# Django's own: those of 5.2 are told from the text by their colour alone.
THEIRS = [".breadcrumbs"] if django.VERSION < (6, 0) else []
# Elements. A filter of the list has a link for each task that any test has imported so far.
FAR = 600


class Visit:
    """A user of the admin in a browser window; ``complaints`` are what its console says."""

    def __init__(self, context: Any, server: str, client: Client) -> None:
        self.context = context
        self.server = server
        self.complaints: list[str] = []
        self.policies: list[str] = []
        cookie = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server}
        context.add_cookies([cookie])
        page = self.page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (self.complaints.append(dialog.message), dialog.dismiss()))

    def _hear(self, message: Any) -> None:
        if not message.location["url"].endswith("/favicon.ico"):  # there is none
            self.complaints.append(message.text)

    def open(self, url: str) -> Any:
        """Go to a page of the admin. Returns Playwright's page."""
        response = self.page.goto(self.server + url)
        assert response.ok, f"{response.status} at {url}"
        self.policies.append(response.headers[HEADER])
        assert "/login/" not in self.page.url, f"not logged in at {url}"
        return self.page

    @property
    def said(self) -> str:
        """The admin's message at the top of the page."""
        return str(self.page.locator(".messagelist").inner_text())

    def click(self, what: Any) -> None:
        """Click on a locator that leads to a page, and wait for that: a click alone doesn't."""
        with self.page.expect_navigation():
            what.click()

    def walk_to(self, name: str, key: str = "Tab") -> None:
        """
        Go to what has a name that begins so, by the keyboard alone, and look that one sees
        where one is.
        """
        for _ in range(FAR):
            self.page.keyboard.press(key)
            if self.page.evaluate(NAME).startswith(name):
                assert self.page.evaluate(IS_MARKED), f"nobody sees that {name!r} has the focus"
                return
        raise AssertionError(f"no way to {name!r} by keyboard")

    def press(self, name: str, key: str = "Tab") -> None:
        """Walk to a button or a link, and press Enter."""
        self.walk_to(name, key)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def findings(
        self, *rules: str, within: Sequence[str] = (), without: Sequence[str] = ()
    ) -> list[str]:
        """
        What axe finds grave, by all of its rules or by these, on the page or within parts of it
        ``without`` others.
        """
        from axe_playwright_python.sync_playwright import Axe

        before = len(self.complaints)
        there = [each for each in within if self.page.locator(each).count()]
        part = {
            "include": [[each] for each in there or ["html"]],
            "exclude": [[each] for each in (*THEIRS, *without)],
        }
        only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
        found = Axe().run(self.page, context=part, options={**AXE, **only}).response
        del self.complaints[before:]  # axe itself minds no policy
        return [
            f"{rule['id']}: {node['html'][:300]}: {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in GRAVE
            for node in rule["nodes"]
        ]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return int(self.page.evaluate(OVERFLOW))


# What is called that has the focus, and whether one sees so.
NAME = """() => {
  const held = document.activeElement;
  if (held.localName !== "input") return held.textContent.trim();
  return held.ariaLabel || held.labels[0]?.textContent.trim() || held.value || held.name;
}"""
IS_MARKED = """() => {
  const held = document.activeElement;
  const look = () => {
    held.getAnimations().forEach((each) => each.finish());
    const style = getComputedStyle(held);
    const kinds = ["outline", "boxShadow", "backgroundColor", "border", "textDecoration", "color"];
    return kinds.map((kind) => style[kind]).join();
  };
  const marked = look();
  held.blur();
  const plain = look();
  held.focus({ focusVisible: true });
  return marked !== plain;
}"""
OVERFLOW = """() => {
  const root = document.scrollingElement;
  return root.scrollWidth - root.clientWidth;
}"""
