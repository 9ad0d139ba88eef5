from django.db import migrations, models

import django_jobs.db.fields


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0004_interruptions")]

    operations = [
        migrations.AddField(
            model_name="worker",
            name="release",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=64, verbose_name="release"
            ),
        ),
        migrations.CreateModel(
            name="Figures",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("span", models.PositiveIntegerField()),
                ("start", models.DateTimeField()),
                ("task_path", django_jobs.db.fields.NameField(max_length=255)),
                ("queue_name", django_jobs.db.fields.NameField(max_length=64)),
                ("worker_id", models.UUIDField()),
                ("successes", models.PositiveIntegerField(default=0)),
                ("failures", models.PositiveIntegerField(default=0)),
                ("dead", models.PositiveIntegerField(default=0)),
                ("run_sum", models.FloatField(default=0.0)),
                ("run_max", models.FloatField(default=0.0)),
                ("wait_sum", models.FloatField(default=0.0)),
                ("wait_max", models.FloatField(default=0.0)),
                *((f"run_{n}", models.PositiveIntegerField(default=0)) for n in range(20)),
                *((f"wait_{n}", models.PositiveIntegerField(default=0)) for n in range(20)),
            ],
            options={
                "verbose_name": "figures",
                "verbose_name_plural": "figures",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("span", "start", "task_path", "queue_name", "worker_id"),
                        name="django_jobs_one_figures",
                    )
                ],
            },
        ),
    ]
