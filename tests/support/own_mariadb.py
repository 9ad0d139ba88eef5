"""A MariaDB server of the tests' own, which may be stopped, killed and started again."""

import getpass
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.waiting import wait_until

READY = 60  # seconds


class OwnMariaDB:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        own = ("--no-defaults", f"--datadir={folder}/data", f"--user={getpass.getuser()}")
        self._run("mariadb-install-db", *own, "--auth-root-authentication-method=normal")
        self._command = [
            *("mariadbd", *own, f"--socket={folder}/socket", f"--pid-file={folder}/pid"),
            *(f"--port={self._port}", "--bind-address=127.0.0.1", "--skip-name-resolve"),
            *("--character-set-server=utf8mb4", "--max-connections=300"),
        ]

    def _run(self, *command: str) -> None:
        with (self._folder / "log").open("ab") as log:
            subprocess.run(command, stdout=log, stderr=log, check=True, timeout=READY)

    def get_uri(self) -> str:
        return f"mysql://root@127.0.0.1:{self._port}/test"

    def start(self) -> None:
        """Returns when it takes connections, after whatever it has to recover."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

        def listens() -> bool:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 1):
                return True
            return False

        wait_until(listens, READY, lambda: (self._folder / "log").read_text()[-3000:])

    def stop(self) -> None:
        """In peace."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(READY)

    def kill(self) -> None:
        """At once, by SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(READY)


def can_run() -> bool:
    return all(map(shutil.which, ("mariadbd", "mariadb-install-db")))


@contextmanager
def own_mariadb() -> Iterator[OwnMariaDB]:
    """It runs for as long as the tests take."""
    with tempfile.TemporaryDirectory(prefix="django-jobs-") as folder:
        server = OwnMariaDB(Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()
