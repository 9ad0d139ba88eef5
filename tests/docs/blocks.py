"""The documentation's fenced blocks, read by Sybil.

Sybil also offers each block as a pytest item of its own. These tests don't use that: the blocks
of a page build on each other, and the suite runs in random order. So a page is one test, and an
error names the file and the line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region, Sybil
from sybil.parsers.markdown.lexers import FencedCodeBlockLexer

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, *sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)]

# <!-- step: name --> stands for what a reader does in a browser; see walk.py.
STEP = re.compile(r"^<!-- step: (?P<name>[\w ]+) -->$", re.MULTILINE)
# A comment with code that a page needs and its reader doesn't: what other files would hold, or
# a check of what the page says.
UNSEEN = re.compile(r"^<!-- python\n(?P<source>.*?)^-->$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`language` is "step" for a comment that names what the reader does, its `source`."""

    path: Path
    line: int
    language: str
    source: str

    def __str__(self) -> str:
        return f"{name(self.path)}:{self.line}"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(path: Path) -> list[Block]:
    """All blocks of a page, in its order."""
    return [
        Block(path, example.line, *example.parsed)
        for example in Sybil([_fences, _steps, _unseen]).parse(path).examples()
    ]


def _fences(document: Document) -> Iterator[Region]:
    for region in FencedCodeBlockLexer(r"[^\n]*")(document):
        found = (region.lexemes["language"].strip(), str(region.lexemes["source"]))
        yield Region(region.start, region.end, found, lambda example: None)


def _steps(document: Document) -> Iterator[Region]:
    for match in STEP.finditer(document.text):
        found = ("step", match["name"])
        yield Region(match.start(), match.end(), found, lambda example: None)


def _unseen(document: Document) -> Iterator[Region]:
    for match in UNSEEN.finditer(document.text):
        yield Region(match.start(), match.end(), ("python", match["source"]), lambda example: None)


def table(path: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below `heading`, without its head; backquotes are kept."""
    text = f"\n{path.read_text()}".split(f"\n{heading}\n", 1)
    assert len(text) == 2, f"{name(path)} has no heading {heading!r}"
    section = re.split(r"^#", text[1], maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert len(rows) > 2, f"{name(path)} has no table below {heading!r}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def code(cell: str) -> str:
    """The first `code span` in a cell."""
    found = re.search(r"`([^`]+)`", cell)
    assert found, f"no `code` in {cell!r}"
    return found[1]
