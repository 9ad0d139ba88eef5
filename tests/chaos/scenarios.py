"""What happens in a run: jobs are enqueued, trouble is made, everything heals, and is checked."""

import os
import random
import signal
import threading
import time
from typing import Any

from django.db import DatabaseError, connection

from django_jobs.models import Job, Status

from .cluster import LEASE, Cluster
from .enqueuer import Enqueuer
from .trouble import Trouble
from .verdict import Verdict

STANDSTILL_SECONDS = 60  # the verdict then says what is left
OPEN = (Status.SCHEDULED, Status.READY, Status.RUNNING)


def chaos(cluster: Cluster, options: Any) -> tuple[Verdict, Trouble]:
    chance = random.Random(options.seed)
    enqueuer = Enqueuer(random.Random(chance.random()))
    trouble = Trouble(cluster, random.Random(chance.random()))
    cluster.look_after()
    for worker in cluster.workers:
        worker.wait_for("woken by", timeout=180)
    trouble.start()
    end = time.monotonic() + options.seconds
    looked_at = 0.0
    while time.monotonic() < end and trouble.is_alive():
        enqueuer.one()
        enqueuer.cancel_those_due()
        if time.monotonic() - looked_at > 1:
            looked_at = time.monotonic()
            enqueuer.note_what_has_ended()
        time.sleep(enqueuer.random.expovariate(options.rate))
    trouble.stop()
    drain(enqueuer)
    cluster.stop()
    return Verdict(cluster.ledger, cluster.output(), enqueuer, trouble.killed), trouble


def zombies(cluster: Cluster, options: Any) -> tuple[Verdict, Trouble]:
    """
    Workers of one process each, one of which is always frozen for longer than its lease while
    the others run its jobs; then it comes back with its outcomes.
    """
    chance = random.Random(options.seed)
    enqueuer = Enqueuer(random.Random(chance.random()))
    trouble = Trouble(cluster, random.Random(chance.random()))
    for _ in range(4):
        cluster.start_worker()
    for worker in cluster.workers:
        worker.wait_for("woken by", timeout=180)
    for number in range(2000):
        enqueuer.one("atomic" if number % 4 == 0 else "plain")
        if number % 100 == 50:
            victim = cluster.workers[number // 100 % 4].pid
            for pid in list(cluster.frozen):
                cluster.thaw(pid)
            os.kill(victim, signal.SIGSTOP)
            cluster.frozen.add(victim)
            trouble.counts["freeze"] += 1
            # In time also where it holds SQLite's one lock, and nothing else goes on.
            threading.Timer(LEASE * 2.5, cluster.thaw, [victim]).start()
            time.sleep(LEASE * 1.5)
    for pid in list(cluster.frozen):
        cluster.thaw(pid)
    drain(enqueuer)
    cluster.stop()
    return Verdict(cluster.ledger, cluster.output(), enqueuer, {}), trouble


def drain(enqueuer: Enqueuer) -> None:
    """Until nothing is left to do, or nothing has been done for STANDSTILL_SECONDS."""
    least, moved = None, time.monotonic()
    while time.monotonic() - moved < STANDSTILL_SECONDS:
        left = open_jobs(enqueuer)
        if left == 0:
            return
        if left is not None and (least is None or left < least):
            least, moved = left, time.monotonic()
        time.sleep(0.2)


def open_jobs(enqueuer: Enqueuer) -> int | None:
    """How many are left; None where the database can't say."""
    try:
        enqueuer.cancel_those_due(everything=True)
        kind = {"kwargs__key__startswith": "cancelled"}
        Job.objects.filter(status__in=OPEN, cancel_requested_at=None, **kind).cancel()
        return Job.objects.filter(status__in=OPEN).count()
    except DatabaseError:
        connection.close()
        return None
