"""Build the wheel, install it into an empty environment and use it in a new project.

Needs the development environment, for `build`, and a package index. Ends with one line, or with
the output of the step that failed.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

SETTINGS = """
import django

INSTALLED_APPS += ["django_jobs", "app"]
if django.VERSION < (6, 0):
    INSTALLED_APPS += ["django_tasks"]
TASKS = {"default": {"BACKEND": "django_jobs.backend.DatabaseBackend", "QUEUES": []}}
"""

TASKS = """
from django_jobs import job


@job()
def add(a, b):
    return a + b
"""

ENQUEUE = """
from app.tasks import add

print(add.enqueue(2, b=3).id)
"""

CHECK = """
from app.tasks import add

result = add.get_result({id!r})
assert result.status == "SUCCESSFUL", (result.status, result.errors)
assert result.return_value == 5, result.return_value
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="django-jobs-smoke-") as name:
        folder = Path(name)
        # Without --wheel, build makes the sdist and from that the wheel: both are tested.
        run([sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT)])
        (wheel,) = folder.glob("*.whl")
        compare(wheel)

        # Only the virtual environment counts from here on, not this repository.
        venv.create(folder / "env", with_pip=True)
        python = str(folder / "env" / "bin" / "python")
        run([python, "-m", "pip", "install", "--quiet", str(wheel)])
        use(python, folder)
        print(f"{wheel.name} works in a new project on Python {sys.version.split()[0]}")


def compare(wheel: Path) -> None:
    """The wheel must hold the package: every file that git doesn't ignore, and nothing else."""
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "django_jobs"]
    known = set(run(listing, ROOT).split())
    assert held == known, f"the wheel differs from the repository: {sorted(held ^ known)}"
    assert "django_jobs/py.typed" in held


def use(python: str, folder: Path) -> None:
    """Do what the README's quickstart does."""
    run([python, "-m", "django", "startproject", "site_", str(folder)], folder)
    manage = [python, str(folder / "manage.py")]
    run([*manage, "startapp", "app"], folder)
    with (folder / "site_" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    (folder / "app" / "tasks.py").write_text(TASKS)

    run([*manage, "check", "--fail-level", "WARNING"], folder)
    run([*manage, "migrate"], folder)
    job_id = run([*manage, "shell", "-c", ENQUEUE], folder).split()[-1]
    run([*manage, "runjobs", "--batch"], folder)
    run([*manage, "shell", "-c", CHECK.format(id=job_id)], folder)


def run(command: Sequence[str], folder: Path | None = None) -> str:
    """Run a command, and return what it printed on stdout."""
    env = {key: value for key, value in os.environ.items() if key not in UNWANTED}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


# These would lead the new project back to this repository or to its database.
UNWANTED = {"DATABASE_URL", "DJANGO_SETTINGS_MODULE", "PYTHONPATH"}


if __name__ == "__main__":
    main()
