"""What needs a person, and what that person can do: from facts to sentences."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ..models import Status
from . import wording
from .display import between, moment, name_of
from .facts import Facts
from .paginator import Count
from .readings import Pause

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


def banners(facts: Facts) -> list[Banner]:
    """What needs a person, the worst first."""
    parts = (
        *(_no_worker, _all_quiet, _behind, _unavailable, _dead),
        *(_unserved, _passed_over, _limited, _paused),
    )
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


def _all_quiet(facts: Facts) -> Iterator[Banner]:
    if not facts.crews or facts.slots:
        return
    text = _("Every worker is quiet or stops: none claims a job.")
    if facts.late:
        text = _("Every worker is quiet or stops, and the oldest ready job has waited for %s.")
        text %= between(min(line.oldest for line in facts.late), facts.now)
    yield Banner("bad" if facts.late else "wait", text, _("Resume one of them:"), link="workers")


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


def _dead(facts: Facts) -> Iterator[Banner]:
    dead, total = facts.states.get(Status.DEAD, Count(0)), sum(facts.died.values())
    if not dead:
        return
    if not total:
        text = ngettext(
            "%(count)s dead job waits for somebody to retry or discard it.",
            "%(count)s dead jobs wait for somebody to retry or discard them.",
            dead,
        )
        yield Banner("wait", wording.count(text, dead), _("See why they died:"), link="dead")
        return
    # One that was retried may have died twice.
    text = ngettext(
        "Jobs have died once in the last 15 minutes: %(tasks)s.",
        "Jobs have died %(count)s times in the last 15 minutes: %(tasks)s.",
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
    if not facts.slots:
        return
    for line in facts.unserved[:NAMED]:
        text = _("The queue “%(queue)s” has waited for %(time)s: no worker serves it.") % {
            "queue": line.queue,
            "time": between(line.oldest, facts.now),
        }
        command = f"manage.py runjobs --queues {line.queue}"
        yield Banner("bad", text, _("Start one with:"), command=command)


def _passed_over(facts: Facts) -> Iterator[Banner]:
    if facts.is_saturated or not facts.slots:
        return
    for line in [line for line in facts.late if line not in facts.unserved][:NAMED]:
        text = _("The queue “%(queue)s” has waited for %(time)s, though slots are free.") % {
            "queue": line.queue,
            "time": between(line.oldest, facts.now),
        }
        yield Banner(
            "wait",
            text,
            _("Perhaps its jobs are of a backend without a worker. Start one with:"),
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
