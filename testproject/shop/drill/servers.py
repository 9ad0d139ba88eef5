"""
A mail server and a webhook receiver on loopback: real ones, which fail as they are told.

They live in one process while the workers come and go, so what they counted is the truth
about what has left the shop.
"""

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from aiosmtpd.smtp import SMTP

ALWAYS = 1_000_000
BODY_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """Answer with ``code`` the first ``times`` times; for mail, to the RCPT or to the DATA."""

    code: int
    times: int = ALWAYS
    to: str = "RCPT"


@dataclass(frozen=True, slots=True)
class Contact:
    """One attempt to deliver that the server answered; ``at`` is on the monotonic clock."""

    recipient: str
    code: int
    at: float


class Book:
    """Who was answered what and when. Written by the servers' threads, read by any."""

    def __init__(self, refusals: Mapping[str, Refusal]) -> None:
        self.refusals = dict(refusals)
        self._lock = threading.Lock()
        self._refused: Counter[str] = Counter()
        self._contacts: list[Contact] = []

    def refuse(self, recipient: str, to: str = "RCPT") -> int | None:
        """The code to refuse ``recipient`` with, noted; None where it shall be accepted."""
        refusal = self.refusals.get(recipient)
        with self._lock:
            if not refusal or refusal.to != to or self._refused[recipient] >= refusal.times:
                return None
            self._refused[recipient] += 1
            self._contacts.append(Contact(recipient, refusal.code, time.monotonic()))
            return refusal.code

    def accept(self, recipient: str, code: int) -> None:
        with self._lock:
            self._contacts.append(Contact(recipient, code, time.monotonic()))

    def contacts(self) -> list[Contact]:
        with self._lock:
            return list(self._contacts)

    def accepted(self) -> Counter[str]:
        return Counter(c.recipient for c in self.contacts() if c.code < 300)


class MailServer:
    """
    An SMTP server; the recipient is the e-mail address.

    :param delay: seconds that a delivery takes.
    :param folder: where the accepted mails are written to, if anywhere.
    """

    def __init__(
        self,
        refusals: Mapping[str, Refusal] | None = None,
        delay: float = 0,
        folder: Path | None = None,
    ) -> None:
        self.book = Book(refusals or {})
        self.messages: list[EmailMessage] = []
        self.held: set[str] = set()
        self._delay = delay
        self._folder = folder
        self._to_hold = 0
        self._released = asyncio.Event()
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(),), name="mail", daemon=True
        )
        # Bound here already, so that the port is known and a connection waits rather than fails.
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._socket.getsockname()

    @property
    def url(self) -> str:
        return f"smtp://{self.host}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.wait(5)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join(5)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await self._loop.create_server(
            lambda: SMTP(self, hostname="mail.example"), sock=self._socket
        )
        self._started.set()
        await self._stopping.wait()
        server.close()

    def hold(self, count: int) -> None:
        """Leave the next ``count`` senders waiting for the answer to their message."""
        self._released.clear()
        self._to_hold = count

    def release(self) -> None:
        """Go on with those who still wait. Senders that have died are never answered."""
        self._to_hold = 0
        self._loop.call_soon_threadsafe(self._released.set)

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options) -> str:
        if code := self.book.refuse(address):
            return f"{code} refused on purpose"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        [recipient] = envelope.rcpt_tos
        if code := self.book.refuse(recipient, to="DATA"):
            return f"{code} refused on purpose"
        if self._delay:
            await asyncio.sleep(self._delay)
        if self._to_hold:
            await self._wait(recipient)
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        if self._folder:
            path = self._folder / f"{len(self.messages):03d}.eml"
            path.write_bytes(envelope.original_content)
        self.book.accept(recipient, 250)
        return "250 OK"

    async def _wait(self, recipient: str) -> None:
        self._to_hold -= 1
        self.held.add(recipient)
        try:
            await self._released.wait()
            # Whoever died meanwhile has closed the connection, which cancels this coroutine;
            # give the loop the time to see it.
            await asyncio.sleep(0.05)
        finally:
            self.held.discard(recipient)


class WebhookServer:
    """An HTTP server; the recipient is the order's reference."""

    def __init__(self, refusals: Mapping[str, Refusal] | None = None) -> None:
        self.book = Book(refusals or {})
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []  # headers, body
        owner = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 5  # a client that says nothing must not keep its thread

            def do_POST(self) -> None:
                length = min(int(self.headers.get("Content-Length", 0)), BODY_LIMIT)
                body = json.loads(self.rfile.read(length))
                code = owner.book.refuse(body["order"])
                if code is None:
                    code = 204
                    owner.requests.append((dict(self.headers), body))
                    owner.book.accept(body["order"], code)
                self.send_response(code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="webhooks", daemon=True
        )

    @property
    def url(self) -> str:
        host, port = self._server.server_address[:2]
        return f"http://{host}:{port}/orders"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
