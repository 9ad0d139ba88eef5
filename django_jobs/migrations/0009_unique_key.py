from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0008_logs")]

    operations = [
        # NULL for the rows that are there: the table is not rewritten, and old releases go on.
        migrations.AddField(
            model_name="job",
            name="unique_key",
            field=models.CharField(blank=True, max_length=64, null=True, verbose_name="unique key"),
        ),
    ]
