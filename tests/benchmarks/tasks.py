"""The task of the contenders that are backends of Django's own task framework."""

from django_jobs.compat import task

from .work import work as _work


@task
def work(number: int, milliseconds: int = 0) -> None:
    _work(number, milliseconds)
