"""What the harness asks of a contender."""

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

ALL = ("postgresql", "mariadb", "sqlite")


class Contender:
    """
    One queue on one database. A subclass says how to start it and how to ask it.

    ``django_settings``, ``commands`` and ``runners`` are asked by the harness and by settings.py,
    before Django is set up; the rest in the agent, once it is.
    """

    title: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]  # distributions, for the versions
    settings_line: ClassVar[str]  # in a line, for the page
    databases: ClassVar[tuple[str, ...]] = ALL
    module: ClassVar[str]
    in_agent = False  # has no worker process of its own
    bulk: ClassVar[str] = ""  # the name of its bulk API, if it has one
    transactional = True  # enqueues in the transaction of Django's connection
    enqueues = True
    picks_up = True  # jobs that are enqueued one by one while it waits

    def __init__(self, database: str) -> None:
        self.database = database
        self.enqueued = 0

    def django_settings(self, slots: int, processes: int) -> dict[str, Any]:
        return {}

    def commands(self, slots: int, processes: int) -> list[list[str]]:
        """The commands that together run `slots` jobs at once in each of `processes`."""
        raise NotImplementedError

    def runners(self, slots: int, processes: int) -> int:
        """How many operating system processes run jobs then."""
        return processes

    def install(self) -> None:
        """Make the tables in the empty database."""
        from django.core.management import call_command

        call_command("migrate", verbosity=0)

    def clear(self) -> None:
        """Forget every job, finished or not."""
        raise NotImplementedError

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        raise NotImplementedError

    def enqueue_many(self, numbers: Sequence[int], milliseconds: int = 0) -> None:
        """By its bulk API, or one by one in one transaction where it has none."""
        from django.db import transaction

        with transaction.atomic():
            for number in numbers:
                self.enqueue(number, milliseconds)

    def recorded(self) -> int:
        """How many outcomes are stored."""
        raise NotImplementedError

    def left(self) -> int:
        """How many jobs have no outcome yet; 0 ends a measurement, so it has to be cheap."""
        return self.enqueued - self.recorded()


def django(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "django", *arguments]


def call_main(module: str, *arguments: object) -> list[str]:
    """Run main() of a contender's module, imported under its own name."""
    call = f"from {module} import main; main({', '.join(map(repr, arguments))})"
    return [sys.executable, "-c", call]


def count(sql: str) -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])


def empty(*tables: str) -> None:
    """Empty tables, in this order, and leave nothing behind for vacuum to clean up."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
            return
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")


class DjangoTasks(Contender):
    """A backend of django.tasks."""

    def enqueue(self, number: int, milliseconds: int = 0) -> None:
        from tests.benchmarks.tasks import work

        work.enqueue(number, milliseconds)
        self.enqueued += 1
