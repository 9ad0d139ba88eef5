"""Only the claim that owns a job writes its outcome, and it does so once."""

import pytest

from django_jobs.claim import Claim
from django_jobs.db.clock import DbNow
from django_jobs.failure import Failure
from django_jobs.models import Job, JobAttempt, Status
from django_jobs.policy import RELEASED, SUCCEEDED, Kind, Next, Outcome
from django_jobs.record import Finished, record
from django_jobs.release import released
from django_jobs.testing import run_pending
from tests.contract.support import claim_all, history, row
from tests.factories import JobFactory
from tests.sample import tasks

pytestmark = pytest.mark.django_db

FAILURE = Failure("builtins.ValueError", "no luck", "Traceback …\nValueError: no luck\n")
OUTCOMES = {
    "succeeded": SUCCEEDED,
    "retried": Outcome(Kind.FAILED, Next.SCHEDULED, delay=5.0),
    "died": Outcome(Kind.FAILED, Next.DEAD),
    "timed out": Outcome(Kind.TIMED_OUT, Next.SCHEDULED, delay=5.0),
    "snoozed": Outcome(Kind.SNOOZED, Next.SCHEDULED, delay=5.0, refund=True, reason="later"),
    "released": RELEASED,
    "cancelled": Outcome(Kind.CANCELLED, Next.CANCELLED, reason="not wanted"),
}
STATUS = {
    "succeeded": Status.SUCCESSFUL,
    "retried": Status.SCHEDULED,
    "died": Status.DEAD,
    "timed out": Status.SCHEDULED,
    "snoozed": Status.SCHEDULED,
    "released": Status.READY,
    "cancelled": Status.CANCELLED,
}


def finished(claim: Claim, name: str) -> Finished:
    outcome = OUTCOMES[name]
    failed = outcome.kind in (Kind.FAILED, Kind.TIMED_OUT)
    return Finished(claim, outcome, return_value=[1], failure=FAILURE if failed else None)


def snapshot(result) -> tuple[dict, list[dict]]:
    """Everything there is of a job."""
    rows = JobAttempt.objects.filter(job_id=result.id).order_by("claim_no").values()
    return Job.objects.filter(pk=result.id).values().get(), list(rows)


@pytest.fixture
def result():
    return tasks.add.enqueue(1, 2)


@pytest.fixture
def claim(result):
    (claim,) = claim_all()
    return claim


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_outcome_leaves_its_status_and_its_history(name, result, claim):
    assert record([finished(claim, name)], "default") == []
    job = row(result)
    assert job.status == STATUS[name]
    assert job.attempts == (0 if OUTCOMES[name].refund else 1)
    terminal = name in ("succeeded", "died", "cancelled")
    assert (job.finished_at is not None) == terminal
    assert (job.worker_id is not None) == terminal
    kinds = [attempt.outcome for attempt in history(result)]
    assert kinds == ([] if name == "succeeded" else [OUTCOMES[name].kind])
    assert job.return_value == ([1] if name == "succeeded" else None)


@pytest.mark.parametrize("name", OUTCOMES)
def test_an_outcome_that_is_written_twice_is_known_as_ours(name, result, claim):
    """COMMIT was sent, and its answer got lost: the write is tried again."""
    record([finished(claim, name)], "default")
    before = snapshot(result)
    assert record([finished(claim, name)], "default") == []
    assert snapshot(result) == before


@pytest.mark.parametrize("name", [name for name in OUTCOMES if name != "released"])
def test_an_outcome_of_an_old_claim_changes_nothing(name, result, claim):
    """The job was given back meanwhile, and another worker runs it."""
    record([finished(claim, "released")], "default")
    (newer,) = claim_all()
    assert newer.job.claim_no == claim.job.claim_no + 1
    before = snapshot(result)
    late = finished(claim, name)
    assert record([late], "default") == [late]
    assert snapshot(result) == before
    assert record([finished(newer, "succeeded")], "default") == []


@pytest.mark.parametrize("name", OUTCOMES)
@pytest.mark.parametrize("other", ["succeeded", "died", "retried", "released"])
def test_a_second_outcome_of_the_same_claim_changes_nothing(name, other, result, claim):
    """Such as of a job that succeeds while a stop gives it back."""
    record([finished(claim, other)], "default")
    before = snapshot(result)
    late = finished(claim, name)
    lost = record([late], "default")
    assert snapshot(result) == before
    if OUTCOMES[name].kind is not OUTCOMES[other].kind:  # else it looks like our own write
        assert lost == [late]


def test_a_job_that_is_gone_is_lost(claim):
    Job.objects.all().delete()
    late = finished(claim, "died")
    assert record([late], "default") == [late]
    assert not JobAttempt.objects.exists()


