"""One run: every measure, in rounds, every contender in turn in each of them."""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from tests.support.databases import Database, Unavailable, find

from .contenders import DJANGO_JOBS, load
from .machine import settings_of
from .measures import MEASURES, Measure
from .options import Size
from .results import Results
from .subject import Failed, Subject
from .throwaway import database, redis_database

Say = Callable[[str], None]


class Run:
    """Collects what is measured. ``failures`` names every contender that could not be, and why."""

    def __init__(self, size: Size, say: Say = print) -> None:
        self.size, self.say = size, say
        self.databases: dict[str, Database] = {}
        self.about: dict[str, dict[str, Any]] = {}  # versions and settings of the databases
        self.subjects: list[Subject] = []
        self.results: Results = {}
        self.failures: dict[str, dict[str, str]] = {}

    def __call__(
        self, databases: Sequence[str], contenders: Sequence[str], measures: Sequence[str]
    ) -> None:
        with ExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="django-jobs-bench-"))
            self._find(databases, stack)
            for name in self.databases.keys() & {*databases}:
                found = self.databases[name]
                self.about[name] = {"version": found.version, "settings": settings_of(found)}
            self._prepare(contenders, databases, Path(folder), stack)
            for name in measures:
                self._measure(name, MEASURES[name])

    def _find(self, names: Sequence[str], stack: ExitStack) -> None:
        for name in ("sqlite", "postgresql", "mariadb"):
            if name in names or name == "sqlite":
                try:
                    self.databases[name] = find(name, stack)
                except Unavailable as reason:
                    self._failed(name, "all", str(reason))
        if "redis" in names:
            try:
                url = stack.enter_context(redis_database())
            except Exception as reason:  # no driver, no server, or not ours
                self._failed("redis", "all", f"{type(reason).__name__}: {reason}")
            else:
                self.databases["redis"] = Database("redis", _redis_version(url), url)

    def _prepare(
        self, contenders: Sequence[str], databases: Sequence[str], folder: Path, stack: ExitStack
    ) -> None:
        for name in contenders:
            try:
                on = load(name).databases
            except ImportError as reason:
                self._failed(name, "all", str(reason))
                continue
            for kind in on:
                if kind in databases or kind == "none":
                    self._add(name, kind, folder, stack)

    def _add(self, name: str, kind: str, folder: Path, stack: ExitStack) -> None:
        key = f"{name}/{kind}"
        if kind not in self.databases and kind != "none":
            self._failed(key, "all", f"no {kind} here")
            return
        try:
            subject = self._subject(name, kind, "", folder, stack)
            if name == DJANGO_JOBS:
                subject.twin = self._subject(name, kind, "twin", folder, stack)
        except Exception as reason:
            self._failed(key, "all", str(reason) or type(reason).__name__)
            return
        self.subjects.append(subject)

    def _subject(
        self, name: str, kind: str, suffix: str, folder: Path, stack: ExitStack
    ) -> Subject:
        server = self.databases.get(kind, self.databases["sqlite"]).url
        url = stack.enter_context(database(kind, server, name + suffix, folder))
        redis = self.databases["redis"].url if "redis" in self.databases else ""
        subject = Subject(name, kind, url, folder / f"{name}-{kind}{suffix}", redis)
        stack.callback(subject.close)
        subject.install()
        return subject

    def _measure(self, name: str, measure: Measure) -> None:
        rounds = 1 if measure.once else self.size.rounds
        for number in range(1, rounds + 1):
            for subject in self.subjects:
                if not measure.wants(subject, self.size) or name in self.failures.get(
                    subject.key, {}
                ):
                    continue
                started = time.monotonic()
                try:
                    values = measure.run(subject, self.size)
                except Failed as reason:
                    self._failed(subject.key, name, str(reason))
                    continue
                found = self.results.setdefault(name, {}).setdefault(subject.key, {})
                for value, amount in values.items():
                    amounts = amount if isinstance(amount, list) else [amount]
                    found.setdefault(value, []).extend(amounts)
                shown = ", ".join(f"{value} {_short(amount)}" for value, amount in values.items())
                taken = time.monotonic() - started
                self.say(f"{name} {number}/{rounds} {subject.key}: {shown} ({taken:.0f} s)")

    def _failed(self, key: str, what: str, reason: str) -> None:
        self.failures.setdefault(key, {})[what] = reason
        self.say(f"NOT MEASURED: {key}, {what}: {reason}")
        sys.stdout.flush()


def _redis_version(url: str) -> str:
    import redis

    return f"Redis {redis.Redis.from_url(url).info('server')['redis_version']}"


def _short(amount: float | list[float]) -> str:
    if isinstance(amount, list):
        amount = median(amount)
    return f"{amount:,.0f}" if amount >= 100 else f"{amount:.3g}"
