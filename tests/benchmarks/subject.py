"""A contender on a database, as the harness has it: its agent and its workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
LIFETIME = 600  # seconds; a worker that its harness has lost ends by itself
WARM_UP = 30  # seconds
STOP = 5  # seconds


class Failed(Exception):
    """The contender can't be measured; says why."""


class Subject:
    def __init__(self, name: str, database: str, url: str, folder: Path, redis: str) -> None:
        self.name, self.database, self.folder = name, database, folder
        folder.mkdir()
        self.env: Mapping[str, str] = os.environ | {
            "BENCH_CONTENDER": name,
            "BENCH_DATABASE": database,
            "BENCH_LEDGER": str(folder / "ledger"),
            "BENCH_REDIS_URL": redis,
            "DATABASE_URL": url,
            "DJANGO_SETTINGS_MODULE": "tests.benchmarks.settings",
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        self.about: dict[str, Any] = {}
        self.twin: Subject | None = None  # the same on a database that stays empty
        self.counts: dict[str, int] = {}  # jobs a round, by shape
        self._logs = 0
        with self._log("agent").open("wb") as log:
            self._agent = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.agent"],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    @property
    def key(self) -> str:
        return f"{self.name}/{self.database}"

    @property
    def title(self) -> str:
        return str(self.about.get("title", self.name))

    def ask(self, name: str, *arguments: Any) -> Any:
        """
        :raises Failed: with the agent's reason.
        """
        assert self._agent.stdin
        assert self._agent.stdout
        try:
            print(json.dumps([name, *arguments]), file=self._agent.stdin, flush=True)
            line = self._agent.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise Failed(f"its agent has ended; see {self.folder}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["result"]

    def install(self) -> None:
        self.about = self.ask("install")

    def close(self) -> None:
        """End the agent, by ending its input."""
        try:
            self._agent.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._agent.kill()
            self._agent.communicate()

    @contextmanager
    def workers(
        self, slots: int, processes: int = 1, trace: Path | None = None
    ) -> Iterator["Workers"]:
        """Workers that have started, run some jobs, and wait for more."""
        shape = {"BENCH_SLOTS": str(slots), "BENCH_PROCESSES": str(processes)}
        if trace is not None:
            shape["BENCH_TRACE"] = str(trace)
        env = {**self.env, **shape}
        workers = Workers(self)
        try:
            for command in self.ask("commands", slots, processes):
                workers.start(command, env)
            self._warm_up(workers, slots, processes)
            yield workers
        finally:
            workers.end()

    def _warm_up(self, workers: "Workers", slots: int, processes: int) -> None:
        runners = self.ask("runners", slots, processes)
        deadline = time.monotonic() + WARM_UP
        jobs, milliseconds = max(2 * slots * processes, 20), 10
        while True:
            self.ask("fill", jobs, milliseconds)
            try:
                if self.ask("finish", WARM_UP)["pids"] >= runners:
                    return
            except Failed as reason:
                raise Failed(f"{reason}; {workers.last_words()}") from None
            if time.monotonic() > deadline:
                raise Failed(f"not all of its {runners} processes take jobs")
            # Longer and more, so that one that takes many or looks seldom leaves the rest some.
            jobs, milliseconds = min(2 * jobs, 400), min(2 * milliseconds, 300)

    def _log(self, what: str) -> Path:
        self._logs += 1
        return self.folder / f"{self._logs:03}-{what}.log"


class Workers:
    """The worker processes of one measurement, each the leader of a process group."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.processes: list[subprocess.Popen[bytes]] = []
        self.logs: list[Path] = []

    def start(self, command: list[str], env: Mapping[str, str]) -> None:
        if timeout := shutil.which("timeout"):
            command = [timeout, "--kill-after=5", str(LIFETIME), *command]
        log = self.subject._log("worker")
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        self.logs.append(log)

    def hold(self) -> None:
        """Stop them where they are, so that jobs can be enqueued unseen."""
        for _ in range(100):
            self._signal(signal.SIGSTOP)
            if self.subject.ask("is_free"):
                return
            self._signal(signal.SIGCONT)
            time.sleep(0.02)
        raise Failed("its workers hold the lock of the database while they are idle")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, signum: signal.Signals) -> None:
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signum)

    def last_words(self) -> str:
        lines = [line for log in self.logs for line in log.read_text(errors="replace").splitlines()]
        return lines[-1][:200] if lines else "its worker said nothing"

    def end(self) -> None:
        self.resume()
        for process in self.processes:
            process.terminate()
        deadline = time.monotonic() + STOP
        for process in self.processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(deadline - time.monotonic(), 0.01))
        self._signal(signal.SIGKILL)  # and whatever else is left of their groups
        for process in self.processes:
            process.wait()
