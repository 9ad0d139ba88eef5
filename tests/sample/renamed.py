"""Tasks that had other names, and other arguments, in an earlier release."""

from django_jobs import job


@job(aliases=("tests.sample.old.mail", "tests.sample.renamed.mail"), tags=("mail",))
def mail(number: int) -> int:
    return number + 1
