"""Walk through a page as its reader does: in an empty folder, with real commands.

- A `python` block that begins with `# path/to/file.py` is written to that file; one that begins
  with `# path/to/file.py, at the end` is added to it. Any other is run in the project's shell.
- A `console` block's `$ ` lines are run by bash, and what they say is compared with the lines
  that follow. `...` stands for anything; where no lines follow, only errors matter. `^C` means
  that the command runs until it has said the lines above, then gets SIGINT as from a terminal.
- What differs from run to run is made equal on both sides first: ids, times, durations, the
  name of the worker, versions. Lines that Django's own task logger adds are left out.
- `<!-- step: name -->` is what the reader does in the browser: the method `step_name` of a
  subclass.

Commands that make an environment or install something are not run: the environment of the tests
stands in for it. tests/packaging installs the package for real.
"""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.docs.blocks import Block, blocks
from tests.support.processes import Process
from tests.support.waiting import wait_until

NOT_RUN = re.compile(
    r"(python3 -m venv|\. \.venv/bin/activate|(python -m )?pip install|make \w+)\b"
)
FILE = re.compile(r"# (?P<path>[\w/.-]+\.\w+)(?P<add>, at the end)?\n+")
VARIES = (
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", "<time>"),
    (r"\b\d+\.\d+ s\b", "<n> s"),
    (r"worker \S+:\d+:", "worker <name>:"),
    (r"django_jobs \d[\w.]*", "django_jobs <version>"),
    (r"SQLite \d+(\.\d+)+", "SQLite <version>"),
    (r"^Task id=.*\n(NoneType: None\n)?", ""),
    (r"[ \t]+$", ""),
)


class Walk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / ".logs"
        self.logs.mkdir()
        self.started: list[Process] = []

    def page(self, path: Path) -> None:
        for block in blocks(path):
            if block.language == "python":
                self.write(block)
            elif block.language == "console":
                self.run(block)
            elif block.language == "step":
                getattr(self, f"step_{block.source.replace(' ', '_')}")()

    def end(self) -> None:
        for process in self.started:
            process.end()

    def write(self, block: Block) -> None:
        head = FILE.match(block.source)
        if head is None:
            said = self.finished(f"python manage.py shell -c {shlex.quote(block.source)}")
            assert matches("", said), f"{block}\n{said}"
            return
        path = self.folder / head["path"]
        text = block.source[head.end() :]
        if head["add"]:
            path.write_text(f"{path.read_text()}\n{text}")
        else:
            path.write_text(text)

    def run(self, block: Block) -> None:
        for command, expected in commands(block.source):
            if NOT_RUN.match(command):
                continue
            if command.startswith("cd "):
                self.folder /= command.removeprefix("cd ")
                continue
            if command.endswith(" runserver"):
                self.serve(command)
                continue
            before, interrupt, after = expected.partition("^C\n")
            if interrupt:
                said = self.interrupted(command, before)
                expected = f"{before}...\n{after}"
            else:
                said = self.finished(command)
            assert matches(expected, said), (
                f"{block}: {command}\nexpected:\n{expected}\nsaid:\n{said}"
            )

    def finished(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        assert not done.returncode, f"{command}: exit {done.returncode}\n{done.stdout}"
        return done.stdout

    def interrupted(self, command: str, expected: str) -> str:
        process = self.start(command)
        wait_until(lambda: matches(f"{expected}...", process.output), 50, lambda: str(process))
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        return process.output

    def serve(self, command: str) -> None:
        """Start the development server, on a port that is free, and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        server = self.start(f"{command} {address} --noreload")
        self.url = f"http://{address}"
        server.wait_for(self.url)

    def start(self, command: str) -> Process:
        """Start a command that runs on."""
        log = self.logs / f"{len(self.started)}.log"
        there = f"cd {shlex.quote(str(self.folder))} && exec {command}"
        process = Process(["bash", "-c", there], log, environment())
        self.started.append(process)
        return process


def commands(source: str) -> list[tuple[str, str]]:
    """The commands of a console block, each with the output below it."""
    found: list[tuple[str, str]] = []
    for line in source.splitlines(keepends=True):
        if line.startswith("$ "):
            found.append((line[2:].strip(), ""))
        elif found and found[-1][0].endswith("\\"):
            found[-1] = (found[-1][0][:-1] + line.strip(), "")
        else:
            assert found, f"output without a command: {source}"
            found[-1] = (found[-1][0], found[-1][1] + line)
    return found


def matches(expected: str, said: str) -> bool:
    """Whether a command said what is expected; nothing is expected where nothing is shown."""
    if not expected.strip():
        return "Error" not in said and "Traceback" not in said
    pattern = re.escape(alike(expected).strip()).replace(re.escape("..."), ".*?")
    return bool(re.fullmatch(pattern, alike(said).strip(), re.DOTALL))


def alike(text: str) -> str:
    for pattern, replacement in VARIES:
        text = re.sub(pattern, replacement, text, flags=re.MULTILINE)
    return text


def environment() -> dict[str, str]:
    """That of a reader: no settings of this test suite, and the tests' own Python."""
    ours = ("DJANGO_", "DATABASE_URL", "PYTEST", "COV_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    path = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', '')}"
    return env | {"PATH": path, "PYTHONUNBUFFERED": "1"}
