from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from .compat import connect_tasks_app


class DjangoJobsConfig(AppConfig):
    name = "django_jobs"
    label = "django_jobs"
    verbose_name = _("Background jobs")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        connect_tasks_app()
