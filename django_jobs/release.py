"""Give a claimed job back, unrun or cut short: ready, with the attempt refunded."""

import logging

from .claim import Claim
from .log import log_ended, log_job
from .policy import RELEASED, Kind, after_interruption
from .record import Finished


def released(claim: Claim) -> Finished:
    """
    ``claim`` as given back; recorded like any other outcome.

    A claim that was started leaves a row in the job's history, one that was not leaves none.
    """
    return Finished(claim, RELEASED)


def cut_short(claim: Claim, max_interruptions: int) -> Finished:
    """``claim`` as ended by a stop: given back, unless that has been done too often."""
    if not claim.started:
        return released(claim)
    job = claim.job
    outcome = after_interruption(
        job.attempts,
        job.max_attempts,
        interruptions=job.interruptions + 1,
        max_interruptions=max_interruptions,
    )
    return Finished(claim, outcome)


def log_released(finished: Finished) -> None:
    """The line for a claim that is given back by somebody else than its own attempt."""
    claim = finished.claim
    if finished.outcome.kind is not Kind.RELEASED:
        return log_ended(claim, finished.outcome, None, None, None)
    log_job(
        logging.INFO,
        "released",
        claim.job,
        "released %s: back in its queue, the attempt is given back",
        "while it runs" if claim.started else "before it started",
        worker=claim.worker_name,
    )
