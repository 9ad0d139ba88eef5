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
LIMITS: Final = "contract/test_limits.py::"
QUEUE_LIMITS: Final = "contract/test_queue_limits.py::"
MEET: Final = "contract/test_meetings.py::"
RESCUED: Final = MEET + "TestRescueOfWhatTheTaskRecords::"
UNIQUE: Final = "contract/test_unique.py::"
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
        "a queue's limit is counted without a lock",
        "openings.py",
        "rows: Any = lock_rows(queues).values_list",
        "rows: Any = queues.values_list",
        (QUEUE_LIMITS + "TestRaces::test_who_comes_while_another_one_claims_takes_no_place",),
        "postgresql",
    ),
    Mutant(
        "a queue's limit is what the last look has seen",
        "claim.py",
        "locked_rooms(openings.rooms, using) if openings and slots else {}",
        "openings.rooms if openings and slots else {}",
        (QUEUE_LIMITS + "TestClaim::test_a_limit_that_came_after_the_look_counts",),
    ),
    Mutant(
        "a job of a queue with a limit is claimed ahead",
        "claim.py",
        "if is_ahead or not left[job.queue_name]:",
        "if not left[job.queue_name]:",
        (QUEUE_LIMITS + "TestClaim::test_none_of_them_is_claimed_ahead",),
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
        "db/reading.py",
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
        "db/reading.py",
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
        "elif is_ahead and job.attempts + 1 >= job.max_attempts:",
        "elif False:",
        ("contract/test_life.py",),
    ),
    Mutant(
        "a retry remembers its cancel",
        "models/job.py",
        '    "cancel_requested_at": None,\n',
        "",
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
        "a group forgets what it has counted",
        "groups.py",
        "{old} + {new}",
        "{new}",
        (
            "contract/test_groups.py::TestTrouble::test_several_that_write_the_same_groups_lose_nothing",
        ),
    ),
    Mutant(
        "a failure of a library is a place of its own",
        "place.py",
        "if not _is_installed(frame.f_code.co_filename)",
        "if frame",
        ("test_place.py::test_a_frame_of_an_installed_package_is_none_of_the_projects",),
    ),
    Mutant(
        "a mass retry chases what dies again",
        "many.py",
        "            jobs = jobs.filter(finished_at__lte=self.before)\n",
        "            pass\n",
        ("contract/test_many.py::test_what_dies_again_meanwhile_is_left_dead",),
    ),
    Mutant(
        "a pause never ends",
        "models/queue.py",
        "(has_no_end | Q(paused_until__gt=DbNow()))",
        "(has_no_end | Q(paused_until__isnull=False))",
        ("contract/test_pauses.py::test_a_pause_ends_by_itself_by_the_databases_clock",),
    ),
    Mutant(
        "a quiet worker claims",
        "worker/board.py",
        "return not self.quiet and self.lease.is_held",
        "return self.lease.is_held",
        ("contract/test_control.py::TestCommands::test_quiet_and_resume",),
    ),
    Mutant(
        "a worker is told to stop again and again",
        "worker/control.py",
        "            self._told_to_stop = True\n",
        "",
        ("contract/test_control.py::TestCommands::test_stop_is_told_once",),
    ),
    Mutant(
        "the stack of the next job is shown",
        "worker/control.py",
        "            if claim in still\n",
        "",
        ("contract/test_control.py::TestStacks::test_not_of_a_job_that_has_ended_meanwhile",),
    ),
    Mutant(
        "interruptions are not counted",
        "release.py",
        "        interruptions=job.interruptions + 1,",
        "        interruptions=0,",
        (
            "contract/test_interruptions.py::"
            "test_from_the_limit_on_each_interruption_costs_an_attempt",
        ),
    ),
    Mutant(
        "a stop costs what has not started an attempt",
        "release.py",
        "    if not claim.started:\n        return released(claim)\n",
        "",
        (
            "contract/test_interruptions.py::"
            "test_what_has_not_started_is_given_back_however_often_it_was_interrupted",
        ),
    ),
    Mutant(
        "the session keeps the limit of a job",
        "db/limits.py",
        "            if self._is_set:\n                self._tell(self._own)\n",
        "",
        (LIMITS + "test_the_session_is_left_as_it_was",),
    ),
    Mutant(
        "a limit that went with its transaction is not set again",
        "db/limits.py",
        "        elif now < self._renew_at and not self._went_with_transaction():",
        "        elif now < self._renew_at:",
        (LIMITS + "test_a_limit_that_went_with_its_transaction_is_set_again",),
        "postgresql",
    ),
    Mutant(
        "a connection that does not answer is waited for",
        "db/watch.py",
        "                if asked_at < too_late:",
        "                if False:",
        ("contract/test_watch.py::test_a_session_that_does_not_answer_is_cut_and_ended",),
        "postgresql",
    ),
    Mutant(
        "the server keeps a session that was cut",
        "db/watch.py",
        "            cursor.execute(_END[connection.vendor], [number])",
        "            pass",
        ("contract/test_watch.py::test_a_session_that_does_not_answer_is_cut_and_ended",),
        "postgresql",
    ),
    Mutant(
        "connections that nobody waits for are cut",
        "db/watch.py",
        "        del _asked_at[self.connection]",
        "        pass",
        ("contract/test_watch.py::test_one_that_nobody_waits_for_is_left_alone",),
        "postgresql",
    ),
    Mutant(
        "a job has no grace after its timeout",
        "worker/overdue.py",
        "now >= claim.token.overdue_at",
        "now >= claim.token.overdue_at - 60",
        ("worker/test_overdue.py::test_a_job_whose_time_is_just_over_may_still_end",),
    ),
    Mutant(
        "a degraded worker leaves its other jobs behind",
        "worker/overdue.py",
        "        return not others - self.stacks.keys() - self.process.coroutines.held_up()",
        "        return True",
        ("worker/test_overdue.py::test_it_is_not_left_behind_while_another_runs",),
    ),
    Mutant(
        "a silent worker is taken for one that lives",
        "worker/lifeline.py",
        "else now - self._heard_at",
        "else 0.0",
        (
            "worker/test_lifeline.py::test_silence_lasts_since_the_last_beat",
            "worker/test_supervisor.py::test_a_silent_worker_is_killed_and_buried",
        ),
    ),
    Mutant(
        "a worker outlives its supervisor",
        "worker/lifeline.py",
        "        stop(Received(signal.SIGTERM, time.monotonic()))",
        "        pass",
        ("worker/test_lifeline.py::test_a_worker_beats_until_its_supervisor_is_gone",),
    ),
    Mutant(
        "a silent worker is not killed",
        "worker/supervisor.py",
        "            place.process.kill()",
        "            pass",
        ("worker/test_supervisor.py::test_a_silent_worker_is_killed_and_buried",),
    ),
    Mutant(
        "a supervisor that was away kills its workers",
        "worker/supervisor.py",
        "        was_away, self._looked_at = now - self._looked_at > AWAY_SECONDS, now",
        "        was_away, self._looked_at = False, now",
        ("worker/test_supervisor.py::test_a_supervisor_that_was_away_kills_nobody",),
    ),
    Mutant(
        "the lease of a worker that died runs on",
        "worker/undertaker.py",
        "filter(pk=worker_id).update(",
        "none().update(",
        ("worker/test_undertaker.py::test_what_it_had_claimed_does_not_wait_for_its_lease",),
    ),
    Mutant(
        "a receiver ends the undertaker",
        "worker/undertaker.py",
        '                    logger.exception("Unexpected error", extra={"event": "error"})',
        "                    raise",
        ("worker/test_undertaker.py::test_a_receiver_that_exits_ends_no_undertaker",),
    ),
    Mutant(
        "nobody is told of a new job",
        "insert.py",
        'notify_clause(using, task.queue_name, sure=not unique) if notify else ("", [])',
        '("", [])',
        ("contract/test_wakeup.py",),
        "postgresql",
    ),
    Mutant(
        "an outcome that was not written is counted",
        "worker/recorder.py",
        "[f for f in batch if f not in lost] if lost else batch",
        "batch",
        ("contract/test_figures.py::test_a_lost_claim_is_not_counted",),
    ),
    Mutant(
        "figures that can't be written disturb the heartbeat",
        "worker/tallies.py",
        "except Exception as error:",
        "except KeyError as error:",
        ("contract/test_figures.py::TestCounting::test_a_write_that_fails_is_made_up_for",),
    ),
    Mutant(
        "a lost claim leaves its log",
        "record.py",
        "_write_logs([finished for finished in logged if finished not in lost], using)",
        "_write_logs(logged, using)",
        ("contract/test_logs.py::TestOutcome::test_a_lost_claim_leaves_none",),
    ),
    Mutant(
        "a log that can't be stored costs its job the outcome",
        "worker/recorder.py",
        "if len(batch) == 1 and (batch[0].claim.log or batch[0].claim.progress):",
        "if len(batch) == 1 and batch[0].claim.progress:",
        ("contract/test_logs.py::TestRecorder",),
    ),
    Mutant(
        "a log gives sensitive arguments away",
        "execute.py",
        "new_log(level, partial(hiding, self.task, job))",
        "new_log(level, None)",
        ("contract/test_logs.py::test_sensitive_arguments_are_masked",),
    ),
    Mutant(
        "a suspect stays apart where what ran before it has lost its claim",
        "worker/board.py",
        "self._hand_out_apart()  # what ended last",
        "pass  # what ended last",
        (
            "worker/test_board.py::TestAlone"
            "::test_it_starts_also_where_what_ran_before_has_lost_its_claim",
        ),
    ),
    Mutant(
        "a renewal whose answer came late leaves no gap",
        "worker/lease.py",
        "held = now < self._until",
        "held = sent < self._until",
        (
            "worker/test_lease.py::test_a_renewal_whose_answer_came_after_a_gap_may_have_come_after_another_worker",
        ),
    ),
    Mutant(
        "a unique job may be run before its caller has looked",
        "hold.py",
        "return transaction.atomic(using)",
        "return nullcontext()",
        (UNIQUE + "test_a_job_that_has_ended_before_the_caller_looks_was_enqueued_all_the_same",),
        "mariadb",
    ),
    Mutant(
        "a claim is run whose answer came after the lease",
        "worker/claimer.py",
        "if not self.board.lease.was_held_since(self._asked_at):",
        "if False:",
        ("worker/test_threads.py::test_claims_whose_answer_comes_after_the_lease_are_not_run",),
    ),
    Mutant(
        "a unique key holds nobody off",
        "db/dialects.py",
        "WHERE TRUE ON CONFLICT ({key}) WHERE {key} IS NOT NULL DO NOTHING",
        "WHERE TRUE",
        (UNIQUE + "TestEnqueue::test_a_second_one_is_the_first",),
    ),
    Mutant(
        "a default that is left out makes another key",
        "unique.py",
        "        bound.apply_defaults()\n",
        "",
        (UNIQUE + "TestEnqueue::test_a_second_one_is_the_first",),
    ),
    Mutant(
        "a job that has ended holds its unique key",
        "record.py",
        "CASE WHEN NOT ({ends}) THEN job.unique_hash END",
        "job.unique_hash",
        (UNIQUE + "test_each_end_frees_the_key",),
    ),
    Mutant(
        "a cancelled job holds its unique key",
        "models/job.py",
        'unique_hash=Case(When(waits, then=Value(None)), default=F("unique_hash")),',
        "",
        (UNIQUE + "test_each_end_frees_the_key",),
    ),
    Mutant(
        "a retried job doesn't hold its unique key again",
        "models/job.py",
        'unique_hash=F("unique_key"), ',
        "",
        (UNIQUE + "TestRetry::test_it_holds_its_key_again",),
    ),
    Mutant(
        "a unique key that is taken meanwhile fails the whole retry",
        "models/job.py",
        "return sum(map(self._retry_one, free))",
        "raise",
        (UNIQUE + "TestRetry::test_a_key_that_is_taken_meanwhile_costs_the_others_nothing",),
    ),
    Mutant(
        "a unique job that has ended in between is lost",
        "hold.py",
        "return [call for call in calls if call.key not in found]",
        "return []",
        (UNIQUE + "TestEndsInBetween::test_it_is_tried_again",),
    ),
    Mutant(
        "sensitive arguments can be guessed by searching",
        "admin/search.py",
        "return kwargs[name] is not MASK",
        "return True",
        ("contract/test_search.py::TestArguments::test_never_sensitive_ones",),
    ),
    Mutant(
        "the log so far is shown to people who may not view arguments",
        "admin/stack.py",
        " if found and may_view_log else ",
        " if found else ",
        (
            "admin/test_workers.py::TestStacks"
            "::test_come_with_the_log_for_those_who_may_view_arguments",
        ),
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
