"""From the options of ``runjobs`` to a running worker."""

import atexit
import gc
import logging
import os
import threading
import time
from collections.abc import Mapping
from typing import Any

from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connections

from ..backend import DatabaseBackend
from ..compat import InvalidTaskBackend, task_backends
from ..db.errors import is_transient
from ..db.setup import prepare_database, too_old, unapplied_migrations
from ..db.watch import Watch, limit_waits
from ..exceptions import TaskModuleError
from ..log import logger
from ..queues import InvalidQueuePattern, QueueFilter
from ..registry import discover
from .config import WorkerConfig
from .lifeline import is_supervised, watch_supervisor
from .process import WorkerProcess
from .stop import Exit
from .supervisor import Supervisor, given_worker_id
from .undertaker import Undertaker


class Misconfigured(Exception):
    """The worker can't start; the message is one line that says what to change."""

    exit_code = Exit.MISCONFIGURED


class Unreachable(Misconfigured):
    """It can't start now: the database is away, and may be back when it is started again."""

    exit_code = Exit.UNREACHABLE


def configure(options: Mapping[str, Any]) -> WorkerProcess:
    """
    A worker that is ready to run.

    :raises Misconfigured: an option, the settings, a task module or the tables are wrong.
    :raises Unreachable: nobody knows of the tables.
    """
    backend = _backend(options["backend"])
    config = _config(options, backend)
    try:
        discover(backend.jobs_options.task_modules)
    except TaskModuleError as error:
        raise Misconfigured(str(error)) from error
    process = WorkerProcess(config, backend, given_worker_id())
    limit_waits(process.using)
    if not is_supervised():
        # The supervisor has looked. A worker that replaces another one while the database
        # is away is not misconfigured, and must not end the others.
        _check_tables(process.using)
    return process


def run(process: WorkerProcess, verbosity: int = 1) -> int:
    """
    Run ``process`` in this one, or several like it under a supervisor; returns the exit code.
    """
    log_to_stderr(verbosity)
    prepare_database(process.using)
    Watch(process.options.lease).start()
    config = process.config
    # At its end the interpreter looks through all of Django and the project for cycles: most
    # of the time that an exit takes (0.28 s of 0.30 s measured), and it comes on top of the
    # deadline. Frozen objects are left out of that.
    atexit.register(gc.freeze)
    supervised = is_supervised()
    if supervised:
        watch_supervisor(process.inbox.put)
    elif config.processes > 1:
        connections[process.using].close()
        supervisor = Supervisor(
            config.processes,
            config.shutdown_timeout,
            batch=config.batch,
            lease=process.options.lease,
            undertaker=Undertaker(process.backend, process.using),
        )
        return supervisor.run()
    code = process.run()
    # Another one is to take its place, and can't before it is gone.
    most = time.monotonic() + config.shutdown_timeout if supervised else float("inf")
    if min(process.deadline, most) < float("inf"):
        _end_by(min(process.deadline, most), code)
    return code


def _end_by(deadline: float, code: int) -> None:
    """
    End this process by ``deadline`` (monotonic). At its exit the interpreter waits for the
    threads of every pool that a job has left at work, however long that takes.
    """

    def end() -> None:
        time.sleep(max(0.0, deadline - time.monotonic()))
        os._exit(code)

    threading.Thread(target=end, name="django_jobs-end", daemon=True).start()


def run_with_reload(process: WorkerProcess, verbosity: int = 1) -> int:
    """The same, started anew whenever code changes."""
    from .reload import watch_and_run

    return watch_and_run(process, lambda: run(process, verbosity))


def log_to_stderr(verbosity: int) -> None:
    """Show the log where the project has not said where it goes."""
    if logger.hasHandlers():
        return
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.addHandler(handler)
    logger.setLevel([logging.WARNING, logging.INFO][min(verbosity, 1)])


def _backend(alias: str) -> DatabaseBackend:
    try:
        backend = task_backends[alias]
    except InvalidTaskBackend as error:
        raise Misconfigured(f"--backend {alias}: {error}") from error
    if not isinstance(backend, DatabaseBackend):
        name = f"{type(backend).__module__}.{type(backend).__qualname__}"
        raise Misconfigured(
            f"--backend {alias}: TASKS[{alias!r}] is {name}; runjobs serves "
            "'django_jobs.backend.DatabaseBackend'."
        )
    errors = [message for message in backend.check() if isinstance(message, Error)]
    if errors:
        raise Misconfigured(" ".join(f"{e.id}: {e.msg} {e.hint or ''}".strip() for e in errors))
    return backend


def _config(options: Mapping[str, Any], backend: DatabaseBackend) -> WorkerConfig:
    for name, least, most in (
        ("threads", 1, 1000),
        ("async_concurrency", 1, 10000),
        ("processes", 1, 64),
        ("interval", 0.01, 3600),
        ("shutdown_timeout", 0, 86400),
        ("max_jobs", 1, 10**9),
    ):
        value = options[name]
        if value is not None and not least <= value <= most:
            flag = name.replace("_", "-")
            raise Misconfigured(f"--{flag} must be from {least:g} to {most:g}, not {value:g}.")
    try:
        queues = QueueFilter.parse(options["queues"], options["exclude"], backend.queues)
    except InvalidQueuePattern as error:
        raise Misconfigured(f"--queues/--exclude: {error}") from error
    return WorkerConfig(
        backend=backend.alias,
        queues=queues,
        threads=options["threads"],
        async_concurrency=options["async_concurrency"],
        processes=options["processes"],
        interval=options["interval"],
        shutdown_timeout=options["shutdown_timeout"],
        batch=options["batch"],
        max_jobs=options["max_jobs"],
    )


def _check_tables(using: str) -> None:
    try:
        old = too_old(using)
        missing = unapplied_migrations(using)
    except ImproperlyConfigured as error:
        raise Misconfigured(str(error)) from error
    except DatabaseError as error:
        if is_transient(error):
            raise Unreachable(
                f"The database {using!r} can't be reached: {str(error).strip()}"
            ) from error
        raise
    finally:
        connections[using].close()
    if old:
        raise Misconfigured(f"The database {using!r}: {old}")
    if missing:
        raise Misconfigured(
            f"The database {using!r} lacks the migrations {', '.join(missing)}; "
            "run manage.py migrate."
        )
