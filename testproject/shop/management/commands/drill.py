import random
import shutil
import sys
import tempfile
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from django_jobs.models import Job, Worker
from shop.drill.checks import all_checks
from shop.drill.display import Display
from shop.drill.evidence import collect
from shop.drill.processes import DrillError
from shop.drill.report import details, table
from shop.drill.runner import Runner
from shop.drill.scenario import fewest_orders, plan


class Command(BaseCommand):
    help = (
        "Confirm a hundred payments, let a fifth of what follows fail, stop a worker and kill "
        "another in mid-run, and count what came of it. Exits 1 if anything is not as promised."
    )

    def add_arguments(self, parser):
        parser.add_argument("--orders", type=int, default=100)
        parser.add_argument("--threads", type=int, default=4, help="of each worker")
        parser.add_argument("--workers", type=int, default=1, choices=[1, 2])
        parser.add_argument("--seed", type=int, help="decides which orders meet which fate")

    def handle(self, *args, **options):
        orders, threads, workers = options["orders"], options["threads"], options["workers"]
        fewest = fewest_orders(threads, workers)
        if threads < 1 or orders < fewest:
            raise CommandError(f"--orders must be {fewest} at least, --threads 1 at least.")
        _check_that_we_are_alone()
        seed = random.randrange(1_000_000) if options["seed"] is None else options["seed"]
        scenario = plan(orders, seed, threads, workers)
        display = Display(self.stdout)
        display.say(
            f"drill {scenario.run}: {orders} payments, {len(scenario.failing)} made to fail, "
            f"{workers} x {threads} threads, --seed {seed}"
        )
        mail_folder = Path(settings.BASE_DIR, "var", "mail", scenario.run)
        mail_folder.mkdir(parents=True)
        folder = Path(tempfile.mkdtemp(prefix=f"drill-{scenario.run}-"))
        try:
            facts = Runner(scenario, folder, mail_folder, display).run()
        except DrillError as error:
            raise CommandError(f"The drill failed: {error}\nIts logs: {folder}") from error
        checks = list(all_checks(collect(scenario, facts)))
        self.stdout.write("\n" + table(checks, self.style.SUCCESS, self.style.ERROR))
        if any(check.wrong for check in checks):
            self.stderr.write(f"\n{details(checks)}\nThe logs: {folder}")
            sys.exit(1)
        shutil.rmtree(folder)
        self.stdout.write(f"\nAll as promised, in {facts.seconds:.0f} s. The mails: {mail_folder}")


def _check_that_we_are_alone() -> None:
    """Other workers would take the drill's jobs, and the drill's workers other jobs."""
    if worker := Worker.objects.live().first():
        raise CommandError(f"The worker {worker} is alive and would join in; stop it first.")
    unfinished = Job.objects.filter(status__in=["SCHEDULED", "READY", "RUNNING"]).count()
    if unfinished:
        raise CommandError(
            f"{unfinished} other jobs wait in this database and would be mixed in; "
            "finish them with: manage.py runjobs --batch"
        )
