from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0006_groups")]

    operations = [
        migrations.AlterModelOptions(
            name="worker",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("control_worker", "Can quiet, resume and stop workers"),
                    ("view_worker_stacks", "Can view the stacks of running jobs"),
                ],
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
            },
        ),
        migrations.AddField(
            model_name="queue",
            name="paused_until",
            field=models.DateTimeField(blank=True, null=True, verbose_name="paused until"),
        ),
        migrations.AddField(
            model_name="queue",
            name="pause_reason",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=200, verbose_name="reason"
            ),
        ),
        migrations.AddField(
            model_name="queue",
            name="paused_by",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=150, verbose_name="paused by"
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="phase",
            field=models.CharField(
                blank=True,
                choices=[
                    ("starting", "Starting"),
                    ("running", "Running"),
                    ("quiet", "Quiet"),
                    ("stopping", "Stopping"),
                ],
                db_default="",
                default="",
                max_length=10,
                verbose_name="phase",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="threads_busy",
            field=models.PositiveSmallIntegerField(
                blank=True, null=True, verbose_name="busy threads"
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="coroutines_running",
            field=models.PositiveIntegerField(blank=True, null=True, verbose_name="coroutines"),
        ),
        migrations.AddField(
            model_name="worker",
            name="memory",
            field=models.PositiveBigIntegerField(
                blank=True, help_text="Resident, in bytes.", null=True, verbose_name="memory"
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="running",
            field=models.JSONField(
                blank=True,
                help_text="The jobs that it runs, longest first.",
                null=True,
                verbose_name="running",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="command",
            field=models.PositiveSmallIntegerField(
                choices=[(0, "Work"), (1, "Be quiet"), (2, "Stop")],
                db_default=0,
                default=0,
                verbose_name="command",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="stacks_asked_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="stacks asked for"),
        ),
        migrations.AddField(
            model_name="worker",
            name="stacks_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="stacks taken"),
        ),
        migrations.AddField(
            model_name="worker",
            name="stacks",
            field=models.JSONField(blank=True, null=True, verbose_name="stacks"),
        ),
    ]
