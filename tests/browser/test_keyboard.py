"""The main actions by the keyboard alone, with JavaScript on and off."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from django_jobs.models import Command, Job, Queue, Status, Worker
from tests.browser import scene
from tests.browser.visit import Visit

SCRIPTS = pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])


@pytest.fixture
def shop(transactional_db: None) -> scene.Scene:
    return scene.shop(dead=3)


@SCRIPTS
def test_retry_a_job(visit: Callable[..., Visit], shop: scene.Scene, scripts: bool) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["job-dead"])
    visitor.press("Retry")
    assert visitor.said == "1 job was retried."
    assert Job.objects.get(pk=shop.dead.pk).status == Status.READY


@SCRIPTS
def test_retry_what_failed_alike(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["failure"])
    visitor.press("Retry all 3")
    visitor.press("Retry: 3")
    assert visitor.said == "3 jobs were retried."


@SCRIPTS
def test_discard_what_is_ticked(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(f"{shop.pages['jobs-dead']}&task={scene.NOTICE}")
    page.locator("select[name=action]").focus()
    page.keyboard.type("Discard")
    for _ in range(2):
        visitor.walk_to("Select this object for an action")
        page.keyboard.press("Space")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    visitor.press("Discard: 2")
    assert visitor.said == "2 jobs were discarded."


@SCRIPTS
def test_resume_a_queue(visit: Callable[..., Visit], shop: scene.Scene, scripts: bool) -> None:
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(shop.pages["queues"])
    visitor.walk_to("Select the queue mail")
    page.keyboard.press("Space")
    visitor.press("Resume", key="Shift+Tab")
    assert visitor.said == "1 queue was resumed."
    assert not Queue.objects.paused().filter(name="mail").exists()


@SCRIPTS
def test_quiet_a_worker(visit: Callable[..., Visit], shop: scene.Scene, scripts: bool) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["worker"])
    visitor.press("Quiet")
    assert "was told to be quiet" in visitor.said
    visitor.press("Resume")
    assert "was told to claim" in visitor.said


@SCRIPTS
def test_discard_what_failed_alike(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["failure"])
    visitor.press("Discard all 3")
    visitor.press("Discard: 3")
    assert visitor.said == "3 jobs were discarded."


@SCRIPTS
def test_copy_and_cancel_a_job(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["job-waiting"])
    visitor.press("Run a copy")
    assert visitor.said.startswith("1 copy was enqueued.")
    visitor.open(shop.pages["job-waiting"])
    visitor.press("Cancel")
    assert visitor.said == "1 job was cancelled."
    assert Job.objects.get(pk=shop.waiting.pk).status == Status.CANCELLED


@SCRIPTS
def test_pause_a_queue_with_an_end_and_a_reason(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(shop.pages["queues"])
    visitor.walk_to("Select the queue notify")
    page.keyboard.press("Space")
    visitor.press("Pause…", key="Shift+Tab")
    visitor.walk_to("Until")
    page.keyboard.type("01022099")
    page.keyboard.press("ArrowRight")  # a year may have more digits
    page.keyboard.type("1030AM")
    visitor.walk_to("Reason")
    page.keyboard.type("the provider is down")
    visitor.press("Pause")
    assert visitor.said == "1 queue was paused."
    queue = Queue.objects.get(name="notify")
    assert queue.paused_until == datetime(2099, 1, 2, 10, 30, tzinfo=UTC)
    assert queue.pause_reason == "the provider is down"


def test_a_half_entered_end_is_not_taken_for_none(
    visit: Callable[..., Visit], shop: scene.Scene
) -> None:
    visitor = visit()
    page = visitor.open(shop.pages["queues"])
    visitor.walk_to("Select the queue notify")
    page.keyboard.press("Space")
    visitor.press("Pause…", key="Shift+Tab")
    asked = page.url
    visitor.walk_to("Until")
    page.keyboard.type("0102")
    visitor.walk_to("Pause")
    page.keyboard.press("Enter")
    page.wait_for_function("document.activeElement.name === 'until'")
    assert page.url == asked
    assert not Queue.objects.paused().filter(name="notify").exists()


def test_a_pause_keeps_its_seconds_where_another_reason_is_entered(
    visit: Callable[..., Visit], shop: scene.Scene
) -> None:
    until = datetime(2099, 1, 2, 10, 30, 59, tzinfo=UTC)
    Queue.objects.filter(name="mail").update(paused_until=until)
    visitor = visit()
    page = visitor.open(shop.pages["queues"])
    visitor.walk_to("Select the queue mail")
    page.keyboard.press("Space")
    visitor.press("Pause…", key="Shift+Tab")
    visitor.walk_to("Reason")
    page.keyboard.press("Control+A")
    page.keyboard.type("still down")
    visitor.press("Pause")
    queue = Queue.objects.get(name="mail")
    assert (queue.paused_until, queue.pause_reason) == (until, "still down")


@SCRIPTS
def test_stop_a_worker_and_ask_for_stacks(
    visit: Callable[..., Visit], shop: scene.Scene, scripts: bool
) -> None:
    visitor = visit(java_script_enabled=scripts)
    visitor.open(shop.pages["worker"])
    visitor.press("Show stacks")
    assert "was asked for the stacks" in visitor.said
    visitor.open(shop.pages["job-running"])
    visitor.press("Show its stack and log")
    assert "was asked for the stacks" in visitor.said
    visitor.open(shop.pages["worker"])
    visitor.press("Stop")
    assert "was told to stop" in visitor.said
    assert Worker.objects.get(pk=shop.worker.pk).command == Command.STOP


@SCRIPTS
def test_search_and_filter(visit: Callable[..., Visit], shop: scene.Scene, scripts: bool) -> None:
    visitor = visit(java_script_enabled=scripts)
    page = visitor.open(shop.pages["jobs"])
    rows = page.locator("#result_list tbody tr")
    visitor.walk_to("q")
    page.keyboard.type("queue:mail")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert rows.count() == Job.objects.filter(queue_name="mail").count()
    visitor.press("Dead")
    assert rows.count() == Job.objects.filter(queue_name="mail", status=Status.DEAD).count() == 3
    visitor.open(shop.pages["failures"])
    visitor.press("Some are dead")
    assert rows.count() == 2


def test_turn_the_refreshing_off(visit: Callable[..., Visit], shop: scene.Scene) -> None:
    visitor = visit()
    page = visitor.open(shop.pages["overview"])
    visitor.walk_to("Refresh every 10 seconds")
    page.keyboard.press("Space")
    page.reload()
    assert not page.is_checked("#jobs-refresh")
