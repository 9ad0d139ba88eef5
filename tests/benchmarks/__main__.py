"""
``make bench``: how fast jobs are enqueued and drained, on each database that is found.

Machines are noisy, so every figure stands beside what the same machine does in the same run
with bare statements: compare the ratios, not the rates.
"""

import argparse
import os
import subprocess
import sys
from contextlib import ExitStack

from tests.support.databases import NAMES, Unavailable, find


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--jobs", type=int, default=2000, help="how many jobs a round has")
    parser.add_argument("--rounds", type=int, default=3, help="medians are of so many rounds")
    parser.add_argument("databases", nargs="*", choices=[[], *NAMES], help="default: all found")
    options = parser.parse_args()
    failed = False
    with ExitStack() as stack:
        for name in options.databases or NAMES:
            try:
                database = find(name, stack)
            except Unavailable as reason:
                print(f"{name}: left out: {reason}")
                continue
            print(f"\n{database.version}, {options.jobs} jobs, median of {options.rounds}")
            env = os.environ | {
                "DATABASE_URL": database.url,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
            }
            measure = [str(options.jobs), str(options.rounds)]
            command = [sys.executable, "-m", "tests.benchmarks.measure", *measure]
            failed |= subprocess.run(command, env=env, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
