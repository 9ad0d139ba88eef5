"""``manage.py prunejobs``: delete old finished jobs."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import router
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...models import Job, Status
from ...prune import PRUNED, prune


class Command(BaseCommand):
    help = _("Delete jobs that finished long ago, with their history.")

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days",
            type=float,
            default=14.0,
            help=_("Keep what finished within so many days. Default: %(default)s."),
        )
        parser.add_argument(
            "--dead", action="store_true", help=_("Delete dead jobs too; by default they stay.")
        )

    def handle(self, *, days: float, dead: bool, **options: Any) -> None:
        if not 0 <= days <= 36500:
            raise CommandError(f"--days must be from 0 to 36500, not {days:g}.")
        statuses = [*PRUNED, *([Status.DEAD] if dead else [])]
        before = timezone.now() - timedelta(days=days)
        deleted = prune(before, router.db_for_write(Job), statuses)
        message = ngettext("%d job was deleted.", "%d jobs were deleted.", deleted) % deleted
        self.stdout.write(message)
