"""The database's clock: UTC, whatever the session says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from django_jobs.compat import task_backends
from django_jobs.db.clock import DbNow
from django_jobs.models import Job, Worker
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db

NEAR = timedelta(seconds=30)


def test_now_is_utc_in_any_session_time_zone() -> None:
    WorkerFactory()
    statement = {"postgresql": "SET TIME ZONE '+05:00'", "mysql": "SET time_zone = '+05:00'"}
    if connection.vendor in statement:  # SQLite has no such thing
        with connection.cursor() as cursor:
            cursor.execute(statement[connection.vendor])
    now = Worker.objects.values_list(DbNow(), flat=True).get()
    assert abs(now - datetime.now(UTC)) < NEAR


def test_a_sum_with_now_is_stored_in_utc() -> None:
    job = JobFactory(run_after=DbNow() + timedelta(hours=2))
    run_after = Job.objects.get(pk=job.pk).run_after
    assert abs(run_after - datetime.now(UTC) - timedelta(hours=2)) < NEAR


def test_a_database_with_a_time_zone_of_its_own_is_refused(monkeypatch: Any) -> None:
    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "Asia/Tokyo")
    found = [error.id for error in task_backends["default"].check()]
    # PostgreSQL keeps the zone with the time, so there it does no harm.
    expected = [] if connection.features.supports_timezones else ["django_jobs.E006"]
    assert found == expected
