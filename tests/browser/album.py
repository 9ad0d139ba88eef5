"""
Every page in many dresses, for people to look at: light and dark, wide and narrow, from left to
right and from right to left. `python -m pytest tests/browser/album.py` fills the folder `.album`.

A file of tests that no other run collects. It asserts nothing: what is wrong is for eyes to see.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from django_jobs import tasks
from django_jobs.models import Job, JobLog, Worker
from tests.browser import scene
from tests.browser.questions import QUESTIONS
from tests.browser.visit import Visit
from tests.docs.blocks import ROOT
from tests.factories import JobFactory

FOLDER = ROOT / ".album"
TALLEST = 2600
SIZES = {"wide": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
DRESSES = [
    ("light", "wide", "en"),
    ("dark", "wide", "en"),
    ("light", "phone", "en"),
    ("dark", "phone", "en"),
    ("light", "wide", "ar"),
    ("dark", "phone", "he"),
]


def further(shop: scene.Scene) -> dict[str, str]:
    """What the scene lacks: a job in each state, a log so far, a mass action."""
    now = timezone.now()
    traits: dict[str, dict[str, Any]] = {
        "scheduled": {"scheduled": True},
        "retrying": {
            "scheduled": True,
            "attempts": 2,
            "failure_group": shop.group.pk,
            "last_error": f"SMTPRecipientsRefused: {scene.REFUSED}",
            "run_after": now + timedelta(minutes=4),
        },
        "cancelled": {"cancelled": True},
        "discarded": {"discarded": True},
        "cancelling": {
            "running": True,
            "worker_id": shop.worker.pk,
            "cancel_requested_at": now,
            "metadata": {"progress": {"done": 71, "total": 240, "note": "drawing page 71"}},
        },
        "unknown": {
            "scheduled": True,
            "task_path": "shop.tasks.no_longer_there",
            "last_error": "UnknownTask: shop.tasks.no_longer_there",
            "started_at": now,
            "attempts": 1,
        },
        "many-arguments": {"kwargs": {f"argument_{n}": "x" * n * 7 for n in range(40)}},
    }
    jobs = {
        name: JobFactory(**{"task_path": scene.INVOICE, **each}) for name, each in traits.items()
    }
    running = Job.objects.get(pk=shop.running.pk)
    Worker.objects.filter(pk=shop.worker.pk).update(
        stacks=[
            {
                "job": str(running.pk),
                "task": running.task_path,
                "attempt": 1,
                "claim_no": running.claim_no,
                "since": now.isoformat(),
                "stack": scene.STACK,
                "log": f"{now:%H:%M:%S} WARNING shop.pdf: a font is missing\n" * 4,
            }
        ]
    )
    by_job = JobFactory(
        running=True,
        task_path=tasks.act_on_jobs.module_path,
        worker_id=shop.worker.pk,
        args=[],
        kwargs={"verb": "retry", "which": {"group": shop.group.pk}},
        metadata={"progress": {"done": 41500, "total": 100000}},
    )
    JobLog.objects.create(job=shop.done, claim_no=1, number=1, text="one line\nand one more")
    children = JobFactory.create_batch(3, parent_id=shop.dead.pk, successful=True)
    change = "job_change"
    return {
        **{f"job-{name}": scene.page(change, job.pk) for name, job in jobs.items()},
        "job-mass-action": scene.page(change, by_job.pk),
        "job-child": scene.page(change, children[0].pk),
        "queues-target": f"{scene.page('queue_changelist')}#queue-mail",
        "workers-all": f"{scene.page('worker_changelist')}?state=all",
        "jobs-search": f"{scene.page('job_changelist')}?q=queue:mail+order_id=1041",
    }


@pytest.mark.parametrize(("scheme", "size", "language"), DRESSES)
def test_album(
    visit: Callable[..., Visit],
    settings: Any,
    transactional_db: None,
    scheme: str,
    size: str,
    language: str,
) -> None:
    settings.LANGUAGE_CODE = language
    folder = FOLDER / f"{language}-{scheme}-{size}"
    folder.mkdir(parents=True, exist_ok=True)
    visitor = visit(color_scheme=scheme, viewport=SIZES[size])

    def take(name: str, url: str = "") -> Any:
        page = visitor.open(url) if url else visitor.page
        height = min(TALLEST, page.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": SIZES[size]["width"], "height": height}
        page.screenshot(path=folder / f"{name}.png", full_page=True, clip=clip)
        return page

    take("overview-empty", reverse("admin:app_list", args=["django_jobs"]))
    for name in ("job", "failuregroup", "queue", "worker"):
        take(f"{name}-list-empty", scene.page(f"{name}_changelist"))
    shop = scene.shop()
    pages = shop.pages | scene.without_end(shop.lost) | further(shop)
    for name, url in pages.items():
        take(name, url)
    for name, ask in QUESTIONS.items():
        ask(visitor, pages)
        take(name)
    page = visitor.open(pages["failure-long"])
    visitor.click(page.locator("button[formaction*=discard]"))
    take("said-long")
