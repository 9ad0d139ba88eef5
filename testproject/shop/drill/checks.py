"""What was promised against what was found; each check can fail."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from .evidence import Evidence, JobStory, gaps
from .runner import Stopped
from .scenario import EXIT_WITHIN, FAILURES, PATIENCE, RESCUE_WITHIN, delay_range, refusals
from .servers import Contact

CLOCK = 0.01  # seconds by which two clocks' readings of one delay may differ


@dataclass(slots=True)
class Check:
    """``wrong`` has a line for each thing that is not as promised."""

    what: str
    promised: str
    found: str
    wrong: list[str] = field(default_factory=list)


def all_checks(evidence: Evidence) -> Iterator[Check]:
    yield check_confirmed(evidence)
    yield check_invoices(evidence)
    yield check_mails(evidence)
    yield check_notices(evidence)
    yield from check_retries(evidence)
    yield from check_deaths(evidence)
    yield check_given_back(evidence)
    yield check_stops(evidence)
    yield check_rescued(evidence)
    yield check_attempts(evidence)
    yield check_nothing_left(evidence)


def check_confirmed(evidence: Evidence) -> Check:
    cases = evidence.scenario.cases
    tasks = Counter((story.case.reference, story.task) for story in evidence.jobs)
    paid = sum(order.status == "PAID" for order in evidence.orders.values())
    check = Check(
        "confirmed",
        f"{len(cases)} orders, 3 jobs each",
        f"{paid} orders, {len(evidence.jobs)} jobs",
    )
    for case in cases:
        if evidence.orders[case.reference].status != "PAID":
            check.wrong.append(f"{case.reference} is not paid")
        for task in ("draw_invoice", "send_invoice", "notify_team"):
            if tasks[case.reference, task] != 1:
                check.wrong.append(f"{case.reference} has {tasks[case.reference, task]} of {task}")
    return check


def check_invoices(evidence: Evidence) -> Check:
    cases = evidence.scenario.cases
    check = Check("invoices", f"{len(cases)}, one each", f"{len(evidence.invoices)}, one each")
    for case in cases:
        invoice = evidence.invoices.get(case.reference)
        if invoice is None:
            check.wrong.append(f"{case.reference} has no invoice")
        elif bool(invoice.sent_at) != bool(case.mails):
            check.wrong.append(f"the invoice of {case.reference} is marked: {invoice.sent_at}")
    return check


def check_mails(evidence: Evidence) -> Check:
    wanted = {case.email: case.mails for case in evidence.scenario.cases}
    return _delivered("mails sent exactly once", wanted, evidence.facts.mails)


def check_notices(evidence: Evidence) -> Check:
    wanted = {case.reference: case.notices for case in evidence.scenario.cases}
    return _delivered("notices sent exactly once", wanted, evidence.facts.notices)


def _delivered(what: str, wanted: dict[str, int], contacts: list[Contact]) -> Check:
    got = Counter(c.recipient for c in contacts if c.code < 300 and c.recipient in wanted)
    once = sum(number == 1 for number in got.values())
    more = sum(number > 1 for number in got.values())
    check = Check(
        what, f"{sum(wanted.values())}", f"{once}" + (f", and {more} more than once" * bool(more))
    )
    for recipient, number in wanted.items():
        if got[recipient] != number:
            check.wrong.append(f"{recipient} got {got[recipient]}, not {number}")
    return check


def check_retries(evidence: Evidence) -> Iterator[Check]:
    """Per attempt, the delays that the history has, and those that the servers saw."""
    retried = [(s, a) for s in evidence.jobs for a in s.failed if a.delay is not None]
    seen = gaps(evidence.facts.mails) | gaps(evidence.facts.notices)
    for number in sorted({attempt.number for _, attempt in retried} | {1, 2}):
        low, high = delay_range(number)
        rows = [(s, a) for s, a in retried if a.number == number]
        delays = [a.delay for _, a in rows]
        spread = f"{min(delays):.2f} to {max(delays):.2f} s" if delays else "none"
        check = Check(
            f"tried again after attempt {number}",
            f"in {low:.2f} to {high:.2f} s",
            f"{len(delays)} jobs, in {spread}",
        )
        for story, attempt in rows:
            if not low <= attempt.delay <= high:
                check.wrong.append(f"{story}: {attempt.delay:.3f} s")
        yield check
    check = Check(
        "as the servers saw it",
        "never earlier",
        f"{sum(len(times) for times in seen.values())} times",
    )
    for recipient, times in seen.items():
        for number, seconds in enumerate(times, 1):
            if seconds < delay_range(number)[0] - CLOCK:
                check.wrong.append(f"{recipient}: {seconds:.3f} s after attempt {number}")
    yield check


def check_deaths(evidence: Evidence) -> Iterator[Check]:
    """Who died, of what, and after how many refusals, for each fate; and nobody else did."""
    seen = Counter(
        c.recipient for c in evidence.facts.mails + evidence.facts.notices if c.code >= 400
    )
    for fate in FAILURES:
        stories = [s for s in evidence.jobs if s.is_meant_to_fail and s.case.fate is fate]
        dead = [s for s in stories if s.job.status == "DEAD"]
        well = [s for s in stories if s.job.status == "SUCCESSFUL"]
        if fate.dies:
            promised = f"{len(stories)} dead: {fate.error}"
            found = f"{len(dead)} dead: {', '.join(sorted({s.error for s in dead}))}"
        else:
            promised = f"{len(stories)} successful in the end"
            found = f"{len(well)} successful"
        check = Check(fate.name, promised, found)
        for story in stories:
            recipient = story.case.email if fate.mail else story.case.reference
            check.wrong += _wrong_fate(story, seen[recipient])
        yield check
    others = [s for s in evidence.jobs if s.job.status != "SUCCESSFUL" and not s.is_meant_to_die]
    yield Check(
        "all other jobs",
        "successful",
        f"{sum(s.job.status == 'SUCCESSFUL' for s in evidence.jobs)} successful",
        [f"{story} is {story.job.status}: {story.job.last_error}" for story in others],
    )


def _wrong_fate(story: JobStory, refused: int) -> Iterator[str]:
    fate = story.case.fate
    status = "DEAD" if fate.dies else "SUCCESSFUL"
    if story.job.status != status:
        yield f"{story} is {story.job.status}, not {status}"
    if fate.dies and story.error != fate.error:
        yield f"{story} died of {story.error or 'nothing'}, not of {fate.error}"
    least, most = refusals(fate, len(story.lost))
    if not least <= refused <= most:
        yield f"{story} was refused {refused} times, not {least} to {most} times"
    if not refused - len(story.lost) <= len(story.failed) <= refused:
        yield f"{story} was refused {refused} times and failed {len(story.failed)} times"


def check_given_back(evidence: Evidence) -> Check:
    """What was in mid-run at the deadline is back, with its attempt; and so is the rest."""
    held = evidence.facts.held
    back = [s for s in evidence.jobs if s.attempts("RELEASED")]
    released = sum(story.released for story in evidence.jobs)
    check = Check(
        "given back at the stop",
        f"{len(held)} in mid-run",
        f"{len(back)} in mid-run, {released - len(back)} before they started",
    )
    if {s.case.email for s in back} != held or any(s.task != "send_invoice" for s in back):
        check.wrong.append(f"given back: {', '.join(map(str, back)) or 'none'}; held: {held}")
    return check


def check_stops(evidence: Evidence) -> Check:
    facts = evidence.facts
    stops = facts.stops + facts.last_stops
    check = Check(
        "time to stop",
        f"{EXIT_WITHIN:.1f} s at most",
        ", ".join(f"{stop.seconds:.1f} s" for stop in stops),
    )
    # In mid-run one worker had a job that could not end: 1. The others drained: 0.
    if sorted(str(stop.exit_code) for stop in facts.stops) != ["0"] * (len(facts.stops) - 1) + [
        "1"
    ]:
        check.wrong.append(f"exit codes in mid-run: {[stop.exit_code for stop in facts.stops]}")
    for stop in facts.last_stops:
        if stop.exit_code != 0:
            check.wrong.append(f"{stop.name} had nothing to do and exited {stop.exit_code}")
    check.wrong += [line for stop in stops for line in _wrong_stop(stop)]
    return check


def _wrong_stop(stop: Stopped) -> Iterator[str]:
    if stop.seconds > EXIT_WITHIN:
        yield f"{stop.name} took {stop.seconds:.1f} s"
    if stop.running:
        yield f"{stop.name} left {stop.running} jobs running"


def check_rescued(evidence: Evidence) -> Check:
    [kill] = evidence.facts.kills
    lost = {str(story.job.pk): story for story in evidence.jobs if story.lost}
    after = [at - kill.at for job, at in evidence.rescued_at.items() if job in lost]
    check = Check(
        "rescued from the killed worker",
        f"{len(kill.running)}, within {RESCUE_WITHIN:.1f} s",
        f"{len(lost)}, within {max(after, default=0):.1f} s",
    )
    if len(kill.running) < evidence.scenario.threads:
        check.wrong.append(f"{kill.name} ran only {len(kill.running)} jobs when it was killed")
    if set(lost) != {str(pk) for pk in kill.running}:
        check.wrong.append(f"rescued: {set(lost)}; running: {kill.running}")
    if max(after, default=0) > RESCUE_WITHIN + PATIENCE:
        check.wrong.append(f"the last one only after {max(after):.1f} s")
    for story in lost.values():
        if len(story.lost) != 1:
            check.wrong.append(f"{story} was lost {len(story.lost)} times")
    return check


def check_attempts(evidence: Evidence) -> Check:
    """Each claim is accounted for: it succeeded, failed, was lost, or was given back."""
    check = Check("attempts", "each accounted for", f"{sum(s.job.claim_no for s in evidence.jobs)}")
    # What is lost with others gets its attempt back.
    [kill] = evidence.facts.kills
    lost_alone = len(kill.running) == 1
    for story in evidence.jobs:
        job = story.job
        used = len(story.failed) + (job.status == "SUCCESSFUL")
        back = story.released
        if lost_alone:
            used += len(story.lost)
        else:
            back += len(story.lost)
        if not job.attempts == used <= job.max_attempts:
            check.wrong.append(f"{story}: {job.attempts} of {job.max_attempts}, {used} known")
        if job.claim_no != job.attempts + back:
            check.wrong.append(
                f"{story}: claimed {job.claim_no} times, tried {job.attempts}, given back {back}"
            )
    return check


def check_nothing_left(evidence: Evidence) -> Check:
    finished = ("SUCCESSFUL", "DEAD")
    left = [story for story in evidence.jobs if story.job.status not in finished]
    return Check(
        "left unfinished",
        "none",
        str(len(left)),
        [f"{story} is {story.job.status}" for story in left],
    )
