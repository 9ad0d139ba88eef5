"""A module of tasks that nobody imports, least of all because a row names it."""

from django_jobs import job


@job
def task() -> None:
    pass
