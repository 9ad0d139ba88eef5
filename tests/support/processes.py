"""Real processes on the test database. In a test, use the fixture `start_worker`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.db import connection

from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
SHOWN = 100  # lines of a process's output, in a failure


class Process:
    """A started command with its output, leader of a process group of its own."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str]) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as output:
            self.popen = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a supervisor's children end with it, see end()
            )

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    @property
    def output(self) -> str:
        """What the process has said so far, on stdout and stderr."""
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, timeout: float = 50, count: int = 1) -> str:
        """Wait until `count` lines contain `text`, and return the last of these.

        Raise AssertionError with the whole output at the timeout, or as soon as the process
        has ended without saying it.
        """

        def line() -> str | None:
            ended = not self.running  # asked first: what it said at the end counts
            found = [line for line in self.output.splitlines() if text in line]
            if len(found) >= count:
                return found[count - 1]
            assert not ended, f"ended without {text!r}: {self}"
            return None

        return wait_until(line, timeout, lambda: f"{text!r} from {self}") or ""

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the process only, not to its children."""
        self.popen.send_signal(signum)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the process only, and reap it."""
        self.popen.kill()
        self.popen.wait()

    def wait(self, timeout: float = 50) -> int:
        """Wait for the end and return the exit code; below zero, it is a signal's number."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s: {self}") from None

    def end(self) -> None:
        """Kill what is left of the process and of its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def __str__(self) -> str:
        state = "running" if self.running else f"exit {self.popen.returncode}"
        lines = self.output.splitlines()
        if (more := len(lines) - SHOWN) > 0:
            lines[SHOWN // 2 : -SHOWN // 2] = [f"... {more} lines, see {self.log}"]
        return "\n".join([f"{' '.join(self.command)} (pid {self.pid}, {state})", *lines])


class Processes:
    """Starts commands on the test database, and ends all of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[Process] = []

    def manage(
        self,
        *arguments: str,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """Start a management command; `options` are the OPTIONS of TASKS["default"]."""
        return self.python("-m", "django", *arguments, options=options, env=env)

    def worker(
        self,
        *arguments: str,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        """Start `runjobs` with these arguments."""
        return self.manage("runjobs", *arguments, options=options, env=env)

    def python(
        self,
        *arguments: str,
        options: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Process:
        log = self.folder / f"process-{len(self.started) + 1}.log"
        command = [sys.executable, *arguments]
        process = Process(command, log, process_env(options) | (env or {}))
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            process.end()
            print(process)  # pytest shows it when the test failed


def process_env(options: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return an environment in which Django uses the test database of this session."""
    env = os.environ | {
        "DATABASE_URL": database_url(),
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONUNBUFFERED": "1",
    }
    if options is not None:
        env["DJANGO_JOBS_OPTIONS"] = json.dumps(options)
    return env


def database_url() -> str:
    """Return the URL of the test database, once it has been created."""
    name = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    # The rest of the session's own URL holds: server, user, password, options.
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}").geturl()
