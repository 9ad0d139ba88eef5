"""
A worker on a host whose clock is a day off. A library that is loaded before the C library
stands for it; it tells another time of day, and leaves the monotonic clock alone.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection  # noqa: F401 (the skipif reads it)
from django.utils import timezone

from django_jobs.models import Job, Status
from tests.lifecycle.support import LEASE, job, outcomes, wait_for_status
from tests.sample import tasks
from tests.support.processes import Process

HOURS_OFF = 25
LIBRARY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>

static long off(void) { return atol(getenv("SECONDS_OFF")); }

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME && !result) at->tv_sec += off();
    return result;
}

int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""

pytestmark = [
    pytest.mark.skipif("connection.vendor == 'sqlite'", reason="a file's clock is the host's"),
    pytest.mark.skipif(sys.platform != "linux", reason="libraries are loaded otherwise there"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]


@pytest.mark.parametrize("sign", [1, -1], ids=["a day fast", "a day slow"])
def test_the_clock_of_the_host_decides_nothing(
    start_worker: Callable[..., Process], tmp_path: Path, sign: int
) -> None:
    clock = {
        "LD_PRELOAD": str(library(tmp_path)),
        "SECONDS_OFF": str(sign * HOURS_OFF * 3600),
    }
    assert_is_off(clock, sign)
    in_an_hour = tasks.add.using(run_after=timezone.now() + timedelta(hours=1)).enqueue(1, 2)
    long = tasks.wait.enqueue(600)
    wrong = start_worker("--queues", "default", options={"LEASE": LEASE}, env=clock)
    wrong.wait_for("started: attempt 1")
    nice = tasks.wait_nicely.enqueue(600)
    right = start_worker("--queues", "nice", options={"LEASE": LEASE})
    right.wait_for("started: attempt 1")

    soon = tasks.add.using(run_after=timezone.now() + timedelta(seconds=1)).enqueue(1, 2)
    retried = tasks.fail.enqueue()
    assert wait_for_status(soon, Status.SUCCESSFUL).attempts == 1
    row = wait_for_status(retried, Status.SCHEDULED)
    assert timedelta(0) < row.run_after - timezone.now() <= timedelta(seconds=12)

    time.sleep(3 * LEASE)  # neither takes the other for lost
    for result in (long, nice):
        assert (job(result).status, job(result).claim_no) == (Status.RUNNING, 1)
    assert job(in_an_hour).status == Status.SCHEDULED

    right.kill()  # now it is, and soon, not in a day
    wrong.wait_for("rescued from the lost worker")
    assert outcomes(nice) == ["LOST"]
    Job.objects.filter(pk__in=[long.id, nice.id]).cancel()
    wait_for_status(long, Status.CANCELLED)
    wrong.terminate()
    assert wrong.wait() == 0, wrong
    assert not Job.objects.filter(status=Status.RUNNING).exists()


def library(folder: Path) -> Path:
    source, built = folder / "clock.c", folder / "clock.so"
    source.write_text(LIBRARY)
    subprocess.run(["cc", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


def assert_is_off(clock: dict[str, str], sign: int) -> None:
    says = "import time; print(time.time())"
    told = subprocess.run(
        [sys.executable, "-c", says],
        env=os.environ | clock,
        check=True,
        capture_output=True,
        text=True,
    )
    off = float(told.stdout) - time.time()
    assert abs(off - sign * HOURS_OFF * 3600) < 60
