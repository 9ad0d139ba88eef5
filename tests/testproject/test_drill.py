"""The drill: a short one with real processes, and that each of its checks can fail."""

import io
import subprocess
import sys
import uuid
from collections import Counter

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from shop.drill.checks import all_checks
from shop.drill.display import Display
from shop.drill.evidence import Evidence, JobStory
from shop.drill.report import details, table
from shop.drill.runner import Facts, Killed, Stopped
from shop.drill.scenario import FAILURES, MAX_ATTEMPTS, Case, Scenario, delay_range, plan
from shop.drill.servers import ALWAYS, Contact
from shop.models import Invoice, Order
from shop.services import confirm_payment

from django_jobs import Backoff
from django_jobs.models import Job, JobAttempt
from tests.support.processes import ROOT, process_env

TASKS = ("draw_invoice", "send_invoice", "notify_team")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_short_drill_holds(workers):
    command = ["testproject/manage.py", "drill", "--orders=30", "--threads=2"]
    done = subprocess.run(
        [sys.executable, *command, f"--workers={workers}"],
        cwd=ROOT,
        env=process_env() | {"DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert done.returncode == 0
    assert "All as promised" in done.stdout
    assert "WRONG" not in done.stdout


@pytest.mark.django_db
def test_it_refuses_to_run_among_other_jobs(order):
    confirm_payment(order)
    with pytest.raises(CommandError, match="2 other jobs wait"):
        call_command("drill")


@pytest.mark.parametrize("arguments", [["--orders=29"], ["--threads=0"], ["--threads=6"]])
def test_it_refuses_what_it_can_not_play(arguments):
    with pytest.raises(CommandError, match="at least"):
        call_command("drill", "--orders=30", *arguments)


# The scenario


def test_of_a_hundred_orders_twenty_fail():
    scenario = plan(100, seed=1, threads=4, workers=1)
    assert len(scenario.cases) == 100
    assert Counter(case.fate.name for case in scenario.failing) == {
        fate.name: fate.share for fate in FAILURES
    }
    assert len(scenario.failing) == 20
    assert (scenario.mails, scenario.notices) == (95, 97)


def test_a_seed_decides_the_fates_and_each_run_is_its_own():
    one, same, other = (plan(50, seed, 4, 1) for seed in (1, 1, 2))
    assert [c.fate for c in one.cases] == [c.fate for c in same.cases]
    assert [c.fate for c in one.cases] != [c.fate for c in other.cases]
    assert one.run != same.run


def test_the_expected_delays_are_those_of_the_backoff():
    for attempt in range(1, MAX_ATTEMPTS):
        low, high = delay_range(attempt)
        backoff = Backoff(base=0.5, maximum=600, jitter=0.2)
        assert backoff.delay(attempt, random=lambda: 0.0) == pytest.approx(low)
        assert backoff.delay(attempt, random=lambda: 1.0) == pytest.approx(high)


# The checks: evidence of a drill in which all went well, then one thing is made wrong


def story_of(case: Case, task: str) -> JobStory:
    job = Job(task_path=f"shop.tasks.{task}", status="SUCCESSFUL", max_attempts=MAX_ATTEMPTS)
    story = JobStory(job, task, case, [], released=0)
    number = 0
    if story.is_meant_to_fail:
        fate = case.fate
        times = 1 if fate.gives_up else min(fate.refusal.times, MAX_ATTEMPTS)
        for number in range(1, times + 1):
            last = fate.dies and number == times
            story.history.append(
                JobAttempt(
                    number=number,
                    outcome="FAILED",
                    exception_class=f"somewhere.{fate.error or 'HTTPError'}",
                    delay=None if last else sum(delay_range(number)) / 2,
                )
            )
        job.status = "DEAD" if fate.dies else "SUCCESSFUL"
    job.attempts = job.claim_no = number + (job.status == "SUCCESSFUL")
    return story


def contacts_of(case: Case, recipient: str, refusal, wanted: int) -> list[Contact]:
    times = 0
    if refusal:
        final = case.fate.gives_up
        times = 1 if final else min(refusal.times, MAX_ATTEMPTS if refusal.times == ALWAYS else 9)
    codes = [refusal.code] * times if refusal else []
    codes += [250] * wanted
    return [Contact(recipient, code, at=10.0 * n) for n, code in enumerate(codes)]


def interrupt(story: JobStory, outcome: str) -> None:
    """As if the first claim of a job that went well had ended with ``outcome``."""
    story.history.append(JobAttempt(number=1, outcome=outcome))
    story.job.claim_no += 1
    if outcome == "RELEASED":
        story.released = 1


@pytest.fixture
def evidence() -> Evidence:
    scenario: Scenario = plan(30, seed=3, threads=2, workers=1)
    facts = Facts(
        stops=[Stopped("worker-1", 1, 1.5, 0)], last_stops=[Stopped("worker-2", 0, 0.2, 0)]
    )
    orders, invoices = {}, {}
    for case in scenario.cases:
        facts.mails += contacts_of(case, case.email, case.fate.mail, case.mails)
        facts.notices += contacts_of(case, case.reference, case.fate.notice, case.notices)
        orders[case.reference] = Order(reference=case.reference, status="PAID")
        invoices[case.reference] = Invoice(sent_at="a date" if case.mails else None)
    stories = [story_of(case, task) for case in scenario.cases for task in TASKS]
    well = [s for s in stories if s.task == "send_invoice" and s.case.fate.refusal is None]
    interrupt(well[0], "RELEASED")
    facts.held = {well[0].case.email}
    for story in well[1:3]:
        interrupt(story, "LOST")
    facts.kills = [Killed("worker-2", 1000.0, {story.job.pk for story in well[1:3]})]
    rescued = {str(story.job.pk): 1003.0 for story in well[1:3]}
    return Evidence(scenario, facts, stories, orders, invoices, rescued)


def wrong(evidence: Evidence) -> set[str]:
    return {check.what for check in all_checks(evidence) if check.wrong}


def pick(evidence: Evidence, fate: str = "all goes well", task: str = "send_invoice") -> JobStory:
    """The last one, since something happened to the first ones."""
    return [s for s in evidence.stories(task) if s.case.fate.name == fate][-1]


def test_a_good_drill_passes(evidence):
    assert wrong(evidence) == set()
    checks = list(all_checks(evidence))
    text = table(checks, str, str)
    assert "WRONG" not in text
    assert text.count("ok\n") + text.endswith("ok") == len(checks)
    assert details(checks) == ""


def lose_a_job(evidence):
    evidence.jobs.remove(pick(evidence))
    return {"confirmed"}


def repeat_a_job(evidence):
    evidence.jobs.append(story_of(evidence.scenario.cases[0], "draw_invoice"))
    return {"confirmed"}


def leave_an_order_pending(evidence):
    evidence.orders[evidence.scenario.cases[0].reference].status = "PENDING"
    return {"confirmed"}


def lose_an_invoice(evidence):
    evidence.invoices.popitem()
    return {"invoices"}


def mark_an_invoice_that_was_not_sent(evidence):
    evidence.invoices[pick(evidence, "no such mailbox").case.reference].sent_at = "a date"
    return {"invoices"}


def send_a_mail_twice(evidence):
    evidence.facts.mails.append(Contact(pick(evidence).case.email, 250, 0))
    return {"mails sent exactly once"}


def lose_a_mail(evidence):
    evidence.facts.mails = [
        c for c in evidence.facts.mails if c.recipient != pick(evidence).case.email
    ]
    return {"mails sent exactly once"}


def send_a_notice_twice(evidence):
    evidence.facts.notices.append(Contact(evidence.scenario.cases[0].reference, 204, 0))
    return {"notices sent exactly once"}


def try_again_too_late(evidence):
    pick(evidence, "mail refused twice").history[0].delay = 0.61
    return {"tried again after attempt 1"}


def try_again_too_early(evidence):
    pick(evidence, "mail refused always").history[2].delay = 1.59
    return {"tried again after attempt 3"}


def come_back_before_the_delay(evidence):
    email = pick(evidence, "mail refused twice").case.email
    evidence.facts.mails = [
        Contact(c.recipient, c.code, c.at / 100) if c.recipient == email else c
        for c in evidence.facts.mails
    ]
    return {"as the servers saw it"}


def let_a_doomed_job_succeed(evidence):
    pick(evidence, "no such mailbox").job.status = "SUCCESSFUL"
    return {"no such mailbox", "attempts"}


def die_of_something_else(evidence):
    pick(evidence, "notice unwanted", "notify_team").history[-1].exception_class = "TypeError"
    return {"notice unwanted"}


def give_up_too_early(evidence):
    story = pick(evidence, "notice refused always", "notify_team")
    story.history.pop()
    story.job.attempts = story.job.claim_no = MAX_ATTEMPTS - 1
    return {"notice refused always"}


def let_a_good_job_die(evidence):
    pick(evidence).job.status = "DEAD"
    return {"all other jobs", "attempts"}


def leave_a_job_running(evidence):
    pick(evidence).job.status = "RUNNING"
    return {"all other jobs", "attempts", "left unfinished"}


def give_back_nothing(evidence):
    [story] = [s for s in evidence.jobs if s.released]
    story.history.clear()
    return {"given back at the stop"}


def give_back_without_the_attempt(evidence):
    [story] = [s for s in evidence.jobs if s.released]
    story.job.attempts += 1
    return {"attempts"}


def stop_too_late(evidence):
    evidence.facts.stops = [Stopped("worker-1", 1, 3.1, 0)]
    return {"time to stop"}


def never_stop(evidence):
    evidence.facts.stops = [Stopped("worker-1", None, float("inf"), 0)]
    return {"time to stop"}


def stop_with_a_job_running(evidence):
    evidence.facts.stops = [Stopped("worker-1", 1, 1.5, 1)]
    return {"time to stop"}


def stop_with_the_wrong_code(evidence):
    evidence.facts.last_stops = [Stopped("worker-2", 1, 0.2, 0)]
    return {"time to stop"}


def rescue_too_late(evidence):
    evidence.rescued_at = dict.fromkeys(evidence.rescued_at, 1007.0)
    return {"rescued from the killed worker"}


def rescue_too_few(evidence):
    [kill] = evidence.facts.kills
    kill.running.add(uuid.uuid4())
    return {"rescued from the killed worker"}


def claim_once_more_than_known(evidence):
    pick(evidence).job.claim_no += 1
    return {"attempts"}


@pytest.mark.parametrize(
    "spoil",
    [
        lose_a_job,
        repeat_a_job,
        leave_an_order_pending,
        lose_an_invoice,
        mark_an_invoice_that_was_not_sent,
        send_a_mail_twice,
        lose_a_mail,
        send_a_notice_twice,
        try_again_too_late,
        try_again_too_early,
        come_back_before_the_delay,
        let_a_doomed_job_succeed,
        die_of_something_else,
        give_up_too_early,
        let_a_good_job_die,
        leave_a_job_running,
        give_back_nothing,
        give_back_without_the_attempt,
        stop_too_late,
        never_stop,
        stop_with_a_job_running,
        stop_with_the_wrong_code,
        rescue_too_late,
        rescue_too_few,
        claim_once_more_than_known,
    ],
)
def test_what_is_not_as_promised_is_found(evidence, spoil):
    expected = spoil(evidence)
    assert wrong(evidence) == expected
    checks = list(all_checks(evidence))
    assert table(checks, str, str).count("WRONG") == len(expected)
    for what in expected:
        assert what in details(checks)


# What is shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_one_line_changes():
    stream = Terminal()
    display = Display(stream)
    display.show("1 of 3")
    display.show("too soon to be read")
    display.say("done")
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") == 2
    assert "too soon" not in stream.getvalue()


def test_elsewhere_there_are_plain_lines():
    stream = io.StringIO()
    display = Display(stream)
    display.show("1 of 3")
    display.say("done")
    assert "\r" not in stream.getvalue()
    assert [line.split("s  ")[1] for line in stream.getvalue().splitlines()] == ["1 of 3", "done"]
