"""What an operator may do with jobs: what it is called, which jobs it is for, what it says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.utils.translation import gettext_lazy, ngettext

from ..many import STATUSES, WRITES, may
from ..models import Job, Status

ALL: Final = tuple(Status)


@dataclass(frozen=True, slots=True)
class Verb:
    """
    :param name: of the action, the URL and, with ``_job``, of the permission.
    :param statuses: it is for jobs in one of these.
    :param explains: what it does to a job, in a sentence.
    :param question: asks for confirmation of n jobs.
    :param done: says that n jobs were changed.
    :param because: says why n jobs were skipped.
    """

    name: str
    label: Any
    statuses: tuple[Status, ...]
    explains: Any
    question: Callable[[int], str]
    done: Callable[[int], str]
    because: Callable[[int], str]

    def applies_to(self, job: Job) -> bool:
        """Whether ``job`` may be touched as it is now."""
        return may(self.name, job) if self.name in WRITES else job.status in self.statuses


RETRY: Final = Verb(
    name="retry",
    label=gettext_lazy("Retry"),
    statuses=STATUSES["retry"],
    explains=gettext_lazy(
        "A dead job gets a full new set of attempts, and starts as soon as a worker is free and "
        "its queue isn’t paused. Its history is kept."
    ),
    question=lambda n: ngettext("Retry %(count)s job?", "Retry %(count)s jobs?", n),
    done=lambda n: ngettext("%(count)s job was retried", "%(count)s jobs were retried", n),
    because=lambda n: ngettext(
        "%(count)s was skipped because it is not dead",
        "%(count)s were skipped because they are not dead",
        n,
    ),
)

DISCARD: Final = Verb(
    name="discard",
    label=gettext_lazy("Discard"),
    statuses=STATUSES["discard"],
    explains=gettext_lazy(
        "A dead job is given up for good: it no longer waits for anybody. Its row stays."
    ),
    question=lambda n: ngettext("Discard %(count)s job?", "Discard %(count)s jobs?", n),
    done=lambda n: ngettext("%(count)s job was discarded", "%(count)s jobs were discarded", n),
    because=lambda n: ngettext(
        "%(count)s was skipped because it is not dead",
        "%(count)s were skipped because they are not dead",
        n,
    ),
)

CANCEL: Final = Verb(
    name="cancel",
    label=gettext_lazy("Cancel"),
    statuses=STATUSES["cancel"],
    explains=gettext_lazy(
        "A job that waits ends at once. One that runs is asked to end, and is not tried again; "
        "where its task never looks, it runs to its end."
    ),
    question=lambda n: ngettext("Cancel %(count)s job?", "Cancel %(count)s jobs?", n),
    done=lambda n: ngettext("%(count)s job was cancelled", "%(count)s jobs were cancelled", n),
    because=lambda n: ngettext(
        "%(count)s was skipped because it has ended or was asked to already",
        "%(count)s were skipped because they have ended or were asked to already",
        n,
    ),
)

COPY: Final = Verb(
    name="copy",
    label=gettext_lazy("Run a copy"),
    statuses=ALL,
    explains=gettext_lazy(
        "A new job is enqueued with the same task, arguments, queue and priority. "
        "This one stays as it is."
    ),
    question=lambda n: ngettext(
        "Run a copy of %(count)s job?", "Run a copy of each of %(count)s jobs?", n
    ),
    done=lambda n: ngettext("%(count)s copy was enqueued", "%(count)s copies were enqueued", n),
    because=lambda n: ngettext(
        "%(count)s was skipped because it could not be enqueued",
        "%(count)s were skipped because they could not be enqueued",
        n,
    ),
)

VERBS: Final = {verb.name: verb for verb in (RETRY, DISCARD, CANCEL, COPY)}


def held(n: int) -> str:
    """Says that n jobs were skipped because of their unique keys."""
    return ngettext(
        "%(count)s was skipped because a job with the same unique key has not ended",
        "%(count)s were skipped because jobs with the same unique keys have not ended",
        n,
    )


def asked_to_end(n: int) -> str:
    """Says that n running jobs were asked to end."""
    return ngettext(
        "%(count)s running job was asked to end", "%(count)s running jobs were asked to end", n
    )
