from django.db import migrations, models

import django_jobs.db.fields
import django_jobs.db.indexes


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0005_figures")]

    operations = [
        migrations.CreateModel(
            name="FailureGroup",
            fields=[
                (
                    "fingerprint",
                    models.CharField(
                        max_length=16,
                        primary_key=True,
                        serialize=False,
                        verbose_name="fingerprint",
                    ),
                ),
                (
                    "task_path",
                    django_jobs.db.fields.NameField(max_length=255, verbose_name="task"),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("FAILED", "Failed"),
                            ("TIMED_OUT", "Timed out"),
                            ("LOST", "Worker lost"),
                            ("SNOOZED", "Snoozed"),
                            ("RELEASED", "Interrupted by a stop"),
                            ("CANCELLED", "Cancelled"),
                        ],
                        max_length=10,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "exception_class",
                    models.CharField(
                        blank=True, default="", max_length=255, verbose_name="exception class"
                    ),
                ),
                (
                    "place",
                    models.CharField(blank=True, default="", max_length=255, verbose_name="place"),
                ),
                ("message", models.TextField(blank=True, default="", verbose_name="message")),
                ("job_id", models.UUIDField(verbose_name="example")),
                ("first_seen", models.DateTimeField(verbose_name="first seen")),
                ("last_seen", models.DateTimeField(verbose_name="last seen")),
                (
                    "seen",
                    models.PositiveBigIntegerField(
                        help_text="Failed attempts in all.", verbose_name="seen"
                    ),
                ),
            ],
            options={
                "verbose_name": "failure group",
                "verbose_name_plural": "failure groups",
                "default_permissions": ("view",),
            },
        ),
        # NULL for the rows that are there and for those of older workers: the table is not
        # rewritten, and old releases go on.
        migrations.AddField(
            model_name="job",
            name="failure_group",
            field=models.CharField(
                blank=True, max_length=16, null=True, verbose_name="failure group"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=django_jobs.db.indexes.IndexWhenSet(
                fields=["failure_group", "status", "id"], name="django_jobs_group"
            ),
        ),
    ]
