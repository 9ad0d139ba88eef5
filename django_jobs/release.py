"""Give a claimed job back, unrun or cut short: ready, with the attempt refunded."""

import logging

from .claim import Claim
from .log import log_job
from .policy import RELEASED
from .record import Finished


def released(claim: Claim) -> Finished:
    """
    ``claim`` as given back; recorded like any other outcome.

    A claim that was started leaves a row in the job's history, one that was not leaves none.
    """
    return Finished(claim, RELEASED)


def log_released(claim: Claim) -> None:
    """The line for a claim that is given back by somebody else than its own attempt."""
    log_job(
        logging.INFO,
        "released",
        claim.job,
        "released %s: back in its queue, the attempt is given back",
        "while it runs" if claim.started else "before it started",
        worker=claim.worker_name,
    )
