"""
What a worker asks of its database while there is nothing to do.

On SQLite it also reads the version of the file, some twenty times a second. That is a number in
shared memory and no statement that anybody would wait for, so it isn't counted here; what it
costs is processor time.
"""

import threading
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.db.backends.signals import connection_created

from django_jobs.compat import task_backends
from django_jobs.worker.config import WorkerConfig
from django_jobs.worker.process import WorkerProcess

# The worker lives ten times as fast as by default, so that six seconds count for a minute.
FASTER = 10
SECONDS = 60 / FASTER
PER_MINUTE = 90


@pytest.mark.django_db(transaction=True)
def test_statements_a_minute(settings: Any) -> None:
    settings.TASKS = {
        "default": {**settings.TASKS["default"], "OPTIONS": {"LEASE": 30 / FASTER}},
    }
    process = WorkerProcess(WorkerConfig(interval=1 / FASTER), task_backends["default"])
    counted: Counter[str] = Counter()

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        counted[sql] += 1
        return execute(sql, params, many, context)

    def listen(connection: Any, **kwargs: Any) -> None:
        if count not in connection.execute_wrappers:  # a wrapper outlives its connection
            connection.execute_wrappers.append(count)

    connection.close()
    connection_created.connect(listen)
    # Started, it has a second of its own to register and look round; then the minute begins.
    begin = threading.Timer(0.5, counted.clear)
    end = threading.Timer(0.5 + SECONDS, lambda: process.inbox.put("the minute is over"))
    begin.start()
    end.start()
    try:
        assert process.run() == 0
    finally:
        connection_created.disconnect(listen)
        if count in connection.execute_wrappers:  # this thread's; the others' are gone
            connection.execute_wrappers.remove(count)
        for timer in (begin, end):
            timer.cancel()
            timer.join()
    assert counted.total() <= PER_MINUTE, {sql[:60]: n for sql, n in counted.items()}
    assert counted.total() >= PER_MINUTE / 3, "it does look, and renew its lease"
