"""The pages in a real browser, which runs no script that a job brings."""

import shutil
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from django_jobs.models import JobStep
from tests.admin.pages import LIST, job_url
from tests.factories import JobAttemptFactory, JobFactory, QueueFactory, WorkerFactory

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
POLICY = "default-src 'self'"
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)


def under_policy(route: Any) -> None:
    """The response of the server, with the policy."""
    response = route.fetch()
    route.fulfill(
        response=response, headers={**response.headers, "content-security-policy": POLICY}
    )


@pytest.mark.skipif(not BROWSER, reason="no Chromium to open the admin's pages in")
def test_pages_hold_under_a_strict_policy(live_server: Any, admin_client: Client) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    now = timezone.now()
    worker = WorkerFactory(hostname=SCRIPT, queues=SCRIPT)
    QueueFactory(name=SCRIPT[:64])
    text = {"queue_name": SCRIPT[:64], "last_error": SCRIPT, "worker_id": worker.pk}
    metadata = {SCRIPT: SCRIPT, "progress": {"done": 1, "total": 2, "note": SCRIPT}}
    call = {"args": [SCRIPT], "kwargs": {SCRIPT: SCRIPT}, "metadata": metadata}
    done = JobFactory(successful=True, return_value={SCRIPT: SCRIPT}, **text, **call)
    dead = [JobFactory(dead=True, task_path=f"x.{SCRIPT}", **text, **call) for _ in range(2)]
    of_step = {"number": 1, "claim_no": 1, "started_at": now, "finished_at": now}
    JobStep.objects.create(job=done, name=SCRIPT, key=SCRIPT, result=[SCRIPT], **of_step)
    JobAttemptFactory(
        job=dead[0],
        worker_name=SCRIPT,
        exception_class=SCRIPT,
        message=f"{SCRIPT}\n{SCRIPT}",
        traceback=SCRIPT,
    )
    session = admin_client.cookies["sessionid"].value
    names = ("queue_changelist", "queue_add", "worker_changelist")
    urls = [
        LIST,
        *map(job_url, (done, *dead)),
        *(reverse(f"admin:django_jobs_{name}") for name in names),
        reverse("admin:django_jobs_worker_change", args=[worker.pk]),
    ]
    complaints: list[str] = []
    with playwright.sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page()
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": live_server.url}])
        page.route("**/*", under_policy)
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: (complaints.append(dialog.message), dialog.dismiss()))
        for url in urls:
            response = page.goto(live_server.url + url)
            assert response.headers["content-security-policy"] == POLICY
            assert page.locator("#user-tools").count() == 1, f"not logged in at {url}"
            assert page.locator("img[src=x]").count() == 0, url
        # An action, its question, and what it says in the end.
        page.goto(f"{live_server.url}{LIST}?status=DEAD")
        page.check("#action-toggle")
        page.select_option("select[name=action]", "discard")
        page.click("button[name=index]")
        page.click(".jobs-confirm button")
        assert page.locator(".messagelist").inner_text() == "2 jobs were discarded."
        browser.close()
    assert complaints == []
