"""Tasks that leave their connection as no task should."""

from __future__ import annotations

import multiprocessing
import time

from django.db import connection, transaction

from django_jobs import job
from django_jobs.models import Queue

FORK = multiprocessing.get_context("fork")


@job(max_attempts=1)
def write(how: str, name: str) -> bool:
    """Whether the connection was in autocommit at first."""
    was = connection.get_autocommit()
    if how == "atomic":
        transaction.atomic().__enter__()
    elif how == "autocommit":
        transaction.set_autocommit(False)
    Queue.objects.create(name=name)
    if how == "closed":
        connection.close()
    return was


@job(max_attempts=1)
def fork(seconds: float) -> None:
    """The child has a copy of the connection."""
    Queue.objects.count()
    FORK.Process(target=time.sleep, args=(seconds,)).start()
    FORK.Process(target=int).start()
