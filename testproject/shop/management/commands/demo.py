import sys
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

NAME = PASSWORD = "admin"


class Command(BaseCommand):
    help = "Migrate, make an administrator, run the drill, and say how to look at it."

    def handle(self, *args, **options):
        if not settings.DEBUG:
            raise CommandError("The demo makes a user with a known password: only with DEBUG.")
        call_command("migrate", verbosity=0, stdout=self.stdout)
        users = get_user_model().objects
        if not users.filter(username=NAME).exists():
            users.create_superuser(NAME, "admin@example.com", PASSWORD)
        call_command("drill", stdout=self.stdout, stderr=self.stderr)
        command = f"{_relative(sys.executable)} {_relative(sys.argv[0])} runserver"
        self.stdout.write(
            f"\nTo look at it:  {command}\n"
            "  the orders    http://127.0.0.1:8000/\n"
            "  the jobs      http://127.0.0.1:8000/admin/django_jobs/\n"
            f"  log in as {NAME}, password {PASSWORD}"
        )


def _relative(path: str) -> str:
    """``path`` as one would type it here."""
    absolute = Path(path).absolute()  # not resolved: a virtual environment's python is a link
    here = Path.cwd()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else path
