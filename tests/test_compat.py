"""Where Django's Tasks API comes from."""

import subprocess
import sys

import django
import pytest

WITHOUT_THE_BACKPORT = """
import sys
from importlib.machinery import PathFinder

class Finder(PathFinder):
    @classmethod
    def find_spec(cls, name, *args, **kwargs):
        return None if name == "django_tasks" else super().find_spec(name, *args, **kwargs)

sys.meta_path[sys.meta_path.index(PathFinder)] = Finder
import django_jobs
"""


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="Django has its own tasks")
def test_an_error_says_what_to_install() -> None:
    command = [sys.executable, "-c", WITHOUT_THE_BACKPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImproperlyConfigured" in done.stderr.splitlines()[-1]
    assert "django-jobs[backport]" in done.stderr.splitlines()[-1]
