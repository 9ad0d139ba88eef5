"""A shop whose background jobs have had a day like any other, for people to look at."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.urls import reverse
from django.utils import timezone

from django_jobs.figures import write
from django_jobs.ids import uuid7
from django_jobs.models import (
    FailureGroup,
    Job,
    JobAttempt,
    JobLog,
    JobStep,
    Phase,
    Queue,
    Status,
    Worker,
)
from django_jobs.models.figures import SPANS
from django_jobs.tally import Tally
from tests.factories import JobAttemptFactory, JobFactory, WorkerFactory

INVOICE: Final = "shop.tasks.send_invoice"
NOTICE: Final = "shop.tasks.notify_team"
DRAWING: Final = "shop.tasks.draw_invoice"
LONG: Final = f"shop.tasks.{'a_task_with_a_name_that_knows_no_end_' * 6}"[:255]
REFUSED: Final = (
    '451 4.3.0 <orders@example.com>: the mailbox "orders" is over its quota, try again later'
)
TRACEBACK: Final = f"""Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 66, in send_invoice
    mail.send_invoice(invoice)
  File "/srv/shop/mail.py", line 31, in send_invoice
    message.send()
  File "/usr/lib/python3.13/smtplib.py", line 901, in sendmail
    raise SMTPRecipientsRefused(senderrs)
smtplib.SMTPRecipientsRefused: {REFUSED}
"""
STACK: Final = """  File "/srv/shop/tasks.py", line 31, in draw_invoice
    document = pdf.draw_invoice(order, number)
  File "/srv/shop/pdf.py", line 48, in draw_invoice
    return bytes(document.output())
