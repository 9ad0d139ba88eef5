"""What the process does after the worker's last line."""

import gc

from django_jobs.conf import Options
from django_jobs.worker import start
from django_jobs.worker.config import WorkerConfig


class Process:
    using = "default"
    config = WorkerConfig()
    deadline = float("inf")
    options = Options()

    def run(self) -> int:
        return 1


def test_an_exit_does_not_look_for_cycles(monkeypatch):
    at_exit = []
    monkeypatch.setattr(start.atexit, "register", at_exit.append)
    monkeypatch.setattr(start, "log_to_stderr", lambda verbosity: None)
    monkeypatch.setattr(start.Watch, "start", lambda watch: None)
    monkeypatch.setattr(start, "prepare_database", lambda using: None)
    assert start.run(Process()) == 1
    assert at_exit == [gc.freeze]
