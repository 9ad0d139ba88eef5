"""What is known of a moment: who works, what waits, and whether that is as it should be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Status
from . import wording
from .outlook import serves
from .paginator import Count
from .readings import Crew, Limit, Line, Pause

# Seconds. A job that has waited for less is nobody's trouble yet.
LATE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What is known of the moment ``now``.

    :param lost: workers whose lease has run out.
    :param served: what the workers that claim jobs say they serve.
    :param idle_backends: the backends without a live worker, with when one was last seen.
    :param lines: ready jobs by queue.
    :param states: how many jobs there are in other states.
    :param limits: of the queues that have one.
    :param unavailable: tasks that no worker knows, with the number of their jobs.
    :param died: tasks with how often a job of theirs died a short while ago.
    :param arrived: how many jobs came in a short while; None where nobody asked.
    :param done: how many ended in that time.
    """

    now: datetime
    crews: Sequence[Crew] = ()
    lost: Count = field(default_factory=Count)
    served: Sequence[str] = ("all",)
    idle_backends: Mapping[str, datetime | None] = field(default_factory=dict)
    lines: Sequence[Line] = ()
    ready: Count = field(default_factory=Count)
    states: Mapping[Status, Count] = field(default_factory=dict)
    paused: Mapping[str, Pause] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    unavailable: Sequence[tuple[str, int]] = ()
    died: Mapping[str, int] = field(default_factory=dict)
    arrived: Count | None = None
    done: int = 0

    @property
    def slots(self) -> int:
        """How many jobs can run at once, in threads."""
        return sum(crew.slots for crew in self.crews)

    @property
    def busy(self) -> int:
        """How many of the slots are taken."""
        return sum(crew.busy for crew in self.crews)

    @property
    def is_saturated(self) -> bool:
        return 0 < self.slots <= self.busy

    @property
    def open_lines(self) -> list[Line]:
        """The lines of queues that aren't paused."""
        return [line for line in self.lines if line.queue not in self.paused]

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest ready job waits that nobody has paused."""
        return min((line.oldest for line in self.open_lines), default=None)

    @property
    def late(self) -> list[Line]:
        """The lines that wait for a worker, longer than a person would want."""
        return [line for line in self._late if line.queue not in self._full]

    @property
    def unserved(self) -> list[Line]:
        """Those of them whose queue no worker serves."""
        return [line for line in self.late if not self._is_served(line.queue)]

    def _is_served(self, queue: str) -> bool:
        return any(serves(queues, queue) for queues in self.served)

    @property
    def late_for_a_limit(self) -> list[Line]:
        """Those that wait as long because as many of their jobs run as may."""
        return [line for line in self._late if line.queue in self._full]

    @property
    def _late(self) -> list[Line]:
        return [line for line in self.open_lines if self._wait(line) >= LATE]

    @property
    def _full(self) -> set[str]:
        return {name for name, limit in self.limits.items() if limit.is_reached}

    @property
    def is_behind(self) -> bool:
        return self.is_saturated and len(self.late) > len(self.unserved)

    def _wait(self, line: Line) -> float:
        return (self.now - line.oldest).total_seconds()


def in_words(facts: Facts) -> str:
    """Whether the workers have room for more."""
    slots, busy = facts.slots, facts.busy
    counts = {"busy": Count(busy).text, "slots": Count(slots).text}
    if not facts.crews:
        return _("No slots: no worker is running.")
    if not slots:
        return _("No slots: each worker is quiet or stops.")
    if not busy:
        text = ngettext(
            "Idle: the only slot is free.", "Idle: all %(slots)s slots are free.", slots
        )
    elif busy < slots:
        text = _("Room: %(busy)s of %(slots)s slots are taken.")
    else:
        text = ngettext(
            "Saturated: the only slot is taken.", "Saturated: all %(slots)s slots are taken.", slots
        )
    return " ".join(filter(None, [text % counts, _beside(facts)]))


def _beside(facts: Facts) -> str:
    """What runs and takes no slot."""
    count = sum(crew.coroutines for crew in facts.crews)
    if not count:
        return ""
    text = ngettext(
        "%(count)s coroutine job runs beside them.",
        "%(count)s coroutine jobs run beside them.",
        count,
    )
    return wording.count(text, count)
