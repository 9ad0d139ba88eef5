"""What a worker asks of its database before it starts."""

import gc
import sqlite3
import threading
import time

import pytest
from django.db import connection

from django_jobs.db import setup
from django_jobs.db.setup import prepare_database

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite only"),
]


def journal_mode(mode: str = "") -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA journal_mode {'= ' * bool(mode)}{mode}")
        return cursor.fetchone()[0]


@pytest.fixture
def writer():
    """Somebody else in a transaction, and how to end it."""
    gc.collect()  # ends what threads of other tests have left open, which would keep the mode
    journal_mode("DELETE")
    other = sqlite3.connect(
        connection.settings_dict["NAME"], isolation_level=None, check_same_thread=False
    )
    other.execute("BEGIN IMMEDIATE")
    yield other
    other.close()
    prepare_database("default")


def test_write_ahead_logging_is_turned_on_as_soon_as_nobody_else_writes(writer):
    timer = threading.Timer(0.3, writer.execute, args=["COMMIT"])
    timer.start()
    began = time.monotonic()
    prepare_database("default")
    assert 0.25 < time.monotonic() - began < 5
    assert journal_mode() == "wal"
    timer.join()


def test_a_worker_does_without_when_it_can_not_have_it(writer, monkeypatch, caplog):
    monkeypatch.setattr(setup, "WAL_PATIENCE", 0.1)
    prepare_database("default")
    assert "could not be turned on" in caplog.text
    writer.execute("COMMIT")
    assert journal_mode() == "delete"
