"""A short form of `make recovery`, which measures as often as you like."""

import re

import pytest
from django.db import connection

from tests.support.own_mariadb import can_run
from tests.support.processes import Processes

NAMES = {"mysql": "mariadb"}
LINE = re.compile(r"^(\w+) +(\d+) times, (\d+) jobs, 0 not finished; .* worst ([\d.]+)$", re.M)
# What is promised is two seconds; the rest is for machines that are busy.
SOON = 10


def test_work_goes_on_soon_and_nothing_is_lost(processes: Processes) -> None:
    name = NAMES.get(connection.vendor, connection.vendor)
    faults = ["killed", "again", *([] if name == "sqlite" else ["sessions"])]
    run = processes.python(
        *("-m", "tests.chaos.recovery", "--database", name, "--times", "3", "--seed", "3"),
        *("--faults", *faults),
    )
    assert run.wait(200) == 0, run
    found = {fault: float(worst) for fault, _, _, worst in LINE.findall(run.output)}
    assert found.keys() == set(faults), run
    assert max(found.values()) < SOON, run


def test_work_goes_on_soon_after_a_server_has_restarted(processes: Processes) -> None:
    name = NAMES.get(connection.vendor, connection.vendor)
    if name == "sqlite":
        pytest.skip("a file has no server")
    if name == "mariadb" and not can_run():
        pytest.skip("no mariadbd here to start and to kill")
    run = processes.python(
        *("-m", "tests.chaos.recovery", "--database", name, "--times", "4", "--seed", "3"),
        *("--faults", "restart"),
        env={"DATABASE_URL": ""},  # a server of its own
    )
    assert run.wait(300) == 0, run
    [(fault, times, _jobs, worst)] = LINE.findall(run.output)
    assert (fault, times) == ("restart", "4"), run
    assert float(worst) < SOON, run
