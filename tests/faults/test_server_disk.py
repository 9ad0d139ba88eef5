"""A server whose disk is full for a while: a PostgreSQL tablespace on a small file system."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from django_jobs.models import Job, Queue, Status
from tests.lifecycle.support import assert_nothing_runs
from tests.sample import tasks
from tests.support.processes import Process
from tests.support.waiting import wait_until

MEGABYTES = 24
JOBS = 3000

pytestmark = pytest.mark.skipif(
    "connection.vendor != 'postgresql'", reason="tables of other servers can't be moved so"
)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own, which only root can make."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no file system of a size of its own: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def disk(transactional_db: None) -> Iterator[Path]:
    """Where the jobs and their indexes are, for the time of the test."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a file system of a size of its own")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_backend_pid(), inet_server_addr() IS NULL OR"
            " inet_server_addr() <<= '127.0.0.0/8'"
        )
        pid, is_here = cursor.fetchone()
        process = Path(f"/proc/{pid}")
        if not is_here or not process.exists():
            pytest.skip("the server is on another machine")
        owner = process.stat()
    folder = Path(f"/var/tmp/django-jobs-{os.getpid()}")
    try:
        with small_disk(folder):
            os.chown(folder, owner.st_uid, owner.st_gid)
            with moved(folder):
                yield folder
    finally:
        folder.rmdir()


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    name = f"django_jobs_{os.getpid()}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
        try:
            move(name)
            yield
        finally:
            move("pg_default")
            cursor.execute(f"DROP TABLESPACE {name}")


def move(tablespace: str) -> None:
    table = Job._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE tablename = %s", [table])
        for (index,) in cursor.fetchall():
            cursor.execute(f'ALTER INDEX "{index}" SET TABLESPACE {tablespace}')
        cursor.execute(f"ALTER TABLE {table} SET TABLESPACE {tablespace}")


def fill(folder: Path) -> Path:
    """Write until nothing fits any more."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    assert os.statvfs(folder).f_bavail == 0
    return ballast


def test_what_is_claimed_waits_until_there_is_room(
    start_worker: Callable[..., Process], disk: Path
) -> None:
    Queue.objects.create(name="default")
    Queue.objects.pause()
    for number in range(JOBS):
        tasks.plain.enqueue("x" * 500, number=number)
    worker = start_worker("--threads", "4", "--interval", "0.2")
    worker.wait_for("woken by")
    ballast = fill(disk)
    with pytest.raises(OperationalError, match="No space left"):
        for number in range(JOBS):
            tasks.plain.enqueue("x" * 500, number=number)
    enqueued = Job.objects.count()
    Queue.objects.resume()
    worker.wait_for("Database trouble", count=5)
    assert "No space left" in worker.output
    assert worker.running, worker
    assert Job.objects.exclude(status=Status.SUCCESSFUL).exists()
    ballast.unlink()
    wait_until(lambda: not Job.objects.exclude(status=Status.SUCCESSFUL).exists(), 90)
    assert set(Job.objects.values_list("attempts", "claim_no")) == {(1, 1)}
    assert Job.objects.count() == enqueued
    assert "Unexpected error" not in worker.output
    worker.terminate()
    assert worker.wait() == 0, worker
    assert_nothing_runs()
