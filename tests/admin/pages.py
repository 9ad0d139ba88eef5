"""Read and use the pages as a browser does."""

from html.parser import HTMLParser
from typing import Any

from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from django_jobs.models import Job

LIST = reverse("admin:django_jobs_job_changelist")
VERBS = ("retry", "discard", "cancel", "copy")


def job_url(job: Job, verb: str = "change") -> str:
    return reverse(f"admin:django_jobs_job_{verb}", args=[job.pk])


def act(client: Client, verb: str, *jobs: Job, url: str = LIST, **extra: str) -> Any:
    """Choose an action of the list for the jobs, and press its button."""
    data = {"action": verb, "index": "0", "_selected_action": [str(job.pk) for job in jobs]}
    return client.post(url, data | extra)


def confirm(client: Client, response: Any, url: str = LIST) -> Any:
    """Press the button of a confirmation page."""
    assert response.templates[0].name == "django_jobs/admin/confirm.html"
    fields = Page(response).fields("jobs-confirm")
    return client.post(url, fields)


def said(response: Any) -> list[str]:
    """The messages that this request left for the next page to show."""
    storage: Any = get_messages(response.wsgi_request)
    return [str(message) for message in storage._queued_messages]


class Page(HTMLParser):
    """What a page is made of: its elements, with their attributes."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        assert response.status_code == 200, response
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.inline: list[str] = []
        self._open = ""
        self.text = response.content.decode()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open = tag

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in ("script", "style") and data.strip():
            self.inline.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]

    def buttons(self) -> set[str]:
        """The verbs that the page of a job offers."""
        urls = [attrs["formaction"] for attrs in self.all("button") if "formaction" in attrs]
        return {url.partition("?")[0].rstrip("/").rpartition("/")[2] for url in urls}

    def fields(self, form_class: str) -> dict[str, list[str]]:
        """The hidden inputs of a form."""
        start = next(
            index
            for index, (tag, attrs) in enumerate(self.elements)
            if tag == "form" and attrs.get("class") == form_class
        )
        found: dict[str, list[str]] = {}
        for tag, attrs in self.elements[start:]:
            if tag == "input" and attrs.get("type") == "hidden":
                found.setdefault(attrs["name"], []).append(attrs["value"])
        return found
