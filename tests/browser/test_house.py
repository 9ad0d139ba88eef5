"""Queues are paused and workers told in a real browser, under a strict policy."""

from collections.abc import Callable

import pytest
from django.urls import reverse

from django_jobs.models import Command, Phase, Queue
from tests.browser.visit import Visit
from tests.factories import JobFactory, WorkerFactory


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_pause_a_queue_and_tell_a_worker(visit: Callable[..., Visit], scripts: bool) -> None:
    JobFactory(queue_name="mail")
    worker = WorkerFactory(phase=Phase.RUNNING, threads_busy=1, running=[])
    job = JobFactory(running=True, worker_id=worker.pk)
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(reverse("admin:django_jobs_queue_changelist"))
    page.get_by_label("Select the queue mail").check()
    visitor.click(page.get_by_role("button", name="Pause…"))
    page.get_by_label("Until").fill("2099-01-01T10:00")
    page.get_by_label("Reason").fill("the provider is down")
    visitor.click(page.get_by_role("button", name="Pause"))
    assert visitor.said == "1 queue was paused."
    row = page.get_by_role("row").filter(has_text="mail")
    for text in ("Paused", "until 2099-01-01 10:00:00, by admin", "the provider is down"):
        assert text in row.inner_text()
    page.get_by_label("Select the queue mail").check()
    visitor.click(page.get_by_role("button", name="Resume"))
    assert visitor.said == "1 queue was resumed."

    visitor.open(reverse("admin:django_jobs_worker_change", args=[worker.pk]))
    for button, told in (("Quiet", "to be quiet"), ("Resume", "to claim"), ("Stop", "to stop")):
        visitor.click(page.get_by_role("button", name=button))
        assert f"was told {told}" in visitor.said
    visitor.open(reverse("admin:django_jobs_job_change", args=[job.pk]))
    visitor.click(page.get_by_role("button", name="Show its stack"))
    assert "was asked for the stacks" in visitor.said
    assert "answers at its next heartbeat" in page.locator("#content").inner_text()
    worker.refresh_from_db()
    assert (worker.command, Queue.objects.paused().count()) == (Command.STOP, 0)
    assert worker.stacks_asked_at is not None
