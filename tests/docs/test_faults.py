"""The page of faults: each has a row, and its tests exist."""

import pytest

from tests.docs.blocks import DOCS, table
from tests.docs.nodes import assert_exists, named_tests

PAGE = DOCS / "faults.md"
GROUPS = {"Processes": "P", "Database": "D", "Data": "A", "Load": "L", "Security": "S"}
ROWS = {name: table(PAGE, f"## {name}") for name in [*GROUPS, "Invariants"]}
EVERY_ROW = [row for rows in ROWS.values() for row in rows]
HOW_MANY = {"P": 10, "D": 12, "A": 9, "L": 4, "S": 7, "I": 13}


def test_each_fault_has_one_row() -> None:
    expected = [f"{letter}{n}" for letter, most in HOW_MANY.items() for n in range(1, most + 1)]
    assert [row[0] for row in EVERY_ROW] == expected


def test_each_is_in_its_group() -> None:
    for name, rows in ROWS.items():
        assert {row[0][0] for row in rows} == {GROUPS.get(name, "I")}


@pytest.mark.parametrize("node", sorted(set(named_tests(PAGE.read_text()))))
def test_the_tests_it_names_exist(node: str) -> None:
    assert_exists(node)


def test_what_has_no_test_says_so() -> None:
    without = {row[0] for row in EVERY_ROW if not named_tests(row[3])}
    says_so = {row[0] for row in EVERY_ROW if "no test yet" in row[2]}
    assert without == says_so


def test_a_row_is_told_in_words() -> None:
    assert all(len(row) == 4 and row[1] and row[2] for row in EVERY_ROW)
