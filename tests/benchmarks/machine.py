"""What the figures were measured on and with."""

import os
import platform
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.support.databases import Database

from .throwaway import mariadb

POSTGRESQL = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
)
MARIADB = (
    "innodb_flush_log_at_trx_commit",
    "sync_binlog",
    "log_bin",
    "innodb_buffer_pool_size",
    "innodb_doublewrite",
)
REDIS = ("appendonly", "appendfsync", "save")


def describe() -> dict[str, Any]:
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "django": version("django"),
    }


def settings_of(database: Database) -> dict[str, str]:
    """What decides how durable a commit is, and some of what decides how fast."""
    ask = {
        "postgresql": _postgresql,
        "mariadb": _mariadb,
        "redis": _redis,
        "sqlite": _sqlite,
    }
    return ask[database.name](database.url)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _postgresql(url: str) -> dict[str, str]:
    import psycopg

    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT name, setting || COALESCE(unit, '') FROM pg_settings WHERE name = ANY(%s)",
            [list(POSTGRESQL)],
        ).fetchall()
    return dict(sorted(rows))


def _mariadb(url: str) -> dict[str, str]:
    with mariadb(url) as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES WHERE variable_name IN %s", [MARIADB])
        return dict(sorted(cursor.fetchall()))


def _redis(url: str) -> dict[str, str]:
    import redis

    client = redis.Redis.from_url(url, decode_responses=True)
    return {name: client.config_get(name).get(name, "") for name in REDIS}


def _sqlite(url: str) -> dict[str, str]:
    with closing(sqlite3.connect(":memory:")) as connection:
        synchronous = connection.execute("PRAGMA synchronous").fetchone()[0]
    names = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}
    return {"journal_mode": "WAL", "synchronous": names[synchronous]}
