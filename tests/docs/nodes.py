"""The tests that a page names."""

import ast
import re

from tests.docs.blocks import ROOT


def named_tests(text: str) -> list[str]:
    return re.findall(r"`(tests/[\w/]+\.py::[\w:]+)`", text)


def assert_exists(node: str) -> None:
    path, *names = node.split("::")
    body: list[ast.stmt] = ast.parse((ROOT / path).read_text()).body
    for part in names:
        [found] = [n for n in body if getattr(n, "name", None) == part]
        body = getattr(found, "body", [])
