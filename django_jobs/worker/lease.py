"""Until when this worker may believe that its claims are its own."""

import time


class Lease:
    """
    The lease as this process knows it, by its own clock (monotonic): it ends a little earlier
    than in the database, which writes it after it was asked to.

    :param seconds: that a renewal holds.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since = time.monotonic()
        self._until = self._since + seconds

    @property
    def is_held(self) -> bool:
        return time.monotonic() < self._until

    def renew(self, sent: float) -> bool:
        """
        It was renewed by a statement sent at ``sent``, whose answer is here; returns whether it
        had held until now. Else what was claimed before may be somebody else's: nobody knows
        when the statement was done.
        """
        now = time.monotonic()
        held = now < self._until
        if not held:
            self._since = now
        self._until = sent + self._seconds
        return held

    def was_held_since(self, moment: float) -> bool:
        """Whether it is held, and was all the time since ``moment``."""
        return self.is_held and self._since <= moment
