"""The README's quickstart and the tutorial, done for real."""

import re
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.docs.blocks import DOCS, README
from tests.docs.walk import Walk, environment


class Reader(Walk):
    """Does in the admin what the tutorial says."""

    def step_log_in(self) -> None:
        self.cookies = CookieJar()
        self.browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))
        self.get("/admin/login/")
        page = self.post("/admin/login/?next=/admin/", username="admin", password="admin")
        assert "Log out" in page

    def step_see_the_dead_job(self) -> None:
        page = self.get("/admin/django_jobs/job/")
        assert "import_prices" in page
        assert "Dead" in page
        assert "3/3" in page
        assert "FileNotFoundError" in page
        link = re.search(r'href="(/admin/django_jobs/job/[^"]+/change/)', page)
        assert link
        detail = self.get(link[1])
        assert "prices.csv" in detail
        assert detail.count("Traceback (most recent call last)") == 3

    def step_retry_it(self) -> None:
        page = self.get("/admin/django_jobs/job/")
        job = re.search(r'name="_selected_action" value="([^"]+)"', page)
        assert job
        page = self.post(
            "/admin/django_jobs/job/", action="retry", _selected_action=job[1], index="0"
        )
        assert "1 job was retried." in page

    def step_see_that_it_succeeded(self) -> None:
        page = self.get("/admin/django_jobs/job/")
        assert "Successful" in page
        assert "1/3" in page

    def get(self, path: str) -> str:
        with self.browser.open(self.url + path, timeout=20) as response:
            return response.read().decode()

    def post(self, path: str, **data: str) -> str:
        token = next(c.value for c in self.cookies if c.name == "csrftoken")
        body = urllib.parse.urlencode({**data, "csrfmiddlewaretoken": token}).encode()
        request = urllib.request.Request(self.url + path, body, {"Referer": self.url + path})
        with self.browser.open(request, timeout=20) as response:
            return response.read().decode()


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.end()


def test_quickstart(reader: Reader) -> None:
    """The README takes a project and an app `orders` for granted."""
    for command in (("startproject", "mysite", "."), ("startapp", "orders")):
        subprocess.run(
            [sys.executable, "-m", "django", *command],
            cwd=reader.folder,
            env=environment(),
            check=True,
        )
    reader.page(README)


def test_tutorial(reader: Reader) -> None:
    reader.page(DOCS / "tutorial.md")
