from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0003_steps")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="interruptions",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                help_text="How often in a row a worker's stop cut it short.",
                verbose_name="interruptions",
            ),
        ),
    ]
