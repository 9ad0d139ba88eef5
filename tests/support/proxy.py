"""A TCP proxy between a worker and its database, that makes trouble when it is told to."""

import select
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from django.db import connection

SIZE = 1 << 16
TICK = 0.05  # seconds between two looks at whether to end
SETTLED = 0.1  # an answer is complete when nothing more has come for so long


class Proxy:
    """
    Forwards connections to the test database's server.

    ``url`` is the test database's, by way of this proxy. Each of the methods may be called at
    any time, and holds until the opposite is called.
    """

    def __init__(self, target: tuple[Any, ...], url: str = "") -> None:
        self._target = target
        self._url = url
        self._lock = threading.Lock()
        self._links: set[_Link] = set()
        self.stalled = False
        self.delay = 0.0  # seconds, each way
        self.needles: tuple[bytes, ...] = ()
        self.swallowed = threading.Event()
        self._listener: socket.socket | None = None
        self.port = 0
        self.accept()

    @property
    def url(self) -> str:
        return self._url.format(port=self.port)

    def accept(self) -> None:
        """Take new connections, on the same port as ever."""
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=100)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def refuse(self) -> None:
        """As a server that is down: end all connections, refuse new ones."""
        if self._listener is not None:
            # A close alone would leave the port open for as long as accept() waits.
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.cut()

    def cut(self) -> int:
        """End all connections; returns how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()
        return len(links)

    def stall(self) -> None:
        """
        A black hole: connections are accepted, and whatever is sent disappears. One that has
        lost something stays dead after flow(), as where a firewall has forgotten it.
        """
        self.stalled = True

    def flow(self) -> None:
        self.stalled = False

    def swallow_answer(self, *needles: bytes) -> threading.Event:
        """
        Once: when the client has sent each of ``needles``, in order and on one connection,
        let the server do what the last one says, and cut the connection instead of passing
        on the answer. Returns an event that tells when that has happened.
        """
        self.swallowed = threading.Event()
        self.needles = needles
        return self.swallowed

    def heal(self) -> None:
        self.flow()
        self.delay = 0.0
        self.needles = ()
        if self._listener is None:
            self.accept()

    def close(self) -> None:
        self.refuse()

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # refuse()
            link = _Link(self, client)
            with self._lock:
                self._links.add(link)
            threading.Thread(target=link.run, args=(self._target,), daemon=True).start()

    def forget(self, link: "_Link") -> None:
        with self._lock:
            self._links.discard(link)


class _Link:
    """One connection, with a thread of its own."""

    def __init__(self, proxy: Proxy, client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.server: socket.socket | None = None
        self.closed = False
        self.dead = False  # it has lost something in a stall
        self.seen = 0  # how many of the needles

    def run(self, target: tuple[Any, ...]) -> None:
        try:
            family = socket.AF_UNIX if len(target) == 1 else socket.AF_INET
            self.server = socket.socket(family)
            self.server.connect(target[0] if len(target) == 1 else target)
            while not self.closed:
                ready, _, _ = select.select([self.client, self.server], [], [], TICK)
                if not all(self._forward(source) for source in ready):
                    break
        except OSError:
            pass
        finally:
            self.close()
            self.proxy.forget(self)
            for end in (self.client, self.server):
                if end is not None:
                    end.close()

    def _forward(self, source: socket.socket) -> bool:
        """Whether the connection goes on."""
        data = source.recv(SIZE)
        self.dead = self.dead or self.proxy.stalled
        if self.dead:
            if data or source is self.client:
                return bool(data)
            time.sleep(TICK)  # the client doesn't hear either that the server is gone
            return True
        if not data:
            return False
        if self.proxy.delay:
            time.sleep(self.proxy.delay)
        to = self.server if source is self.client else self.client
        assert to is not None
        swallows = source is self.client and self._has_them_all(data)
        to.sendall(data)
        if swallows:
            self._swallow()
        return not swallows

    def _has_them_all(self, data: bytes) -> bool:
        needles = self.proxy.needles
        if not needles:
            self.seen = 0
            return False
        if needles[self.seen] in data:
            self.seen += 1
        if self.seen < len(needles):
            return False
        self.proxy.needles = ()
        return True

    def _swallow(self) -> None:
        assert self.server is not None
        wait = 30.0
        while select.select([self.server], [], [], wait)[0] and self.server.recv(SIZE):
            wait = SETTLED
        self.proxy.swallowed.set()

    def close(self) -> None:
        """End both ends, from any thread."""
        self.closed = True
        for end in (self.client, self.server):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)


def to_test_database(**options: str) -> Proxy:
    """A proxy to the test database; ``options`` are added to its URL."""
    params = connection.get_connection_params()
    if connection.vendor == "postgresql":
        scheme = "postgres"
        host, port = params.get("host") or "127.0.0.1", int(params.get("port") or 5432)
        target: tuple[Any, ...] = (host, port)
        if host.startswith("/"):
            target = (f"{host}/.s.PGSQL.{port}",)
        plain = {"sslmode": "disable"}
    else:
        scheme = "mysql"
        target = (params.get("host") or "127.0.0.1", int(params.get("port") or 3306))
        if "unix_socket" in params:
            target = (params["unix_socket"],)
        plain = {"ssl_mode": "DISABLED"}
    name, user, password = (connection.settings_dict[key] for key in ("NAME", "USER", "PASSWORD"))
    who = quote(user, "") + (f":{quote(password, '')}" if password else "")
    query = _query({**plain, **options})
    return Proxy(target, f"{scheme}://{who}@127.0.0.1:{{port}}/{name}?{query}")


def _query(options: Mapping[str, str]) -> str:
    return urlencode(options, quote_via=quote).replace("{", "{{").replace("}", "}}")
