"""A project need not use the admin."""

import subprocess
import sys

PROJECT = """
import django
from django.conf import settings
settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_jobs"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TASKS={"default": {"BACKEND": "django_jobs.backend.DatabaseBackend", "QUEUES": []}},
    USE_TZ=True,
)
django.setup()
from django.core.management import call_command
call_command("check", fail_level="WARNING")
call_command("migrate", verbosity=0)
import sys
assert "django_jobs.admin" not in sys.modules
"""


def test_without_the_admin() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROJECT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
