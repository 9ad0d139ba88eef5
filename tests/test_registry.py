"""Which tasks this process knows."""

import sys
from types import ModuleType

import pytest
from django.test import override_settings
from django.utils.functional import SimpleLazyObject

from django_jobs import registry
from django_jobs.exceptions import TaskModuleError, UnknownTask
from django_jobs.registry import discover, find_task, known_tasks
from tests.sample import odd, tasks


@pytest.mark.parametrize("task", [tasks.add, tasks.plain, odd.note])
def test_a_task_is_found_by_its_path(task):
    assert find_task(task.module_path) is task


def test_a_module_is_not_asked_for_what_it_makes_when_asked(monkeypatch):
    module = ModuleType("eager")
    module.__getattr__ = lambda name: pytest.fail("it would import something")
    monkeypatch.setitem(sys.modules, "eager", module)
    with pytest.raises(UnknownTask):
        find_task("eager.task")


@pytest.mark.parametrize(
    "path",
    [
        "os.system",
        "sys.modules",
        "tests.sample.odd.not_a_task",
        "tests.sample.odd.Unprintable",
        "tests.sample.tasks.add.func",
        "tests.sample.tasks.gone",
        "tests.sample.tasks.",
        "tests.sample.tasks",
        ".add",
        "add",
        "",
        "no.such.module.task",
        "tests.sample.tasks.add\x00",
    ],
)
def test_nothing_else_is(path):
    with pytest.raises(UnknownTask) as caught:
        find_task(path)
    assert caught.value.task_path == path


def test_a_module_is_not_imported_for_it():
    assert "tests.sample.never" not in sys.modules
    with pytest.raises(UnknownTask):
        find_task("tests.sample.never.task")
    assert "tests.sample.never" not in sys.modules


def test_discover_imports_the_tasks_of_apps_and_the_named_modules(monkeypatch):
    imported = []
    monkeypatch.setattr(registry, "import_module", imported.append)
    discover(["somewhere.else"])
    assert {"tests.sample.tasks", "shop.tasks"} <= set(imported)
    assert imported[-1] == "somewhere.else"
    assert "django.contrib.admin.tasks" not in imported


def test_apps_without_tasks_are_no_trouble():
    with override_settings(INSTALLED_APPS=["django.contrib.contenttypes"]):
        discover()


@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("tests.sample.broken", "ZeroDivisionError"),
        ("tests.sample.missing", "ModuleNotFoundError"),
        ("no_such_package.tasks", "ModuleNotFoundError"),
    ],
)
def test_a_module_that_can_not_be_imported_is_named(module, why):
    with pytest.raises(TaskModuleError, match=why) as caught:
        discover([module])
    assert caught.value.module == module
    assert module in str(caught.value)


def test_the_known_tasks_are_those_of_imported_modules():
    known = known_tasks()
    assert known == sorted(set(known))
    assert {tasks.add.module_path, odd.note.module_path} <= set(known)
    assert "tests.sample.odd.not_a_task" not in known


def test_looking_for_tasks_wakes_nothing_that_is_lazy(monkeypatch):
    def wake():
        raise AssertionError("was woken")

    monkeypatch.setattr(tasks, "lazy", SimpleLazyObject(wake), raising=False)
    assert tasks.add.module_path in known_tasks()
