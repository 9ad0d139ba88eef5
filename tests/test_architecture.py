"""The rules of the house, read off the syntax trees of the package."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "django_jobs"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
MOST_LINES = 300


def name_of(path: Path) -> str:
    """``django_jobs.worker`` of ``django_jobs/worker/__init__.py``."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name_of(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def at_import(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if is_type_checking(child):
            for other in child.orelse:
                yield other
                yield from at_import(other)
            continue
        yield child
        yield from at_import(child)


def imported(path: Path, nodes: Iterator[ast.AST]) -> set[str]:
    """The full names of what ``nodes`` import."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return found


def owner(name: str) -> str | None:
    """The module of this package that holds ``name``."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or None


def edges() -> dict[str, set[str]]:
    graph = {
        module: {owner(name) for name in imported(path, at_import(tree(path)))} - {None, module}
        for module, path in MODULES.items()
    }
    # A package imports what its __init__ does, and so does whoever imports a part of it.
    for module, targets in graph.items():
        for target in list(targets):
            parents = target.split(".")
            for end in range(2, len(parents)):
                parent = ".".join(parents[:end])
                if not module.startswith(parent):
                    targets.add(parent)
    return graph


def test_no_module_imports_itself_by_way_of_others():
    graph = edges()
    assert sum(map(len, graph.values())) > 100  # else the search finds nothing
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> None:
        assert module not in trail, " → ".join([*trail[trail.index(module) :], module])
        if module not in done:
            for target in sorted(graph[module]):
                visit(target, [*trail, module])
            done.add(module)

    for module in graph:
        visit(module, [])


def docstrings(module: ast.Module) -> set[int]:
    """The ids of the nodes that are documentation: text that stands by itself."""
    return {id(node.value) for node in ast.walk(module) if isinstance(node, ast.Expr)}


VENDOR = re.compile(r"\b(postgresql|sqlite3?|mysql|mariadb|vendor)\b|as_(sqlite|mysql|postgresql)")


def vendor_names(path: Path) -> Iterator[str]:
    documentation = docstrings(tree(path))
    for node in ast.walk(tree(path)):
        words = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = [] if id(node) in documentation else [node.value]
        elif isinstance(node, ast.Attribute):
            words = [node.attr]
        elif isinstance(node, ast.Name):
            words = [node.id]
        elif isinstance(node, ast.FunctionDef):
            words = [node.name]
        elif isinstance(node, ast.ImportFrom):
            words = [node.module or ""]
        elif isinstance(node, ast.alias):
            words = [node.name]
        for word in words:
            if VENDOR.search(word):
                yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}: {word!r}"


def test_vendors_are_named_in_db_only():
    elsewhere = [path for path in FILES if PACKAGE / "db" not in path.parents]
    assert [name for path in elsewhere for name in vendor_names(path)] == []
    assert [name for path in FILES if path not in elsewhere for name in vendor_names(path)]


# The steps of a job's life, and the verbs of an operator.
WRITERS = {
    *(f"django_jobs.{name}" for name in ("insert", "promote", "claim", "record", "release")),
    *(f"django_jobs.{name}" for name in ("rescue", "cancel", "models.job")),
}
READS = {"filter", "exclude", "get", "Q", "When", "TaskResult", "_result"}


def status_writes(path: Path) -> Iterator[str]:
    for node in ast.walk(tree(path)):
        written = False
        if isinstance(node, ast.Call):
            function = node.func
            called = getattr(function, "attr", getattr(function, "id", ""))
            written = called not in READS and any(k.arg == "status" for k in node.keywords)
        elif isinstance(node, ast.Dict):
            # A dict that a template gets shows a status; it calls status_badge().
            written = any(
                isinstance(key, ast.Constant)
                and key.value == "status"
                and "status_badge" not in ast.unparse(value)
                for key, value in zip(node.keys, node.values, strict=True)
            )
        if written:
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_only_the_steps_of_a_life_write_a_status():
    others = [path for module, path in MODULES.items() if module not in WRITERS]
    assert [place for path in others for place in status_writes(path)] == []
    writers = {m for m in WRITERS & set(MODULES) if list(status_writes(MODULES[m]))}
    assert writers >= {f"django_jobs.{name}" for name in ("insert", "promote", "claim", "record")}


def test_a_job_is_saved_nowhere_but_in_enqueue():
    """So that setting ``job.status`` on a row in memory writes nothing."""
    saving = {
        module
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("save", "asave", "bulk_update")
    }
    assert saving <= {"django_jobs.enqueue", "django_jobs.worker.heartbeat"}


def test_what_a_row_holds_is_never_evaluated_unpickled_or_imported():
    """Modules are imported by the registry alone, and by name only what the settings name."""
    forbidden = {"pickle", "marshal", "shelve", "yaml", "eval", "exec", "compile", "import_string"}
    imports = {"import_module", "__import__"}
    for module, path in MODULES.items():
        names = {node.id for node in ast.walk(tree(path)) if isinstance(node, ast.Name)}
        found = {name.split(".")[-1] for name in imported(path, ast.walk(tree(path)))} | names
        assert not found & forbidden, module
        assert module == "django_jobs.registry" or not found & imports, module


@pytest.mark.parametrize("module", ["django_jobs", "django_jobs.backend"])
def test_it_can_be_imported_before_the_settings(module):
    code = (
        f"import sys, {module}\n"
        "from django.apps import apps\n"
        "from django.conf import settings\n"
        "assert not settings.configured, 'it has read the settings'\n"
        "assert not apps.ready\n"
        "loaded = [name for name in sys.modules if name.startswith('django_jobs.models')]\n"
        "assert not loaded, loaded\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", code],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_no_longer_than_a_few_screens(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_the_package_knows_nothing_of_its_tests_and_its_example():
    for path in FILES:
        for name in imported(path, ast.walk(tree(path))):
            assert name.split(".")[0] not in {"tests", "testproject", "shop", "pytest"}, path


COMMANDS = [path for path in FILES if path.parent.name == "commands" and path.stem != "__init__"]


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_commands_parse_and_delegate(path):
    body = [node for node in tree(path).body if not isinstance(node, ast.Import | ast.ImportFrom)]
    assert [type(node) for node in body] == [ast.ClassDef] or isinstance(body[0], ast.Expr)
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert functions == []
    (command,) = [node for node in body if isinstance(node, ast.ClassDef)]
    (handle,) = [node for node in command.body if getattr(node, "name", "") == "handle"]
    assert handle.end_lineno - handle.lineno < 20
    queries = {"filter", "exclude", "update", "objects", "atomic"}
    used = {node.attr for node in ast.walk(command) if isinstance(node, ast.Attribute)}
    assert not used & queries


def test_there_are_commands():
    assert {path.stem for path in COMMANDS} >= {"runjobs", "prunejobs"}
