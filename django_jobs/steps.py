"""
Steps: parts of a job's work that are done once, whatever becomes of the attempt.

The result of a step is stored before the next one begins, by the worker that owns the claim
and by nobody else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic
from typing import Any

from django.db import connections

from .arguments import check_return_value
from .claim import Claim
from .conf import Options
from .db.clock import DbNow
from .db.transactions import write_transaction
from .exceptions import InvalidArgument, InvalidReturnValue, LeaseLost
from .failure import storable
from .models import Job, JobStep, Status

NAME_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Steps:
    """
    The steps of one attempt.

    :param using: the database that holds the job.
    """

    claim: Claim
    options: Options
    using: str

    def run(self, name: str, key: str, call: Callable[[], Any]) -> Any:
        """
        The stored result of the step ``name`` and ``key``; without one that of ``call()``,
        which is stored.

        :raises Interrupt: the attempt should end now; the step has not begun.
        :raises LeaseLost: the claim was lost while it ran; nothing is stored.
        """
        for what, text in (("name", name), ("key", key)):
            _check_text(what, text)
        done = JobStep.objects.using(self.using).filter(job=self.claim.job, name=name, key=key)
        for result in done.values_list("result", flat=True):
            return result
        self.claim.token.check()
        started = monotonic()
        value = self._checked(name, call())
        self._store(name, key, value, monotonic() - started)
        return value

    def _checked(self, name: str, value: Any) -> Any:
        try:
            return check_return_value(
                value,
                max_bytes=self.options.arguments_max_bytes,
                max_depth=self.options.arguments_max_depth,
            )
        except InvalidReturnValue as error:
            path = error.path.replace("return value", f"the result of the step {name!r}", 1)
            raise InvalidReturnValue(path, error.problem) from None

    def _store(self, name: str, key: str, value: Any, seconds: float) -> None:
        job = self.claim.job
        with write_transaction(self.using):
            ours = Job.objects.using(self.using).filter(
                pk=job.pk, status=Status.RUNNING, claim_no=job.claim_no
            )
            if connections[self.using].features.has_select_for_update:
                ours = ours.select_for_update()
            if not ours.values_list("pk"):
                raise LeaseLost
            JobStep.objects.using(self.using).create(
                job_id=job.pk,
                name=name,
                key=key,
                number=job.attempts,
                claim_no=job.claim_no,
                started_at=DbNow() - timedelta(seconds=seconds),
                finished_at=DbNow(),
                result=value,
            )


def _check_text(what: str, text: Any) -> None:
    least = 1 if what == "name" else 0
    # MariaDB takes two texts for the same that differ in spaces at their end.
    if (
        not isinstance(text, str)
        or not least <= len(text) <= NAME_LENGTH
        or text != storable(text).rstrip(" ")
    ):
        raise InvalidArgument(
            f"the step's {what}",
            f"must be text of {least} to {NAME_LENGTH} characters, the last of them no space, "
            f"not {text!r}.",
        )
