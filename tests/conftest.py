"""Fixtures that every test may use. Each session has one database: see tests/run.py."""

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import DjangoDbBlocker

from tests.support.processes import Process, Processes

FAULTS = Path(__file__).parent / "faults"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """They take long, so they run where they are named: `make faults`."""
    named = any(Path(arg.split("::")[0]).resolve().is_relative_to(FAULTS) for arg in config.args)
    return True if collection_path == FAULTS and not named else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Reports travel between processes, as UTF-8, and some tests log half a surrogate pair."""
    report = yield
    report.sections = [
        (name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    """A test database of our own, so that several runs at once don't disturb each other."""
    if connection.vendor == "sqlite":
        # A file, not memory: threads and worker processes must see the same rows.
        name = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        connection.settings_dict["TEST"]["NAME"] = name
        yield
        return
    name = f"test_django_jobs_{os.getpid()}"
    connection.settings_dict["TEST"]["NAME"] = name
    yield
    # Django drops it, except where a migration failed.
    with django_db_blocker.unblock():
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


@pytest.fixture
def processes(transactional_db: None, tmp_path: Path) -> Iterator[Processes]:
    """Start real processes on the test database; what still runs at the end is killed."""
    processes = Processes(tmp_path)
    yield processes
    processes.end()


@pytest.fixture
def start_worker(processes: Processes) -> Callable[..., Process]:
    """`start_worker("--threads", "2", options={...})` starts `runjobs` as a process."""
    return processes.worker