"""


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:django_jobs_{name}", args=args)


@dataclass(frozen=True)
class Scene:
    """What is there to open."""

    dead: Job
    running: Job
    done: Job
    waiting: Job
    group: FailureGroup
    worker: Worker
    lost: Worker

    @property
    def pages(self) -> dict[str, str]:
        """Every page, by a name for it."""
        return {
            "index": reverse("admin:index"),
            "overview": reverse("admin:app_list", args=["django_jobs"]),
            "overview-week": reverse("admin:app_list", args=["django_jobs"]) + "?range=7d",
            "jobs": page("job_changelist"),
            "jobs-dead": page("job_changelist") + "?status=DEAD",
            "jobs-none": page("job_changelist") + "?q=nothing-like-it",
            "job-dead": page("job_change", self.dead.pk),
            "job-running": page("job_change", self.running.pk),
            "job-done": page("job_change", self.done.pk),
            "job-waiting": page("job_change", self.waiting.pk),
            "failures": page("failuregroup_changelist"),
            "failure": page("failuregroup_change", self.group.pk),
            "queues": page("queue_changelist"),
            "queue": page("queue_change", "mail"),
            "queue-add": page("queue_add"),
            "workers": page("worker_changelist"),
            "workers-lost": page("worker_changelist") + "?state=lost",
            "worker": page("worker_change", self.worker.pk),
            "worker-lost": page("worker_change", self.lost.pk),
        }


def shop(dead: int = 5) -> Scene:
    """
    Fill the database: ``dead`` invoices could not be sent, others of the jobs fared otherwise,
    and nothing has a name that doesn't fit.
    """
    now = timezone.now()
    _count(now)
    worker, lost = _workers(now)
    group = _failure("5a", INVOICE, "smtplib.SMTPRecipientsRefused", "shop.mail.send_invoice")
    _failures(now, group, dead)
    job = _dead(now, group, worker)
    Queue.objects.create(name="mail")
    why = "The mail provider is down until about noon."
    Queue.objects.filter(name="mail").pause(until=now + timedelta(hours=2), reason=why, by="admin")
    JobFactory.create_batch(
        7, queue_name="mail", task_path=INVOICE, run_after=now - timedelta(minutes=9)
    )
    waiting = JobFactory(scheduled=True, task_path=NOTICE, queue_name="notify", kwargs={}, args=[8])
    running = Job.objects.filter(status=Status.RUNNING).order_by("pk").first()
    assert running is not None
    done = _done(now, worker)
    return Scene(job, running, done, waiting, group, worker, lost)


def _count(now: Any) -> None:
    """The figures of the last day."""
    chance = random.Random(7)
    totals: dict[tuple[int, int, str, str], Tally] = {}
    last = int(now.timestamp()) // 60 * 60
    tasks = (
        (DRAWING, "default", 0.8, 0.0),
        (INVOICE, "mail", 0.3, 0.12),
        (NOTICE, "notify", 0.1, 0.03),
    )
    for path, queue, seconds, failing in tasks:
        for minutes in (*range(90), *range(90, 24 * 60, 7)):
            tally = Tally()
            for _ in range(chance.randint(2, 12)):
                failed = chance.random() < failing
                run, wait = (chance.lognormvariate(0, 0.6) for _ in range(2))
                tally.add(seconds * run, 0.2 * wait, failed=failed, dead=failed and minutes < 60)
            at = last - minutes * 60
            for span in SPANS:
                if span > 60 or minutes < 90:
                    totals.setdefault((span, at - at % span, path, queue), Tally()).merge(tally)
    write(totals, uuid7(), "default")


def _workers(now: Any) -> tuple[Worker, Worker]:
    told: dict[str, Any] = {"coroutines_running": 0, "memory": 96_000_000, "version": "0.1.0"}
    ago = timedelta(minutes=1)
    busy = WorkerFactory(
        hostname="jobs-1", pid=812, threads_busy=3, release="v42", phase=Phase.RUNNING, **told
    )
    jobs = [
        JobFactory(
            running=True,
            task_path=path,
            worker_id=busy.pk,
            queue_name=queue,
            args=[],
            kwargs={"order_id": 1040 + n},
            started_at=now - ago * n,
            last_attempted_at=now - ago * n,
        )
        for n, (path, queue) in enumerate(
            ((DRAWING, "default"), (INVOICE, "mail"), (NOTICE, "notify")), 1
        )
    ]
    entries = [
        {
            "job": str(job.pk),
            "task": job.task_path,
            "attempt": 1,
            "claim_no": 1,
            "since": job.started_at.isoformat(),
        }
        for job in jobs
    ]
    Worker.objects.filter(pk=busy.pk).update(
        running=entries,
        stacks=[{**entry, "stack": STACK} for entry in entries[:1]],
        stacks_at=now,
        started_at=now - timedelta(minutes=37),
    )
    WorkerFactory(
        hostname="jobs-2",
        pid=97,
        threads_busy=0,
        running=[],
        release="v42",
        started_at=now - timedelta(minutes=36),
        phase=Phase.QUIET,
        **told,
    )
    lost: dict[str, Any] = {"hostname": "jobs-0", "pid": 4011, "release": "v41", "lost": True}
    return busy, WorkerFactory(**lost, started_at=now - timedelta(hours=9), **told)


def _failure(pk: str, path: str, error: str, place: str, **values: Any) -> FailureGroup:
    now = timezone.now()
    fields = {
        "fingerprint": pk * 8,
        "task_path": path,
        "outcome": "FAILED",
        "exception_class": error,
        "place": place,
        "message": REFUSED,
        "job_id": uuid7(),
        "first_seen": now - timedelta(hours=3),
        "last_seen": now - timedelta(minutes=2),
        "seen": 312,
    }
    made: FailureGroup = FailureGroup.objects.create(**{**fields, **values})
    return made


def _failures(now: Any, group: FailureGroup, dead: int) -> None:
    call: dict[str, Any] = {"task_path": INVOICE, "queue_name": "mail", "args": []}
    for n in range(dead - 1):
        JobFactory(
            dead=True,
            failure_group=group.pk,
            last_error=f"SMTPRecipientsRefused: {REFUSED}",
            kwargs={"invoice_id": 700 + n},
            **call,
        )
    text = "503 Service Unavailable"
    notice = _failure(
        "0c", NOTICE, "urllib.error.HTTPError", "shop.webhook.post", message=text, seen=64
    )
    for traits in ({"dead": True}, {"dead": True}, {"scheduled": True, "attempts": 2}):
        JobFactory(
            task_path=NOTICE,
            queue_name="notify",
            failure_group=notice.pk,
            last_error=f"HTTPError: {text}",
            args=[],
            kwargs={"order_id": 1017},
            **traits,
        )
    _failure("e1", DRAWING, "", "", outcome="LOST", message="", seen=1)


def _dead(now: Any, group: FailureGroup, worker: Worker) -> Job:
    """One that was tried four times."""
    job: Job = JobFactory(
        dead=True,
        task_path=INVOICE,
        queue_name="mail",
        args=[],
        kwargs={"invoice_id": 741},
        attempts=4,
        claim_no=4,
        max_attempts=4,
        failure_group=group.pk,
        last_error=f"SMTPRecipientsRefused: {REFUSED}",
        enqueued_at=now - timedelta(seconds=150),
        run_after=now - timedelta(seconds=150),
        started_at=now - timedelta(seconds=140),
        last_attempted_at=now - timedelta(seconds=34),
        finished_at=now - timedelta(seconds=30),
    )
    FailureGroup.objects.filter(pk=group.pk).update(job_id=job.pk)
    for number, (start, took, delay) in enumerate(
        ((140, 6, 10), (124, 12, 22), (90, 9, 47), (34, 4, None)), 1
    ):
        started = now - timedelta(seconds=start)
        JobAttemptFactory(
            job=job,
            number=number,
            claim_no=number,
            worker_id=worker.pk,
            worker_name=worker.name,
            started_at=started,
            finished_at=started + timedelta(seconds=took),
            exception_class="smtplib.SMTPRecipientsRefused",
            message=REFUSED,
            traceback=TRACEBACK,
            delay=delay,
        )
        line = f"{started:%H:%M:%S} WARNING shop.mail: the server asked to try again later"
        JobLog.objects.create(job=job, claim_no=number, number=number, text=line)
    return job


def _done(now: Any, worker: Worker) -> Job:
    """One with steps, a return value and children."""
    job: Job = JobFactory(
        successful=True,
        task_path=DRAWING,
        args=[],
        kwargs={"order_id": 1031},
        return_value="INV-1031",
        worker_id=worker.pk,
        started_at=now - timedelta(seconds=3),
        last_attempted_at=now - timedelta(seconds=3),
        metadata={"progress": {"done": 3, "total": 3, "note": "pages"}},
    )
    JobStep.objects.create(
        job=job,
        name="draw",
        key="1",
        number=1,
        claim_no=1,
        result={"pages": 3},
        started_at=now - timedelta(seconds=2),
        finished_at=now - timedelta(seconds=1),
    )
    JobFactory(task_path=INVOICE, queue_name="mail", parent_id=job.pk)
    JobFactory.create_batch(6, successful=True, task_path=DRAWING, args=[1030])
    JobFactory(cancelled=True, task_path=NOTICE, queue_name="notify")
    return job


def without_end(lost: Worker) -> dict[str, str]:
    """A job whose names and error have no end; its worker and its queue are no better."""
    queue = Queue.objects.create(name="long" * 16)
    Queue.objects.filter(pk=queue.pk).pause(reason="x" * 200, by="admin")
    host = "a-host-with-a-name-that-knows-no-end-" * 5
    Worker.objects.filter(pk=lost.pk).update(hostname=host, queues="q" * 400, release="r" * 64)
    error = "An error that says very much and has no spaces in it:" + "x" * 900
    group = _failure(
        "ff", LONG, f"shop.{'errors' * 30}.{'E' * 60}", "shop." + "p" * 200, message=error
    )
    job: Job = JobFactory(
        dead=True,
        task_path=LONG,
        queue_name="long" * 16,
        last_error=error[:500],
        failure_group=group.pk,
        args=["word" * 2000],
        worker_id=lost.pk,
    )
    JobAttemptFactory(
        job=job,
        worker_id=lost.pk,
        worker_name=f"{host}:4711",
        outcome=JobAttempt.Outcome.TIMED_OUT,
        exception_class=group.exception_class,
        message=error * 3,
        traceback=error,
    )
    JobFactory(task_path=LONG, queue_name="long" * 16, parent_id=job.pk, last_error=error[:500])
    return {
        "job-long": page("job_change", job.pk),
        "failure-long": page("failuregroup_change", group.pk),
        "queue-long": page("queue_change", queue.pk),
    }
