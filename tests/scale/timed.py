"""A worker that writes down how long each of its claims takes, in the file CLAIMS."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command


def main() -> None:
    django.setup()
    from django_jobs.worker import claimer

    claim = claimer.claim
    file = os.open(Path(os.environ["CLAIMS"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def timed(*args: Any, **kwargs: Any) -> Any:
        started = time.perf_counter()
        try:
            return claim(*args, **kwargs)
        finally:
            os.write(file, f"{time.perf_counter() - started:.6f}\n".encode())

    claimer.claim = timed
    call_command("runjobs", *sys.argv[1:])


if __name__ == "__main__":
    main()
