"""Every block of the other pages.

- The `python` blocks of a page run one after the other, as one module in `sys.modules`, so that
  workers find its tasks; what they say, they say with `assert`. `pycon` blocks are doctests.
- Where a block sets `TASKS`, the settings pass the checks of a backend.
- Test functions and test cases in a page are run, except in pages that are only about settings.
- In any language, a `manage.py` command that this package has is parsed by its own parser.
- `ini`, `yaml`, `toml` and `json` are read by a parser.
"""

import configparser
import doctest
import json
import re
import shlex
import sys
import tomllib
import types
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest
import yaml
from django.core.management import load_command_class
from django.core.management.base import CommandError

from django_jobs.backend import DatabaseBackend
from tests.docs.blocks import DOCS, PAGES, README, Block, blocks, name

WALKED = (README, DOCS / "tutorial.md")
COMMANDS = ("runjobs", "prunejobs")
LANGUAGES = {
    *("python", "pycon", "console", "text", "step"),
    *("ini", "yaml", "dockerfile", "toml", "sql", "json"),
    *("{toctree}", "{include}", "{automodule}", "{autoclass}", "{autofunction}", "{eval-rst}"),
}
USE = re.compile(rf"manage\.py[\"',\s]+({'|'.join(COMMANDS)})\b([^\n\])]*)")


@pytest.fixture
def module(request: pytest.FixtureRequest) -> Iterator[types.ModuleType]:
    path: Path = request.getfixturevalue("path")
    module = types.ModuleType(f"docs_{path.stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


@pytest.mark.parametrize("path", [p for p in PAGES if p not in WALKED], ids=name)
def test_python(path: Path, module: types.ModuleType, transactional_db: None) -> None:
    for block in blocks(path):
        if block.language == "python":
            # Blank lines in front make an error's line number that of the page.
            source = "\n" * block.line + for_this_django(block.source)
            exec(compile(source, name(path), "exec"), vars(module))
            if re.search(r"^TASKS = ", block.source, re.MULTILINE):
                check_tasks(block, module)
        elif block.language == "pycon":
            check_session(block, module)
    run_tests(module)


def for_this_django(source: str) -> str:
    """What the pages tell users of Django 5.2 to do."""
    return source if django.VERSION >= (6, 0) else source.replace("django.tasks", "django_tasks")


def check_tasks(block: Block, module: types.ModuleType) -> None:
    for alias, params in module.TASKS.items():
        if params["BACKEND"].startswith("django_jobs."):
            problems = DatabaseBackend(alias, params).check()
            assert not problems, f"{block}: {problems}"


def check_session(block: Block, module: types.ModuleType) -> None:
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.source, vars(module), str(block), name(block.path), block.line)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert not runner.run(test, clear_globs=False).failed, str(block)


def run_tests(module: types.ModuleType) -> None:
    for found in list(vars(module).values()):
        if getattr(found, "__module__", None) != module.__name__:
            continue
        if isinstance(found, types.FunctionType) and found.__name__.startswith("test_"):
            found()
        elif isinstance(found, type) and issubclass(found, unittest.TestCase):
            suite = unittest.defaultTestLoader.loadTestsFromTestCase(found)
            result = unittest.TestResult()
            suite.run(result)
            assert result.testsRun
            assert result.wasSuccessful(), result.errors + result.failures


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands(path: Path) -> None:
    for block in blocks(path):
        for use in USE.finditer(block.source):
            arguments = words(use[2])
            parser = load_command_class("django_jobs", use[1]).create_parser("manage.py", use[1])
            try:
                parser.parse_args(arguments)
            except CommandError as error:
                raise AssertionError(f"{block}: {use[0]}: {error}") from error


def words(text: str) -> list[str]:
    """The arguments of a command, as in a shell or as a list of strings."""
    if text.startswith(('"', "'")):
        return re.findall(r"[\"']([^\"',]+)[\"']", text)
    return shlex.split(text.rstrip('"'), comments=True)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_other_languages(path: Path) -> None:
    for block in blocks(path):
        language = block.language.partition(" ")[0]
        assert language in LANGUAGES, f"{block}: nothing tests {block.language!r}"
        read(block)


def read(block: Block) -> Any:
    match block.language:
        case "ini":
            configparser.ConfigParser(strict=False).read_string(block.source)
        case "yaml":
            list(yaml.safe_load_all(block.source))
        case "toml":
            tomllib.loads(block.source)
        case "json":
            json.loads(block.source)
