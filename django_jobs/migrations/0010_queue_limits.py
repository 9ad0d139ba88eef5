from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0009_unique_key")]

    operations = [
        migrations.AlterModelOptions(
            name="queue",
            options={
                "default_permissions": ("view",),
                "permissions": [
                    ("pause_queue", "Can pause and resume queues"),
                    ("limit_queue", "Can set the limits of queues"),
                ],
                "verbose_name": "queue",
                "verbose_name_plural": "queues",
            },
        ),
        migrations.AddField(
            model_name="queue",
            name="limit",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How many of its jobs run at once, over all workers.",
                null=True,
                verbose_name="limit",
            ),
        ),
    ]
