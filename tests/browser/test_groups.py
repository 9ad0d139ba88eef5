"""From the list of failures to its jobs being retried, in a real browser, under a strict policy."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from django_jobs import tasks
from django_jobs.admin import handover
from django_jobs.models import Job, Status
from django_jobs.testing import run_pending
from tests.admin.test_groups import GROUPS, jobs_of, make
from tests.browser.test_policy import SCRIPT
from tests.browser.visit import Visit


def ran_in_a_thread() -> list[Job]:
    try:
        return run_pending()
    finally:
        connection.close()


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without"])
def test_four_clicks_bring_all_of_a_group_back(
    visit: Callable[..., Visit], scripts: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "AT_ONCE", 3)
    group = make(message=SCRIPT, place=SCRIPT, exception_class=SCRIPT, task_path=f"x.{SCRIPT}")
    jobs = jobs_of(group, 5, dead=True, last_error=SCRIPT)
    make("cd")
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(GROUPS)
    page.click("#result_list tbody tr:first-child th a")
    page.click("button:has-text('Retry all 5')")
    page.click(".jobs-confirm button")
    assert "a job of its own does it" in visitor.said
    assert page.locator("img[src=x]").count() == 0
    assert Job.objects.filter(task_path=tasks.act_on_jobs.module_path).exists()
    with ThreadPoolExecutor(1) as pool:  # this thread has Playwright's event loop
        assert len(pool.submit(ran_in_a_thread).result()) == 6
    done = Job.objects.filter(pk__in=[job.pk for job in jobs])
    assert set(done.values_list("status", flat=True)) == {Status.SUCCESSFUL}
