"""``manage.py runjobs``: run jobs until told to stop."""

import sys
from typing import Any, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from ...worker.config import WorkerConfig
from ...worker.start import Misconfigured, configure, run, run_with_reload
from ...worker.stop import Exit


class Command(BaseCommand):
    help = _("Run the jobs of a task backend until told to stop.")
    # What matters here is checked by configure(), with an exit code of its own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        default = WorkerConfig()
        parser.add_argument(
            "--backend", default="default", help=_("The alias in TASKS. Default: %(default)s.")
        )
        parser.add_argument(
            "--queues", default="", help=_("Only these queues: a,b,mail*. Default: all.")
        )
        parser.add_argument("--exclude", default="", help=_("Not these queues: a,b,mail*."))
        parser.add_argument(
            "--threads",
            type=int,
            default=default.threads,
            help=_("How many jobs run at once. Default: %(default)s."),
        )
        parser.add_argument(
            "--processes",
            type=int,
            default=default.processes,
            help=_("How many such workers, under a supervisor. Default: %(default)s."),
        )
        parser.add_argument(
            "--async-concurrency",
            type=int,
            default=default.async_concurrency,
            help=_("How many jobs that are coroutines run at once. Default: %(default)s."),
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=default.interval,
            help=_("Seconds between two looks while there is nothing to do. Default: %(default)s."),
        )
        parser.add_argument(
            "--shutdown-timeout",
            type=float,
            default=default.shutdown_timeout,
            help=_("Seconds from the first signal to the exit. Default: %(default)s."),
        )
        parser.add_argument(
            "--batch", action="store_true", help=_("Stop when nothing is left to do.")
        )
        parser.add_argument("--max-jobs", type=int, help=_("Stop after so many jobs."))
        parser.add_argument(
            "--reload",
            action="store_true",
            dest="reload",
            default=settings.DEBUG,
            help=_("Start anew when code changes. Default: settings.DEBUG."),
        )
        parser.add_argument("--no-reload", action="store_false", dest="reload")
        parser.add_argument(
            "--check", action="store_true", help=_("Check that a worker could start, and exit.")
        )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)

        def refuse(message: str) -> NoReturn:
            """One line and one exit code, like any other mistake in the configuration."""
            if not parser.called_from_command_line:
                raise CommandError(message, returncode=Exit.MISCONFIGURED)
            self.stderr.write(f"CommandError: {message}")
            sys.exit(Exit.MISCONFIGURED)

        parser.error = refuse  # type: ignore[method-assign]
        return parser

    def handle(self, **options: Any) -> None:
        try:
            process = configure(options)
        except Misconfigured as error:
            raise CommandError(str(error), returncode=error.exit_code) from error
        if options["check"]:
            self.stdout.write(process.banner())
            return
        once = options["batch"] or options["processes"] > 1
        start = run_with_reload if options["reload"] and not once else run
        code = start(process, options["verbosity"])
        if code:
            sys.exit(code)
