from django.db import migrations

from django_jobs.db.storage import reset_parameters, set_parameters


class Migration(migrations.Migration):
    dependencies = [("django_jobs", "0001_initial")]

    operations = [migrations.RunPython(set_parameters, reset_parameters)]
