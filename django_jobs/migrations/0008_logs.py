import django.db.models.deletion
from django.db import migrations, models

import django_jobs.db.indexes


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0007_control")]

    operations = [
        migrations.CreateModel(
            name="JobLog",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("claim_no", models.PositiveIntegerField(verbose_name="claim number")),
                ("number", models.PositiveSmallIntegerField(verbose_name="attempt")),
                ("text", models.TextField(verbose_name="text")),
                (
                    "job",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="logs",
                        to="django_jobs.job",
                        verbose_name="job",
                    ),
                ),
            ],
            options={
                "verbose_name": "log of an attempt",
                "verbose_name_plural": "logs of attempts",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=("job", "claim_no"), name="django_jobs_one_log")
                ],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="parent_id",
            field=models.UUIDField(blank=True, null=True, verbose_name="parent"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=django_jobs.db.indexes.IndexWhenSet(
                fields=["parent_id", "id"], name="django_jobs_parent"
            ),
        ),
    ]
