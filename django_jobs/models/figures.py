"""What workers have counted."""

from typing import Final

from django.db import models

from ..db.fields import NameField
from ..tally import BUCKETS

# The seconds that a row is about. Charts of an hour read the minutes, those of a day the tens of
# minutes, those of a week the hours: never more than some 170 of them for each task and worker.
SPANS: Final = (60, 600, 3600)

RUNS: Final = tuple(f"run_{number}" for number in range(BUCKETS))
WAITS: Final = tuple(f"wait_{number}" for number in range(BUCKETS))
SUMS: Final = ("successes", "failures", "dead", "run_sum", "wait_sum", *RUNS, *WAITS)
MAXIMA: Final = ("run_max", "wait_max")


class Figures(models.Model):
    """
    What one worker counted of one task, in one queue, in ``span`` seconds from ``start``: the
    columns of a ``Tally``. The histograms have a column for each bucket, so that the database
    can add them up.

    A row is written by its worker alone, which knows the totals and never reads it.
    """

    span = models.PositiveIntegerField()
    start = models.DateTimeField()
    task_path = NameField(max_length=255)
    queue_name = NameField(max_length=64)
    worker_id = models.UUIDField()
    successes = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    dead = models.PositiveIntegerField(default=0)
    run_sum = models.FloatField(default=0.0)
    run_max = models.FloatField(default=0.0)
    wait_sum = models.FloatField(default=0.0)
    wait_max = models.FloatField(default=0.0)

    class Meta:
        default_permissions = ()
        verbose_name = verbose_name_plural = "figures"
        constraints = (
            # Also what a stretch of time is read by.
            models.UniqueConstraint(
                fields=["span", "start", "task_path", "queue_name", "worker_id"],
                name="django_jobs_one_figures",
            ),
        )

    def __str__(self) -> str:
        return f"{self.task_path} {self.start} {self.span}"


for _name in (*RUNS, *WAITS):
    Figures.add_to_class(_name, models.PositiveIntegerField(default=0))
