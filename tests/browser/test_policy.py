"""Text that jobs bring is text on every page: no script of theirs runs."""

from collections.abc import Callable

from django.urls import reverse
from django.utils import timezone

from django_jobs.models import JobLog, JobStep
from tests.admin.pages import LIST, job_url
from tests.browser.visit import Visit
from tests.factories import JobAttemptFactory, JobFactory, QueueFactory, WorkerFactory

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"


def test_pages_hold_under_a_strict_policy(visit: Callable[..., Visit]) -> None:
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
    JobLog.objects.create(job=done, claim_no=1, number=1, text=SCRIPT)
    JobFactory(task_path=f"x.{SCRIPT}", parent_id=done.pk, **text)
    names = ("queue_changelist", "queue_add", "worker_changelist")
    urls = [
        LIST,
        reverse("admin:app_list", args=["django_jobs"]),
        *map(job_url, (done, *dead)),
        *(reverse(f"admin:django_jobs_{name}") for name in names),
        reverse("admin:django_jobs_worker_change", args=[worker.pk]),
    ]
    visitor = visit()
    for url in urls:
        assert visitor.open(url).locator("img[src=x]").count() == 0, url
    # An action, its question, and what it says in the end.
    page = visitor.open(f"{LIST}?status=DEAD")
    page.check("#action-toggle")
    page.select_option("select[name=action]", "discard")
    page.click("button[name=index]")
    page.click(".jobs-confirm button")
    assert visitor.said == "2 jobs were discarded."
