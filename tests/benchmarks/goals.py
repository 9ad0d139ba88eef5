"""What django_jobs wants to reach, beside what it reached."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from .contenders import LIMITS
from .results import Medians, lookup, number, ratio

OURS = "django_jobs"
TEN, TWO = "10 threads", "10 threads, 2 processes"


@dataclass(frozen=True, slots=True)
class Goal:
    """
    :param of: the value in the medians of a run; None where it wasn't measured.
    :param least: the value has to be at least this, or `most`: at most.
    """

    text: str
    of: Callable[[Medians], float | None]
    least: float | None = None
    most: float | None = None
    unit: str = ""

    def state(self, value: float | None) -> str:
        if value is None:
            return "not measured"
        reached = (self.least is None or value >= self.least) and (
            self.most is None or value <= self.most
        )
        return "reached" if reached else "missed"

    @property
    def wanted(self) -> str:
        sign, bound = ("≥", self.least) if self.most is None else ("≤", self.most)
        return f"{sign} {bound:g}{self.unit}"


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    value: str
    wanted: str
    state: str


def judge(found: Medians, goals: Iterable[Goal] | None = None) -> list[Row]:
    rows = []
    for goal in GOALS if goals is None else goals:
        value = goal.of(found)
        shown = "–" if value is None else number(value) + goal.unit
        rows.append(Row(goal.text, shown, goal.wanted, goal.state(value)))
    return rows


def table(rows: Sequence[Row]) -> str:
    """For a terminal."""
    columns = [max(map(len, column)) for column in zip(*map(_cells, rows), strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(_cells(row), columns, strict=True))
        for row in rows
    )


def _cells(row: Row) -> tuple[str, str, str, str]:
    return row.text, row.value, row.wanted, row.state


def _value(measure: str, database: str, name: str) -> Callable[[Medians], float | None]:
    return lambda found: lookup(found, measure, f"{OURS}/{database}", name)


def _times(
    database: str, *peers: str, shape: str = TEN, on: str | None = None
) -> Callable[[Medians], float | None]:
    """Ours over the fastest of these peers."""

    def of(found: Medians) -> float | None:
        ours = lookup(found, "drain", f"{OURS}/{database}", shape)
        theirs = [lookup(found, "drain", f"{peer}/{on or database}", shape) for peer in peers]
        measured = [rate for rate in theirs if rate is not None]
        return ratio(ours, max(measured, default=None))

    return of


def _times_best(databases: Sequence[str], shape: str) -> Callable[[Medians], float | None]:
    """Ours on the first of these databases over the best of all peers on any of them."""

    def of(found: Medians) -> float | None:
        rates = [
            values[shape]
            for key, values in found.get("drain", {}).items()
            if key.split("/")[0] not in {OURS, *LIMITS}
            and key.split("/")[1] in databases
            and shape in values
        ]
        ours = lookup(found, "drain", f"{OURS}/{databases[0]}", shape)
        return ratio(ours, max(rates, default=None))

    return of


def _share(name: str, bare: str) -> Callable[[Medians], float | None]:
    def of(found: Medians) -> float | None:
        ours = _value("enqueue", "postgresql", name)(found)
        return ratio(ours, _value("enqueue", "postgresql", bare)(found))

    return of


def _beside_empty(database: str) -> Callable[[Medians], float | None]:
    """The lower share of finished and scheduled."""

    def of(found: Medians) -> float | None:
        shares = [
            lookup(found, "history", f"{OURS}/{database}", f"1,000,000 {kind}: of the empty table")
            for kind in ("finished", "scheduled")
        ]
        measured = [share for share in shares if share is not None]
        return min(measured) if len(measured) == len(shares) else None

    return of


def _more_than_shell(found: Medians) -> float | None:
    memory = _value("idle", "postgresql", "MB")(found)
    shell = _value("idle", "postgresql", "MB of manage.py shell")(found)
    return None if memory is None or shell is None else memory - shell


_PG = "postgresql"
GOALS = (
    *(
        Goal(f"drain, 10 threads: over {peer}", _times(_PG, peer, on=on), least=times, unit=" ×")
        for peer, times, on in (
            ("django_tasks_db", 20, _PG),
            ("procrastinate", 20, _PG),
            ("django_ox", 10, _PG),
            ("dj_queue", 10, _PG),
            ("pgqueuer", 1, _PG),
            ("dramatiq", 4, "redis"),
            ("huey", 4, "redis"),
        )
    ),
    Goal(
        "drain, 2 processes of 10 threads: over the best of all peers, Redis included",
        _times_best((_PG, "redis"), TWO),
        least=1,
        unit=" ×",
    ),
    Goal("drain, 10 threads: of bare psycopg in hundreds", _times(_PG, "bare_psycopg"), least=0.5),
    Goal(
        "statements a job while draining, with BEGIN and COMMIT",
        _value("statements", _PG, "with BEGIN and COMMIT"),
        most=0.03,
    ),
    Goal(
        "statements on executor threads", _value("statements", _PG, "on executor threads"), most=0
    ),
    Goal("enqueue one by one: of a bare INSERT", _share("one by one", "bare INSERT"), least=0.8),
    Goal("enqueue_many: of a bare INSERT", _share("bulk", "bare INSERT, 1,000 rows"), least=0.5),
    Goal("pick-up latency, p50", _value("latency", _PG, "p50"), most=1.8, unit=" ms"),
    Goal("pick-up latency, p99", _value("latency", _PG, "p99"), most=6, unit=" ms"),
    Goal("pick-up latency on SQLite, p50", _value("latency", "sqlite", "p50"), most=10, unit=" ms"),
    Goal(
        "pick-up latency on MariaDB, p50", _value("latency", "mariadb", "p50"), most=30, unit=" ms"
    ),
    Goal("32 slots of 20 ms: of the ideal", _value("sleeping", _PG, "of the ideal"), least=0.95),
    *(
        Goal(
            f"drain beside 1,000,000 rows on {name}: of the empty table",
            _beside_empty(database),
            least=0.9,
        )
        for database, name in ((_PG, "PostgreSQL"), ("mariadb", "MariaDB"), ("sqlite", "SQLite"))
    ),
    Goal("idle: of a core", _value("idle", _PG, "% of a core"), most=0.5, unit=" %"),
    Goal("idle: statements a minute", _value("idle", _PG, "statements a minute"), most=90),
    Goal("idle: memory over manage.py shell", _more_than_shell, most=25, unit=" MB"),
    Goal(
        "drain on SQLite, 10 threads: over the best peer",
        _times_best(("sqlite",), TEN),
        least=10,
        unit=" ×",
    ),
    Goal(
        "drain on SQLite: of bare sqlite3 in hundreds", _times("sqlite", "bare_sqlite"), least=0.3
    ),
    Goal(
        "drain on MariaDB, 10 threads: over django_tasks_db",
        _times("mariadb", "django_tasks_db"),
        least=8,
        unit=" ×",
    ),
)
