"""Progress: one line that changes on a terminal, a plain line now and then elsewhere."""

import time
from typing import TextIO

PLAIN_EVERY = 2.0  # seconds
LIVE_EVERY = 0.1


class Display:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._began = time.monotonic()
        self._shown_at = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def show(self, text: str) -> None:
        """What changes all the time; shown no oftener than a reader can follow."""
        pause = LIVE_EVERY if self._live else PLAIN_EVERY
        if time.monotonic() - self._shown_at >= pause:
            self._shown_at = time.monotonic()
            self._write(text, end="" if self._live else "\n")

    def say(self, text: str) -> None:
        """What stays."""
        self._write(text, end="\n")

    def _write(self, text: str, end: str) -> None:
        start = "\r\x1b[2K" if self._live else ""
        self._stream.write(f"{start}{self.seconds:5.1f} s  {text}{end}")
        self._stream.flush()
