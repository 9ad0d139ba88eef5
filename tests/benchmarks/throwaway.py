"""Databases of the benchmarks' own, dropped at the end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ

REDIS_URL = "redis://127.0.0.1:6379/14"


class NotEmpty(Exception):
    """The Redis database is somebody's."""


@contextmanager
def database(kind: str, server: str, name: str, folder: Path) -> Iterator[str]:
    """
    Make an empty database and drop it afterwards.

    :param kind: postgresql, mariadb, sqlite; for contenders elsewhere a SQLite file that only
        Django needs.
    :param server: a URL of the server.
    :returns: its URL.
    """
    name = f"bench_{name}_{os.getpid()}"
    if kind not in {"postgresql", "mariadb"}:
        yield f"sqlite:///{folder}/{name}.sqlite3"  # the folder goes with its caller
        return
    execute = {"postgresql": _postgresql, "mariadb": _mariadb}[kind]
    execute(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        execute(server, f"DROP DATABASE {name}{' WITH (FORCE)' if kind == 'postgresql' else ''}")


def _postgresql(server: str, sql: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql)  # type: ignore[call-overload]


def _mariadb(server: str, sql: str) -> None:
    with mariadb(server) as cursor:
        cursor.execute(sql + (" CHARACTER SET utf8mb4" if sql.startswith("CREATE") else ""))


@contextmanager
def mariadb(server: str) -> Iterator[Any]:
    import MySQLdb

    config = environ.Env.db_url_config(server)
    connection = MySQLdb.connect(
        host=config["HOST"],
        port=int(config["PORT"] or 3306),
        user=config["USER"],
        password=config["PASSWORD"],
    )
    try:
        yield connection.cursor()
    finally:
        connection.close()


@contextmanager
def redis_database() -> Iterator[str]:
    """
    An empty database of the Redis server, emptied again afterwards.

    :raises NotEmpty: there is something in it.
    """
    import redis

    url = os.environ.get("DJANGO_JOBS_REDIS_URL", REDIS_URL)
    if urlsplit(url).path in {"", "/", "/0"}:
        raise NotEmpty("database 0 of Redis is left alone; name another in DJANGO_JOBS_REDIS_URL")
    client = redis.Redis.from_url(url)
    if client.dbsize():
        raise NotEmpty(f"{url} isn't empty; name another in DJANGO_JOBS_REDIS_URL")
    try:
        yield url
    finally:
        client.flushdb()
