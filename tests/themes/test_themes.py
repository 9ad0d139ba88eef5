"""The pages under themes of the admin, each in a process with settings of its own."""

import importlib.util
import os
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT

THEMES = ("unfold", "jazzmin")


@pytest.mark.parametrize("theme", THEMES)
def test_buttons_and_forms_are_reachable(theme: str) -> None:
    if importlib.util.find_spec(theme) is None:
        pytest.skip(f"django-{theme} is not installed")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short"]
    ran = subprocess.run(
        [*command, f"--ds=tests.themes.{theme}", "-W", "default", "tests/themes/pages.py"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": "sqlite:///themes.sqlite3"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
