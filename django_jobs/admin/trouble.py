"""What needs a person, and what that person can do: from facts to sentences."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Status
from . import wording
from .display import between, moment, name_of
from .paginator import Count
from .readings import Crew, Limit, Line, Pause

# Seconds. A job that has waited for less is nobody's trouble yet.
LATE: Final = 60.0
NAMED: Final = 5


@dataclass(frozen=True, slots=True)
class Banner:
    """
    ``text`` says what is the matter, ``advice`` what to do about it: with ``command``, or on
    the page of ``link``, one of the overview's own names.
    """

    tone: str
    text: str
    advice: str
    command: str = ""
    link: str = ""
    task: str = ""
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What is known of the moment ``now``.

    :param lost: workers whose lease has run out.
    :param idle_backends: the backends without a live worker, with when one was last seen.
    :param lines: ready jobs by queue.
    :param states: how many jobs there are in other states.
    :param limits: of the queues that have one.
    :param unavailable: tasks that no worker knows, with the number of their jobs.
    :param died: tasks with the number of their jobs that died a short while ago.
    :param arrived: how many jobs came in a short while; None where nobody asked.
    :param done: how many ended in that time.
    """

    now: datetime
    crews: Sequence[Crew] = ()
    lost: Count = field(default_factory=Count)
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
        return self.is_saturated and bool(self.late)

    def _wait(self, line: Line) -> float:
        return (self.now - line.oldest).total_seconds()


def banners(facts: Facts) -> list[Banner]:
    """What needs a person, the worst first."""
    parts = (_no_worker, _behind, _unavailable, _died, _unserved, _limited, _paused)
    found = [banner for part in parts for banner in part(facts)]
    return sorted(found, key=lambda banner: banner.tone != "bad")


def _no_worker(facts: Facts) -> Iterator[Banner]:
    for backend, seen in facts.idle_backends.items():
        text = _("No worker is running.")
        if seen is not None:
            since = between(seen, facts.now)
            text = _("No worker is running; the last one was seen %(time)s ago.") % {"time": since}
        if backend != "default":
            text = _("Backend “%(name)s”: %(text)s") % {"name": backend, "text": text}
        command = "manage.py runjobs"
        if backend != "default":
            command += f" --backend {backend}"
        yield Banner("bad", text, _("Start one with:"), command=command)


def _behind(facts: Facts) -> Iterator[Banner]:
    if not facts.is_behind:
        return
    waits = between(min(line.oldest for line in facts.late), facts.now)
    grows = facts.arrived is not None and facts.arrived > facts.done
    if grows:
        text = _(
            "Jobs come faster than they are done: every slot is busy, the oldest ready job has "
            "waited for %(time)s, and in five minutes %(came)s came and %(done)s were done."
        )
    else:
        text = _("Every slot is busy, and the oldest ready job has waited for %(time)s.")
    came = facts.arrived.text if facts.arrived is not None else ""
    yield Banner(
        "bad" if grows else "wait",
        text % {"time": waits, "came": came, "done": Count(facts.done).text},
        _("If that doesn’t pass, start more workers, or with more threads:"),
        command="manage.py runjobs --threads 8",
    )


def _unavailable(facts: Facts) -> Iterator[Banner]:
    for path, count in facts.unavailable[:NAMED]:
        text = ngettext(
            "%(count)s job of “%(task)s” waits for a worker that knows the task.",
            "%(count)s jobs of “%(task)s” wait for a worker that knows the task.",
            count,
        )
        yield Banner(
            "bad",
            text % {"count": Count(count).text, "task": path},
            _("Deploy a release that has it, takes these arguments, or names this as an alias."),
            link="scheduled",
            task=path,
        )


def _died(facts: Facts) -> Iterator[Banner]:
    total = sum(facts.died.values())
    if not total:
        return
    text = ngettext(
        "%(count)s job has died in the last 15 minutes: %(tasks)s.",
        "%(count)s jobs have died in the last 15 minutes: %(tasks)s.",
        total,
    )
    worst = sorted(facts.died.items(), key=lambda item: (-item[1], item[0]))
    tasks = [f"{Count(count).text} × {name_of(path)}" for path, count in worst[:NAMED]]
    if len(worst) > NAMED:
        tasks.append(_("and others"))
    yield Banner(
        "bad",
        text % {"count": Count(total).text, "tasks": ", ".join(tasks)},
        _("See why, and retry them when the cause is gone:"),
        link="dead",
    )


def _unserved(facts: Facts) -> Iterator[Banner]:
    if facts.is_saturated or not facts.slots:
        return
    for line in facts.late[:NAMED]:
        text = _("The queue “%(queue)s” has waited for %(time)s, though slots are free.") % {
            "queue": line.queue,
            "time": between(line.oldest, facts.now),
        }
        yield Banner(
            "wait",
            text,
            _("Perhaps no worker serves it. Start one with:"),
            command=f"manage.py runjobs --queues {line.queue}",
        )


def _limited(facts: Facts) -> Iterator[Banner]:
    for line in facts.late_for_a_limit[:NAMED]:
        text = _(
            "The queue “%(queue)s” is at its limit of %(limit)s, and its oldest job has waited "
            "for %(time)s."
        ) % {
            "queue": line.queue,
            "limit": Count(facts.limits[line.queue].most).text,
            "time": between(line.oldest, facts.now),
        }
        yield Banner(
            "wait", text, _("If that’s too long, raise its limit:"), link="queues", queue=line.queue
        )


def _paused(facts: Facts) -> Iterator[Banner]:
    waiting = {line.queue: line.ready for line in facts.lines}
    for queue, pause in islice(facts.paused.items(), NAMED):
        n = waiting.get(queue, 0)
        text = ngettext(
            "The queue “%(queue)s” is paused; %(count)s job waits in it.",
            "The queue “%(queue)s” is paused; %(count)s jobs wait in it.",
            n,
        )
        yield Banner(
            "wait",
            text % {"queue": queue, "count": Count(n).text},
            " ".join(filter(None, [_reason(pause), _end(pause)])),
            link="queues",
            queue=queue,
        )
    if len(facts.paused) > NAMED:
        rest = len(facts.paused) - NAMED
        text = ngettext(
            "%(count)s more queue is paused.", "%(count)s more queues are paused.", rest
        )
        yield Banner("wait", wording.count(text, rest), "", link="queues")


def _reason(pause: Pause) -> str:
    return _("The reason: %s.") % pause.reason.rstrip(".") if pause.reason else ""


def _end(pause: Pause) -> str:
    if pause.until is None:
        return _("Resume it when it may go on:")
    return _("It goes on by itself at %s, or when somebody resumes it:") % moment(pause.until)


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
