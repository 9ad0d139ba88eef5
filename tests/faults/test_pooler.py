"""A pooler that gives each transaction another session, as PgBouncer does in transaction mode."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from django_jobs.models import Queue, Status
from tests.lifecycle.support import assert_nothing_runs, job, wait_for_status
from tests.sample import atomics, tasks
from tests.support.processes import Process, Processes

CONFIG = """
[databases]
* = host={host} port={port} user={user}{password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 2
"""


@pytest.fixture
def pooled(processes: Processes, tmp_path: Path) -> Iterator[str]:
    """The URL of the test database behind a PgBouncer."""
    if connection.vendor != "postgresql":
        pytest.skip("PgBouncer is for PostgreSQL")
    program = shutil.which("pgbouncer")
    if program is None:
        pytest.skip("pgbouncer isn't installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = free.getsockname()[1]
    params: dict[str, Any] = connection.get_connection_params()
    password = connection.settings_dict["PASSWORD"]
    config = tmp_path / "pgbouncer.ini"
    config.write_text(
        CONFIG.format(
            host=params.get("host") or "127.0.0.1",
            port=params.get("port") or 5432,
            user=connection.settings_dict["USER"],
            password=f" password={password}" if password else "",
            listen=listen,
        )
    )
    command = [program, *(["-u", "nobody"] if os.geteuid() == 0 else []), str(config)]
    pooler = Process(command, tmp_path / "pgbouncer.log", os.environ)
    try:
        pooler.wait_for("listening on")
        yield f"postgres://any@127.0.0.1:{listen}/{connection.settings_dict['NAME']}"
    finally:
        pooler.end()


@pytest.mark.parametrize("notify", [True, False])
def test_jobs_run_behind_a_pooler(
    start_worker: Callable[..., Process], pooled: str, notify: bool
) -> None:
    """With NOTIFY it may hear of nothing, or of what isn't there: polling is what counts."""
    options = {"NOTIFY": notify, "LEASE": 2, "TASK_MODULES": ["tests.sample.atomics"]}
    arguments = ("--threads", "4", "--interval", "0.5")
    worker = start_worker(*arguments, options=options, env={"DATABASE_URL": pooled})
    worker.wait_for("woken by")
    results = [atomics.write.enqueue(f"n{n}") for n in range(40)]
    results += [tasks.sleep.enqueue(0.02) for _ in range(20)]
    for result in results:
        wait_for_status(result, Status.SUCCESSFUL)
    assert {job(result).attempts for result in results} == {1}
    assert Queue.objects.count() == 40
    later = tasks.add.enqueue(1, 2)
    wait_for_status(later, Status.SUCCESSFUL)
    assert "Database trouble" not in worker.output
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()
