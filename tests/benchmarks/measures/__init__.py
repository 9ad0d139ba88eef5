"""
What is measured, one module a measure.

A measure takes a subject and returns the values of one round, by name: rates a second where the
name says nothing else.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..contenders import DJANGO_JOBS
from ..options import Size
from ..subject import Subject
from . import drain, enqueue, history, idle, latency, sleeping, statements

Values = Mapping[str, float | list[float]]


@dataclass(frozen=True, slots=True)
class Measure:
    """
    :param run: one round with one subject.
    :param wants: which subjects take part.
    :param once: one round is enough; it is long, or counts rather than times.
    """

    run: Callable[[Subject, Size], Values]
    wants: Callable[[Subject, Size], bool]
    once: bool = False


def _ours(subject: Subject, size: Size) -> bool:
    return subject.name == DJANGO_JOBS


def _enqueues(subject: Subject, size: Size) -> bool:
    return bool(subject.about["enqueues"])


def _sleeps(subject: Subject, size: Size) -> bool:
    at_home = subject.database in {"postgresql", "redis", "none"}
    return (at_home and size.everybody) or _ours(subject, size)


def _waits(subject: Subject, size: Size) -> bool:
    return _enqueues(subject, size) and _sleeps(subject, size)


def _picks_up(subject: Subject, size: Size) -> bool:
    return bool(subject.about["picks_up"]) and (_waits(subject, size) or size.everybody)


MEASURES = {
    "drain": Measure(drain.run, lambda subject, size: True),
    "enqueue": Measure(enqueue.run, _enqueues),
    "latency": Measure(latency.run, _picks_up),
    "sleeping": Measure(sleeping.run, _sleeps),
    "history": Measure(history.run, _ours, once=True),
    "statements": Measure(statements.run, _ours, once=True),
    "idle": Measure(idle.run, _waits, once=True),
}