def test_in_a_batch_only_what_is_lost_is_lost():
    results = [tasks.add.enqueue(n, n) for n in range(6)]
    claims = {str(each.job.pk): each for each in claim_all()}
    stolen = results[2]
    Job.objects.filter(pk=stolen.id).update(claim_no=7)
    names = ["succeeded", "succeeded", "succeeded", "retried", "died", "released"]
    batch = [finished(claims[r.id], name) for r, name in zip(results, names, strict=True)]
    assert record(batch, "default") == [batch[2]]
    assert [row(r).status for r in results] == [
        Status.SUCCESSFUL,
        Status.SUCCESSFUL,
        Status.RUNNING,
        Status.SCHEDULED,
        Status.DEAD,
        Status.READY,
    ]


@pytest.mark.parametrize(
    "values",
    [
        [1, True],
        [True, 1],
        [0, False, None],
        [1, 1.0],
        [[1], [True]],
        [{"a": 1}, [["a", 1]]],
        ["1", 1],
        [None, "null"],
        [{"a": 1}, {"a": 1.0}],
        [3, [3], {"three": 3}, "three", None, 3.5, False, [], {}],
    ],
    ids=repr,
)
def test_in_a_batch_each_job_keeps_its_own_return_value(values):
    results = [tasks.add.enqueue(n, n) for n in range(len(values))]
    claims = {str(each.job.pk): each for each in claim_all()}
    batch = [
        Finished(claims[result.id], SUCCEEDED, return_value=value)
        for result, value in zip(results, values, strict=True)
    ]
    assert record(batch, "default") == []
    stored = [row(result).return_value for result in results]
    assert [repr(value) for value in stored] == [repr(value) for value in values]


def test_in_a_batch_each_job_keeps_its_own_delay_and_error():
    results = [tasks.add.enqueue(n, n) for n in range(3)]
    claims = {str(each.job.pk): each for each in claim_all()}
    batch = [
        Finished(
            claims[result.id],
            Outcome(Kind.FAILED, Next.SCHEDULED, delay=100.0 * n),
            failure=Failure("builtins.ValueError", f"number {n}", ""),
        )
        for n, result in enumerate(results)
    ]
    record(batch, "default")
    for n, result in enumerate(results):
        job = Job.objects.annotate(now=DbNow()).get(pk=result.id)
        assert 100 * n - 50 < (job.run_after - job.now).total_seconds() <= 100 * n
        assert job.last_error == f"ValueError: number {n}"


def test_a_claim_that_was_never_started_leaves_no_history(result, claim):
    claim.started = False
    assert record([released(claim)], "default") == []
    job = row(result)
    assert (job.status, job.attempts, job.claim_no) == (Status.READY, 0, 1)
    assert history(result) == []


def test_a_finished_job_is_never_claimed_again():
    for status in (Status.SUCCESSFUL, Status.DEAD, Status.CANCELLED, Status.DISCARDED):
        JobFactory(status=status)
    assert claim_all() == []


class TestDeleteSuccessful:
    def test_successes_go_with_their_history_and_the_others_stay(self):
        for n in range(4):
            tasks.add.enqueue(n, n)
        Job.objects.update(max_attempts=9)
        retry = Outcome(Kind.FAILED, Next.READY)
        assert record([Finished(c, retry, failure=FAILURE) for c in start_all()], "default") == []
        claims = start_all()
        names = ["succeeded", "succeeded", "died", "retried"]
        batch = [finished(c, name) for c, name in zip(claims, names, strict=True)]
        assert record(batch, "default", delete_successful=True) == []
        assert {job.status for job in Job.objects.all()} == {Status.DEAD, Status.SCHEDULED}
        assert JobAttempt.objects.count() == 4
        assert record(batch, "default", delete_successful=True) == [], "an earlier try got through"

    def test_what_is_lost_is_neither_written_nor_deleted(self, claim):
        Job.objects.update(claim_no=7)
        lost = [finished(claim, "succeeded")]
        assert record(lost, "default", delete_successful=True) == lost
        assert Job.objects.get().status == Status.RUNNING

    def test_run_pending_returns_the_job_all_the_same(self, settings):
        options = {"DELETE_SUCCESSFUL": True}
        backend = settings.TASKS["default"]
        settings.TASKS = {**settings.TASKS, "default": {**backend, "OPTIONS": options}}
        tasks.add.enqueue(1, 2)
        (job,) = run_pending()
        assert (job.status, job.return_value) == (Status.SUCCESSFUL, 3)
        assert not Job.objects.exists()


def start_all() -> list[Claim]:
    claims = claim_all()
    for claim in claims:
        claim.started = True
    return claims
