"""
Break the code on purpose, one promise at a time, and see that its tests notice:
`python -m tests.mutants`. Everything happens in a copy; the sources are left alone.

Each mutant names the tests that must fail with it. They run on SQLite, or on PostgreSQL where
SQLite can't show it; without PostgreSQL those are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.databases import Unavailable, find

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = ("django_jobs", "tests", "testproject", "pyproject.toml", "docs", "README.md")
TIMEOUT: Final = 120  # seconds for the tests of one mutant; one that hangs counts as noticed


@dataclass(frozen=True)
class Mutant:
    """
    ``old``, which is in ``file`` of the package once, becomes ``new``, and ``tests``, below the
    folder ``tests``, fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    database: str = "sqlite"


FENCE: Final = "contract/test_fence.py::"
MEET: Final = "contract/test_meetings.py::"
RESCUED: Final = MEET + "TestRescueOfWhatTheTaskRecords::"
NTH: Final = "contract/test_nth_query.py::test_whichever_statement_fails_the_work_is_done_once"

MUTANTS: Final = (
    Mutant(
        "an outcome names no claim",
        "record.py",
        " AND job.claim_no = t.claim_no",
        "",
        (FENCE + "test_an_outcome_of_an_old_claim_changes_nothing",),
    ),
    Mutant(
        "an outcome is written over another",
        "record.py",
        "COALESCE(job.status, '') = '{Status.RUNNING}' AND ",
        "",
        (FENCE + "test_a_second_outcome_of_the_same_claim_changes_nothing",),
    ),
    Mutant(
        "a write of ours is taken for a lost claim",
        "record.py",
        "return [finished for finished in group if not is_ours(finished)]",
        "return list(group)",
        (FENCE + "test_an_outcome_that_is_written_twice_is_known_as_ours", NTH),
    ),
    Mutant(
        "a cancelled job is tried again",
        "record.py",
        '"t.ends = 0 AND job.cancel_requested_at IS NOT NULL"',
        '"1 = 0"',
        (MEET + "TestRecordAndCancel",),
    ),
    Mutant(
        "a release keeps the attempt",
        "record.py",
        "job.attempts - t.refund",
        "job.attempts",
        (FENCE + "test_each_outcome_leaves_its_status_and_its_history",),
    ),
    Mutant(
        "an interruption is free for ever",
        "policy.py",
        "    if interruptions < max_interruptions:",
        "    if interruptions > 0:",
        ("test_policy.py", "contract/test_interruptions.py"),
    ),
    Mutant(
        "a step is stored after its claim was lost",
        "steps.py",
        "pk=job.pk, status=Status.RUNNING, claim_no=job.claim_no",
        "pk=job.pk",
        ("contract/test_steps.py::test_a_lost_claim_stores_nothing",),
    ),
    Mutant(
        "a step is stored without a lock",
        "steps.py",
        "ours = ours.select_for_update()",
        "pass",
        (
            RESCUED + "test_what_stores_a_step_is_not_rescued_meanwhile",
            RESCUED + "test_what_is_rescued_stores_no_step",
        ),
        "postgresql",
    ),
    Mutant(
        "a rescue does not look at the lease under the lock",
        "rescue.py",
        "owned = abandoned(using).filter(Q(worker_id=worker_id))",
        "owned = Job.objects.using(using).filter(Q(worker_id=worker_id), status='RUNNING')",
        (MEET + "TestRescue::test_a_lease_that_is_renewed_before_the_lock_counts",),
    ),
    Mutant(
        "a rescue takes from the living",
        "rescue.py",
        "jobs.filter(~Exists(live))",
        "jobs",
        ("contract/test_rescue.py::test_a_job_of_a_live_worker_is_left_alone",),
    ),
    Mutant(
        "a lost worker costs no attempt in the end",
        "policy.py",
        "    if attempt >= max_attempts:\n        return Outcome(Kind.LOST",
        "    if attempt > max_attempts:\n        return Outcome(Kind.LOST",
        ("contract/test_rescue.py::test_a_job_in_its_last_attempt_is_dead",),
    ),
    Mutant(
        "one attempt too many",
        "policy.py",
        "    if attempt >= policy.max_attempts:",
        "    if attempt > policy.max_attempts:",
        ("contract/test_life.py::TestRetry::test_it_dies_after_its_last_attempt",),
    ),
    Mutant(
        "no jitter",
        "policy.py",
        "self.jitter * (2 * random() - 1)",
        "0.0",
        ("test_policy.py",),
    ),
    Mutant(
        "a claim does not lock",
        "db/dialects.py",
        'sql += f" {connection.ops.for_update_sql(skip_locked=skip_locked)}"',
        "pass",
        (
            MEET + "test_two_claims_never_take_the_same_and_do_not_wait",
            MEET + "TestPromotion::test_two_promote_it_once",
        ),
        "postgresql",
    ),
    Mutant(
        "a claim waits for rows that are locked",
        "db/dialects.py",
        "skip_locked = features.has_select_for_update_skip_locked\n        sql",
        "skip_locked = False\n        sql",
        (MEET + "TestPromotion::test_two_promote_it_once",),
        "postgresql",
    ),
    Mutant(
        "SQLite begins to write late",
        "db/transactions.py",
        'connection.transaction_mode = "IMMEDIATE"',
        'connection.transaction_mode = "DEFERRED"',
        (MEET + "TestRescue", MEET + "TestPromotion"),
    ),
    Mutant(
        "claim numbers stand still",
        "claim.py",
        '"claim_no": "job.claim_no + 1"',
        '"claim_no": "job.claim_no"',
        ("contract/test_races.py::test_each_job_is_claimed_once",),
    ),
    Mutant(
        "a last attempt stands in line",
        "claim.py",
        "found[:slots] + [j for j in found[slots:] if j.attempts + 1 < j.max_attempts]",
        "found",
        ("contract/test_life.py",),
    ),
    Mutant(
        "a retry remembers its cancel",
        "models/job.py",
        "            worker_id=None,\n            cancel_requested_at=None,\n",
        "            worker_id=None,\n",
        ("contract/test_verbs.py",),
    ),
    Mutant(
        "operators discard whatever they choose",
        "models/job.py",
        "return self.filter(status=Status.DEAD).update(status=Status.DISCARDED",
        "return self.update(status=Status.DISCARDED",
        (MEET + "TestOperators::test_a_discard_during_a_retry_comes_too_late",),
    ),
    Mutant(
        "what a job left open is kept",
        "db/connections.py",
        "            connection.close()\n            del connections[connection.alias]\n",
        "",
        (
            "worker/test_coroutines.py::"
            "test_a_transaction_left_open_fails_that_job_and_leaks_into_no_other",
        ),
    ),
    Mutant(
        "an atomic job is recorded after its commit",
        "execute.py",
        "            self.complete(value)\n        return value",
        "        return value",
        ("contract/test_atomic.py::TestAtomic::test_effect_and_outcome_are_committed_together",),
    ),
    Mutant(
        "a lost claim is committed",
        "execute.py",
        "            raise LeaseLost\n",
        "            return\n",
        ("contract/test_atomic.py::TestAtomic::test_a_lost_claim_rolls_the_effect_back",),
    ),
    Mutant(
        "an exception is stored as it comes",
        "failure.py",
        'text.replace("\\x00", "\\\\x00").encode(errors="backslashreplace").decode()',
        "text",
        ("test_failure.py",),
    ),
    Mutant(
        "the lease is not renewed",
        "worker/heartbeat.py",
        "                lease_expires_at=DbNow() + timedelta(seconds=self.lease),\n",
        "",
        ("worker/test_heartbeat.py::test_a_beat_renews_the_lease",),
    ),
    Mutant(
        "a worker past its lease goes on",
        "worker/heartbeat.py",
        "self.board.fence_off()",
        "pass",
        (
            "worker/test_heartbeat.py::"
            "test_past_its_lease_a_worker_tells_its_jobs_before_it_tries_again",
        ),
    ),
    Mutant(
        "nobody is told of a new job",
        "insert.py",
        'notify_clause(using, task.queue_name) if notify else ("", [])',
        '("", [])',
        ("contract/test_wakeup.py",),
        "postgresql",
    ),
)


