"""The migrations and the models say the same."""

import io

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from django_jobs.db.setup import unapplied_migrations


@pytest.mark.django_db
def test_nothing_is_left_to_migrate():
    out = io.StringIO()
    call_command("makemigrations", "django_jobs", check=True, dry_run=True, stdout=out)
    assert "No changes detected" in out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_they_go_back_and_forth():
    executor = MigrationExecutor(connection)
    assert unapplied_migrations("default") == []
    try:
        executor.migrate([("django_jobs", None)])
        assert unapplied_migrations("default") != []
        tables = connection.introspection.table_names()
        assert not [name for name in tables if name.startswith("django_jobs")]
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes("django_jobs"))
    assert unapplied_migrations("default") == []
