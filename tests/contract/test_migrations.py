"""The migrations and the models say the same."""

import io

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from django_jobs.db.setup import unapplied_migrations
from django_jobs.db.storage import PARAMETERS
from tests.factories import JobFactory


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


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="storage parameters of PostgreSQL")
def test_the_table_of_jobs_has_its_storage_parameters():
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'django_jobs_job'")
        ((options,),) = cursor.fetchall()
    assert set(options) == {f"{name}={value}" for name, value in PARAMETERS.items()}


@pytest.mark.django_db
def test_a_unique_hash_is_unique_where_there_is_one():
    JobFactory.create_batch(2, unique_hash=None)
    JobFactory(unique_hash="abc")
    with pytest.raises(IntegrityError), transaction.atomic():
        JobFactory(unique_hash="abc")
