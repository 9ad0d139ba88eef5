"""The overview: the state of the system on one page, from a fixed number of statements."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Sum
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from ..backend import DatabaseBackend
from ..compat import task_backends
from ..figures import add_up, since
from ..models import Status
from ..tally import Tally
from . import display, periods, readings
from .facts import Facts, in_words
from .paginator import Count
from .periods import DEFAULT, PERIODS, Period
from .trouble import banners

LONGEST: Final = 5
GROUPS: Final = 500  # pairs of task and queue that are read
QUEUES_SHOWN: Final = 20
DIED_WITHIN: Final = timedelta(minutes=15)
CAME_WITHIN: Final = timedelta(minutes=5)
CLOSED_READ: Final = 1000


def overview(request: HttpRequest) -> dict[str, Any]:
    """What the template shows; the parameter ``range`` names one of PERIODS."""
    now = timezone.now()
    period = PERIODS.get(request.GET.get("range", ""), PERIODS[DEFAULT])
    begin = period.begin(now)
    rows = since(period.span, begin)
    groups = add_up(rows, "task_path", "queue_name", most=GROUPS)
    facts = gather(now)
    return {
        "periods": PERIODS.values(),
        "period": period,
        "as_of": _as_of(now),
        "banners": banners(facts),
        "states": _states(facts),
        "any_dead": bool(facts.states[Status.DEAD]),
        "oldest": display.between(facts.oldest, now),
        "all_paused": bool(facts.lines) and not facts.open_lines,
        "some_paused": len(facts.open_lines) < len(facts.lines),
        "in_words": in_words(facts),
        "crews": facts.crews,
        "lost": facts.lost and facts.lost.text,
        **periods.charts(period, now, add_up(rows, "start"), readings.releases_since(begin)),
        "tasks": periods.tasks(groups, period),
        "is_cut": len(groups) == GROUPS,
        "longest": [_running(job, now) for job in readings.longest_running(LONGEST)],
        "queues": _queues(facts, groups, period),
    }


def _as_of(now: datetime) -> str:
    """With the time zone, which all times of the pages are in."""
    return f"{display.moment(now)} ({timezone.get_current_timezone_name()})"


def gather(now: datetime) -> Facts:
    """Look at everything that may need a person."""
    lines, ready = readings.ready_lines()
    crews = readings.crews()
    at_work = {crew.backend for crew in crews}
    idle = [alias for alias in _aliases() if alias not in at_work]
    seen = readings.last_seen() if idle else {}
    paused, limits = readings.closed_queues(CLOSED_READ)
    died = since(60, now - DIED_WITHIN).values_list("task_path").annotate(died=Sum("dead"))
    facts = Facts(
        now=now,
        crews=crews,
        lost=readings.lost_workers(),
        served=readings.served_queues(),
        idle_backends={alias: seen.get(alias) for alias in idle},
        lines=lines,
        ready=ready,
        states=readings.count_states(),
        paused=paused,
        limits=limits,
        unavailable=readings.unavailable(now),
        died=dict(died.filter(died__gt=0).order_by("-died")[:GROUPS]),
    )
    return _with_growth(facts) if facts.is_behind else facts


def _with_growth(facts: Facts) -> Facts:
    """The same with how many jobs came and ended lately."""
    start = facts.now - CAME_WITHIN
    ended = since(60, start).aggregate(done=Sum("successes") + Sum("dead"))
    return replace(facts, arrived=readings.arrived(start), done=ended["done"] or 0)


def _aliases() -> list[str]:
    return [each.alias for each in task_backends.all() if isinstance(each, DatabaseBackend)]


def _states(facts: Facts) -> list[dict[str, Any]]:
    counts = {Status.READY: facts.ready, **facts.states}
    shown = (Status.READY, Status.SCHEDULED, Status.RUNNING, Status.DEAD)
    return [
        {
            "name": state.value,
            "badge": display.badge(state.label, _tone(state, counts[state])),
            "count": counts[state].text,
        }
        for state in (*shown, Status.CANCELLED, Status.DISCARDED)
    ]


def _tone(state: Status, count: Count) -> str:
    return "quiet" if state == Status.DEAD and not count else display.TONES[state]


def _queues(
    facts: Facts, groups: Mapping[tuple[Any, ...], Tally], period: Period
) -> list[dict[str, Any]]:
    totals = periods.totals_by(groups, 1)
    lines = {line.queue: line for line in facts.lines}
    # Those with the longest wait, then those that are paused or limited, then the busiest.
    busiest = sorted(totals, key=lambda queue: (-totals[queue].count, queue))
    # No name: the queues of a worker that had too many to count each.
    shown = dict.fromkeys([*lines, *facts.paused, *facts.limits, *busiest])
    names = [name for name in shown if name]
    return [
        {
            "name": display.name(name),
            "plain": name,
            "ready": Count(lines[name].ready if name in lines else 0).text,
            "oldest": display.between(lines[name].oldest, facts.now) if name in lines else "",
            "badge": display.queue_state(name in facts.paused),
            "limit": _limit(facts.limits[name]) if name in facts.limits else "",
            **periods.row(totals.get(name, Tally()), period),
        }
        for name in names[:QUEUES_SHOWN]
    ]


def _limit(limit: readings.Limit) -> str:
    counts = {"running": Count(limit.running).text, "limit": Count(limit.most).text}
    if limit.is_reached:
        return _("%(running)s of %(limit)s run: at its limit") % counts
    return _("%(running)s of %(limit)s run") % counts


def _running(job: Any, now: datetime) -> dict[str, Any]:
    return {
        "pk": job.pk,
        "task": display.short_name(job.task_path),
        "queue": display.name(job.queue_name),
        "time": display.between(job.last_attempted_at, now),
        "tries": f"{job.attempts}/{job.max_attempts}",
    }
