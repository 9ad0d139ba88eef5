"""What a worker asks of its database before it starts."""

from django.db import connections
from django.db.migrations.executor import MigrationExecutor


def unapplied_migrations(using: str) -> list[str]:
    """The names of this app's migrations that the database lacks."""
    executor = MigrationExecutor(connections[using])
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "django_jobs"]
    return [f"{m.app_label}.{m.name}" for m, _ in executor.migration_plan(targets)]


def prepare_database(using: str) -> None:
    """
    SQLite: turn on write-ahead logging, which the file keeps. Readers and one writer no
    longer lock each other out.
    """
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA journal_mode = WAL")