def main(wanted: Sequence[str] = ()) -> int:
    chosen = [m for m in MUTANTS if not wanted or any(word in m.name for word in wanted)]
    begun, bad = time.monotonic(), 0
    with ExitStack() as stack:
        copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="django-jobs-")))
        for name in COPIED:
            source, skip = ROOT / name, shutil.ignore_patterns("__pycache__", "*.sqlite3*", "var")
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=skip)
            else:
                shutil.copy(source, copy / name)
        for database in sorted({mutant.database for mutant in chosen}):
            mutants = [mutant for mutant in chosen if mutant.database == database]
            try:
                url = find(database, stack).url
            except Unavailable as reason:
                print(f"left out   {len(mutants)} on {database}: {reason}")
                continue
            tests = dict.fromkeys(test for mutant in mutants for test in mutant.tests)
            if not passes(tests, copy, url):
                print(f"The tests fail on {database} without a mutant; nothing is learned so.")
                return 1
            for mutant in mutants:
                survived = try_one(mutant, copy, url)
                bad += survived
                verdict = "SURVIVED" if survived else "noticed"
                print(f"{verdict:<10} {mutant.name} ({mutant.file})", flush=True)
    print(f"\n{len(chosen)} mutants, {bad} survived, {time.monotonic() - begun:.0f} s")
    return int(bad > 0)


def try_one(mutant: Mutant, copy: Path, url: str) -> bool:
    """Whether the tests pass with ``mutant``."""
    path = copy / "django_jobs" / mutant.file
    before = path.read_text()
    if before.count(mutant.old) != 1:
        print(f"its text is not once in {mutant.file}:")
        return True
    path.write_text(before.replace(mutant.old, mutant.new))
    try:
        return passes(mutant.tests, copy, url)
    finally:
        path.write_text(before)


def passes(tests: Iterable[str], copy: Path, url: str) -> bool:
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        "--tb=no",
        "-p",
        "no:cacheprovider",
    ]
    env = os.environ | {"DATABASE_URL": url, "PYTHONPATH": str(copy)}
    try:
        ended = subprocess.run(
            [*command, *(f"tests/{test}" for test in tests)],
            **{"cwd": copy, "env": env, "timeout": TIMEOUT * 3, "check": False},
            stdout=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return False
    assert ended.returncode in (0, 1), f"pytest ended with {ended.returncode}"
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
