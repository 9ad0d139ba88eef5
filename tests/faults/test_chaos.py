"""A short form of `make chaos`, which runs for as long as you like."""

from django.db import connection

from tests.support.processes import Processes

NAMES = {"mysql": "mariadb"}


def test_everything_holds_in_chaos(processes: Processes) -> None:
    name = NAMES.get(connection.vendor, connection.vendor)
    run = processes.python(
        *("-m", "tests.chaos", "--seconds", "12", "--seed", "17", "--database", name)
    )
    assert run.wait(200) == 0, run
    assert "violations               0" in run.output, run
