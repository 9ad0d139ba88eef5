"""A named lane."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import ClassVar, Final

from django.db import models
from django.db.models import BooleanField, Case, F, Q, Value, When
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from ..db.clock import DbNow
from ..db.fields import NameField
from ..exceptions import LONGEST_DELAY

REASON_LENGTH: Final = 200
PERSON_LENGTH: Final = 150  # of a user name, as in Django's own model
LIMIT_MOST: Final = 10_000
PAUSE_MOST: Final = timedelta(seconds=LONGEST_DELAY)


def paused_now() -> Q:
    """Whether a queue is paused: a pause with an end is over when that has come."""
    has_no_end = Q(paused_until__isnull=True)
    return Q(paused_at__isnull=False) & (has_no_end | Q(paused_until__gt=DbNow()))


class QueueQuerySet(models.QuerySet["Queue", "Queue"]):
    def paused(self) -> "QueueQuerySet":
        """Queues that are paused now, by the database's clock."""
        return self.filter(paused_now())

    def limited(self) -> "QueueQuerySet":
        """Queues of which only so many jobs may run at once."""
        return self.filter(limit__isnull=False)

    def closed(self, *, but: Collection[str] = ()) -> "QueueQuerySet":
        """
        Queues whose jobs a claim over all queues leaves out: paused ones, and those that have a
        limit, less the latter that are named in ``but``.
        """
        has_limit = Q(limit__isnull=False)
        return self.filter(paused_now() | (has_limit & ~Q(name__in=but) if but else has_limit))

    def with_state(self) -> "QueueQuerySet":
        """Each knows by the database's clock whether it is paused now: ``is_paused``."""
        paused = When(paused_now(), then=Value(True))
        return self.annotate(
            is_paused=Case(paused, default=Value(False), output_field=BooleanField())
        )

    def set_limit(self, limit: int | None) -> int:
        """
        Let no more than so many jobs of each of these queues run at once, over all workers;
        returns how many queues changed.

        :param limit: from 1 to 10,000; None for no limit.
        :raises ValueError: it is anything else.
        """
        is_number = isinstance(limit, int) and not isinstance(limit, bool)
        if limit is not None and not (is_number and 1 <= limit <= LIMIT_MOST):
            raise ValueError(
                f"A limit is None or a number from 1 to {LIMIT_MOST:,}, not {limit!r}."
            )
        has_limit = Q(limit__isnull=False)
        changes = has_limit if limit is None else ~has_limit | ~Q(limit=limit)
        return self.filter(changes).update(limit=limit)

    def pause(self, *, until: datetime | None = None, reason: str = "", by: str = "") -> int:
        """
        Stop workers from claiming jobs of these queues; returns how many changed. A queue that
        is paused already gets this end and this reason instead of its own.

        :param until: when the pause ends by itself (aware), by the database's clock; None for
            when somebody resumes the queue. A hundred years ahead at most.
        :param reason: why, for whoever looks; 200 characters at most.
        :param by: who, 150 characters at most.
        :raises ValueError: the end is past, naive or too far ahead, or a text is too long.
        """
        if until is not None and (timezone.is_naive(until) or until <= timezone.now()):
            raise ValueError(f"The end of a pause must be aware and still to come, not {until}.")
        if until is not None and until - timezone.now() > PAUSE_MOST:
            raise ValueError(f"A pause must end within a hundred years, not at {until}.")
        for text, most in ((reason, REASON_LENGTH), (by, PERSON_LENGTH)):
            if len(text) > most:
                raise ValueError(f"{text[:20]!r}… is longer than {most} characters.")
        same = paused_now() & Q(paused_until=until, pause_reason=reason)
        # MySQL assigns from left to right: what depends on the old values comes first.
        return self.filter(~same).update(
            paused_at=Case(When(paused_now(), then=F("paused_at")), default=DbNow()),
            paused_until=until,
            pause_reason=reason,
            paused_by=by,
        )

    def resume(self) -> int:
        """Let workers claim jobs of these queues again; returns how many changed."""
        return self.paused().update(
            paused_at=None, paused_until=None, pause_reason="", paused_by=""
        )


class Queue(models.Model):
    """
    What is known of a queue besides its jobs. A queue needs no row to be used; it gets one
    when somebody pauses it or gives it a limit.
    """

    name = NameField(_("name"), max_length=64, primary_key=True)
    # A pause whose end has come leaves them as they are; see paused_now().
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    paused_until = models.DateTimeField(_("paused until"), null=True, blank=True)
    pause_reason = models.CharField(
        _("reason"), max_length=REASON_LENGTH, default="", db_default="", blank=True
    )
    paused_by = models.CharField(
        _("paused by"), max_length=PERSON_LENGTH, default="", db_default="", blank=True
    )
    limit = models.PositiveSmallIntegerField(
        _("limit"),
        null=True,
        blank=True,
        help_text=_("How many of its jobs run at once, over all workers."),
    )

    objects: ClassVar = QueueQuerySet.as_manager()

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        default_permissions = ("view",)
        permissions: ClassVar = [
            ("pause_queue", _("Can pause and resume queues")),
            ("limit_queue", _("Can set the limits of queues")),
        ]

    def __str__(self) -> str:
        return self.name
