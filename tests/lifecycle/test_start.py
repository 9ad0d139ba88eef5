"""How a worker starts, or says in one line why it does not."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection

from django_jobs.models import Worker
from tests.support.processes import Process, Processes

StartWorker = Callable[..., Process]


def test_banner(start_worker: StartWorker) -> None:
    worker = start_worker("--queues", "mail,news*", "--exclude", "news-old", "--threads", "2")
    line = worker.wait_for("django_jobs ")
    assert re.search(
        rf"django_jobs \d+\.\d+\.\d+\S*, worker \S+:{worker.pid}: \w+ [\d.]+ \(default\), "
        r"queues: mail,news\* except news-old, 2 threads and 100 coroutines, "
        r"woken by .*due times and polling every 1 s",
        line,
    ), line
    row = Worker.objects.get(pid=worker.pid)
    assert (row.threads, row.queues) == (2, "mail,news* except news-old")


def test_check_only_checks(start_worker: StartWorker) -> None:
    worker = start_worker("--check")
    assert worker.wait() == 0, worker
    assert "queues: all" in worker.output
    assert not Worker.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (["--nonsense"], None, "unrecognized arguments: --nonsense"),
        (["--threads", "many"], None, "invalid int value: 'many'"),
        (["--threads", "0"], None, "--threads must be from 1"),
        (["--interval", "0"], None, "--interval must be from 0.01"),
        (["--shutdown-timeout", "-1"], None, "--shutdown-timeout must be from 0"),
        (["--max-jobs", "0"], None, "--max-jobs must be from 1"),
        (["--queues", "ma*il"], None, "'ma*il' is no queue name or pattern"),
        (["--exclude", "m;l"], None, "'m;l' is no queue name or pattern"),
        (["--backend", "other"], None, "--backend other"),
        ([], {"MAX_ATEMPTS": 3}, "Did you mean 'MAX_ATTEMPTS'?"),
        ([], {"LEASE": "long"}, "OPTIONS['LEASE']: must be a number of seconds"),
        ([], {"TASK_MODULES": ["tests.sample.broken"]}, "'tests.sample.broken': ZeroDivisionError"),
        ([], {"TASK_MODULES": ["no.such.module"]}, "'no.such.module': ModuleNotFoundError"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_3(
    start_worker: StartWorker, arguments: list[str], options: object, says: str
) -> None:
    worker = start_worker(*arguments, options=options)
    assert worker.wait() == 3, worker
    assert len(worker.output.strip().splitlines()) == 1, worker
    assert says in worker.output
    assert not Worker.objects.exists()


@pytest.mark.skipif("connection.vendor != 'sqlite'")
def test_tables_that_are_not_migrated(processes: Processes, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/empty.sqlite3"
    worker = processes.worker(env={"DATABASE_URL": url})
    assert worker.wait() == 3, worker
    assert len(worker.output.strip().splitlines()) == 1, worker
    assert "lacks the migrations django_jobs.0001_initial, " in worker.output


@pytest.mark.skipif("connection.vendor == 'sqlite'")
def test_a_server_that_is_not_there(processes: Processes) -> None:
    scheme = {"postgresql": "postgres", "mysql": "mysql"}[connection.vendor]
    worker = processes.worker(env={"DATABASE_URL": f"{scheme}://nobody@127.0.0.1:9/none"})
    # Not as what is misconfigured: a host whose database is late starts its worker again.
    assert worker.wait() == 75, worker
    assert "can't be reached" in worker.output
    assert "Traceback" not in worker.output
