"""What a worker asks of its database before it starts."""

import logging
import random
import time
from typing import Final

from django.db import OperationalError, connections
from django.db.migrations.executor import MigrationExecutor

# UPDATE … FROM, and JSON_TABLE: older than what the newest Django takes, not than the oldest.
OLDEST: Final = {"SQLite": (3, 33), "MariaDB": (10, 6)}
WAL_PATIENCE: Final = 10.0  # seconds

logger = logging.getLogger("django_jobs")


def unapplied_migrations(using: str) -> list[str]:
    """The names of this app's migrations that the database lacks."""
    executor = MigrationExecutor(connections[using])
    targets = [node for node in executor.loader.graph.leaf_nodes() if node[0] == "django_jobs"]
    return [f"{m.app_label}.{m.name}" for m, _ in executor.migration_plan(targets)]


def too_old(using: str) -> str:
    """Why a worker can't use this version of the database; empty where it can."""
    connection = connections[using]
    oldest = OLDEST.get(connection.display_name, ())
    version = connection.get_database_version()
    if version >= oldest:
        return ""
    have, need = (".".join(map(str, numbers)) for numbers in (version, oldest))
    return f"{connection.display_name} {have} is too old; {need} or newer is needed."


def has_own_time_zone(using: str) -> bool:
    """Whether Django keeps times in this database in another zone than UTC."""
    connection = connections[using]
    zone = connection.settings_dict["TIME_ZONE"]
    return zone not in (None, "UTC") and not connection.features.supports_timezones


def prepare_database(using: str) -> None:
    """
    SQLite: turn on write-ahead logging, which the file keeps. Readers and one writer no
    longer lock each other out.

    The switch needs the file to itself for a moment, and SQLite does not wait for that
    whatever its timeout, so it is tried again while others write. A worker can do without.
    """
    connection = connections[using]
    if connection.vendor != "sqlite":
        return
    deadline = time.monotonic() + WAL_PATIENCE
    while True:
        try:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA journal_mode = WAL")
        except OperationalError as error:
            if time.monotonic() >= deadline:
                logger.warning("Write-ahead logging could not be turned on: %s", error)
                return
            time.sleep(random.uniform(0.005, 0.05))  # noqa: S311 (jitter)
        else:
            return
