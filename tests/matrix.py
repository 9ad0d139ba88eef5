"""Run the tests on every supported Python and Django: `python -m tests.matrix --help`."""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Cell:
    python: str
    django: str
    databases: str
    coverage: bool = False  # where it is measured, the tests are repeated for it

    def __str__(self) -> str:
        return f"Python {self.python}, Django {self.django}"

    @property
    def folder(self) -> str:
        return f".matrix/python{self.python}-django{self.django}"

    @property
    def is_current(self) -> bool:
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        return (self.python, self.django) == (python, "{}.{}".format(*django.VERSION))


CELLS = (
    Cell("3.11", "5.2", "sqlite,postgresql,mariadb"),
    Cell("3.12", "6.0", "sqlite"),  # between two that run on all of them
    Cell("3.13", "6.1", "sqlite,postgresql,mariadb", coverage=True),
)


class Failed(Exception):
    pass


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument(
        "--skip-current",
        action="store_true",
        help="don't repeat the tests that `make test` ran in the current environment",
    )
    options = parser.parse_args()
    lines = []
    failed = False
    for cell in CELLS:
        print(f"\n==== {cell}", flush=True)
        try:
            check(cell, run_tests=cell.coverage or not (options.skip_current and cell.is_current))
        except Failed as error:
            failed = True
            lines.append(f"{cell}: FAILED, {error}")
        else:
            lines.append(f"{cell}: passed")
    print("\n==== matrix", *lines, sep="\n", flush=True)
    return int(failed)


def check(cell: Cell, *, run_tests: bool) -> None:
    if run_tests:
        python = prepare(cell)
        coverage = ["--coverage"] if cell.coverage else []
        run(python, "-m", "tests.run", "--only", cell.databases, *coverage)
    else:
        print("The tests of this cell have run already.", flush=True)
        python = sys.executable
    migrations = ("makemigrations", "--check", "--dry-run")
    run(python, "-m", "django", *migrations, "--settings", "tests.settings")
    run(python, "testproject/manage.py", *migrations)
    run(python, "tests/packaging/smoke.py")


def prepare(cell: Cell) -> str:
    """Make or refresh the cell's environment, and return its Python."""
    wanted = [f"Django=={cell.django}.*"]
    if "mariadb" in cell.databases:
        wanted.append("mysqlclient>=2.2")
    run(
        "make",
        "--no-print-directory",
        "setup",
        f"PYTHON={interpreter(cell.python)}",
        f"VENV={cell.folder}",
        f"WITH={' '.join(wanted)}",
    )
    return str(ROOT / cell.folder / "bin" / "python")


def run(*command: str) -> None:
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    if status:
        raise Failed(f"{' '.join(command)} ended with {status}")


def interpreter(version: str) -> str:
    for candidate in candidates(version):
        if output(candidate, "-c", "import sys; print('%d.%d' % sys.version_info[:2])") == version:
            return candidate
    raise Failed(f"no Python {version} on PATH, nor from pyenv or uv")


def candidates(version: str) -> Iterator[str]:
    if found := shutil.which(f"python{version}"):
        yield found
    if (shutil.which("pyenv")) and (root := output("pyenv", "root")):
        yield from map(str, Path(root).glob(f"versions/{version}.*/bin/python"))
    if (shutil.which("uv")) and (found := output("uv", "python", "find", version)):
        yield found


def output(*command: str) -> str | None:
    """Return what a command prints, or None where it fails; pyenv's shims often do."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
