"""The shop's processes, started for the drill and ended with it."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from .scenario import ENVIRONMENT, EXIT_WITHIN, PATIENCE, SHUTDOWN_TIMEOUT

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


class DrillError(Exception):
    """The drill could not be carried out, which says nothing about the promises."""


class Process:
    """A management command; ``log`` has its lines of JSON, ``output`` what it printed."""

    def __init__(self, folder: Path, name: str, *arguments: str, env: Mapping[str, str]) -> None:
        self.name = name
        self.log = folder / f"{name}.jsonl"
        self.output = folder / f"{name}.txt"
        with self.output.open("wb") as output:
            self._popen = subprocess.Popen(
                [sys.executable, str(MANAGE), *arguments],
                env={**os.environ, **ENVIRONMENT, **env, "SHOP_JOB_LOG": str(self.log)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        return self._popen.poll()

    def terminate(self) -> None:
        self._popen.terminate()

    def kill(self) -> None:
        """SIGKILL; returns when the process is gone."""
        self._popen.kill()
        self._popen.wait()

    def wait(self, timeout: float) -> int | None:
        """The exit code; None where the process still runs after ``timeout`` seconds."""
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(timeout)
        return None

    def last_words(self) -> str:
        return self.output.read_text(errors="replace").strip()[-2000:]


class Processes:
    """Starts processes, and ends those that are left when the drill ends."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self._env = env
        self._started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for process in self._started:
            if process.exit_code is None:
                process.kill()

    @property
    def logs(self) -> list[Path]:
        return [process.log for process in self._started]

    def worker(self, threads: int) -> Process:
        return self._start(
            f"worker-{len(self._started)}",
            "runjobs",
            "--no-reload",
            f"--threads={threads}",
            f"--shutdown-timeout={SHUTDOWN_TIMEOUT}",
        )

    def confirmer(self, run: str) -> Process:
        return self._start("confirmer", "confirm_payments", f"{run}-")

    def _start(self, name: str, *arguments: str) -> Process:
        process = Process(self.folder, name, *arguments, env=self._env)
        self._started.append(process)
        return process


def terminate(processes: list[Process]) -> list[tuple[Process, float]]:
    """SIGTERM all of ``processes`` at once; each with the seconds until it was gone."""
    began = time.monotonic()
    for process in processes:
        process.terminate()
    ended: dict[int, float] = {}
    while len(ended) < len(processes) and time.monotonic() - began < EXIT_WITHIN + PATIENCE:
        for process in processes:
            if process.pid not in ended and process.exit_code is not None:
                ended[process.pid] = time.monotonic() - began
        time.sleep(0.01)
    return [(process, ended.get(process.pid, float("inf"))) for process in processes]
