"""
Bring chaos upon two supervisors and their workers, and see whether every promise held:
`python -m tests.chaos --seconds 600 --database postgresql`.

Exit code 1: something did not hold, and is printed. The same seed makes the same troubles in
the same order; what they hit depends on the machine.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.support.databases import NAMES

from .cluster import PROCESSES, SHUTDOWN_TIMEOUT, cluster

# What the deadline may be overrun by, as promised, and what a busy machine may add.
LONGEST_STOP = SHUTDOWN_TIMEOUT + 1 + 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", choices=NAMES, default="sqlite")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rate", type=float, default=25, help="jobs a second")
    parser.add_argument(
        "--zombies", action="store_true", help="2,000 short jobs, and workers that freeze"
    )
    parser.add_argument("--keep", action="store_true", help="keep the logs and the ledger")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="django-jobs-chaos-"))
    processes = 1 if options.zombies else PROCESSES
    with cluster(options.database, folder, processes=processes) as found:
        from . import scenarios

        scenario = scenarios.zombies if options.zombies else scenarios.chaos
        started = time.monotonic()
        verdict, trouble = scenario(found, options)
        violations = list(verdict.violations())
        if trouble.error is not None:
            violations.append(f"the chaos itself failed: {trouble.error!r}")
        late = [seconds for seconds in found.exits if seconds > LONGEST_STOP]
        violations += [f"I11 a stop took {seconds:.1f} s" for seconds in late]
        output = found.output()
        violations += [
            f"logged: {line}" for line in output.splitlines() if "could not be run" in line
        ]
        figures = {
            "database": options.database,
            "seconds": round(time.monotonic() - started),
            "troubles": dict(trouble.counts),
            **verdict.figures(),
            "longest stop": round(max(found.exits, default=0), 2),
            # Such as a signal that could not be sent, since the database was away.
            "unexpected errors": output.count("Unexpected error"),
            "violations": len(violations),
        }
    for name, value in figures.items():
        print(f"{name:<24} {value}")
    print(*violations[:50], sep="\n")
    if violations or options.keep:
        print(f"logs and ledger: {folder}")
    else:
        shutil.rmtree(folder)
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
