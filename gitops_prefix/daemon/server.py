"""/healthz, /readyz, /metrics, /status and the status page, over HTTP.

Read-only, without a framework: a few fixed answers and no input but the path.
"""

import json
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6, SHUT_RDWR, getaddrinfo, socket
from typing import Any, NamedTuple

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.scrub import redact

MOST_AT_ONCE = 64
"""Connections; git needs descriptors, too. Who came first makes room: probes get through."""


class Page(NamedTuple):
    """One answer."""

    status: HTTPStatus
    content_type: str
    body: bytes


Pages = Mapping[str, Callable[[], Page]]
"""What to answer for each path."""


def text_page(text: str, *, ok: bool = True) -> Page:
    """A plain answer: 200, or 503 when it is not `ok`."""
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def html_page(page: bytes) -> Page:
    """A page for people."""
    return Page(HTTPStatus.OK, "text/html; charset=utf-8", page)


def json_page(answer: object) -> Page:
    """An answer for programs."""
    text = redact(json.dumps(answer, indent=2, ensure_ascii=False))
    return Page(HTTPStatus.OK, "application/json", f"{text}\n".encode(errors="replace"))


class Server:
    """Answers in a thread of its own until it is closed."""

    def __init__(self, listen: str, pages: Pages) -> None:
        """Bind at once, so that a taken port is known at the start.

        Args:
            listen: "[HOST]:PORT"; without a host, every address of the machine.
            pages: what to answer for each path.

        Raises:
            InputError: `listen` is not of that form.
            OutsideError: the address cannot be bound.
        """
        host, port = parse_listen(listen)
        try:
            self._server = _listener(host, port, pages)
        except OSError as error:
            raise OutsideError(f"cannot listen on {listen}: {error.strerror or error}") from error
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 3600},
            name="http",
            daemon=True,
        )
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        # serve_forever looks for a shutdown only between polls; closing its socket
        # and leaving the daemon thread behind ends it without any polling at rest.
        self._server.server_close()


def parse_listen(listen: str) -> tuple[str, int]:
    """Split "[HOST]:PORT".

    Raises:
        InputError: it is not of that form.
    """
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise InputError(
            Problem("invalid-listen", f'--listen "{listen}" is not [HOST]:PORT: write ":8080"')
        )
    return host.strip("[]"), int(port)


def _listener(host: str, port: int, pages: Pages) -> ThreadingHTTPServer:
    family = AF_INET6 if not host else getaddrinfo(host, port)[0][0]

    class Answers(BaseHTTPRequestHandler):
        """Looks the path up, and nothing else."""

        timeout = 10

        def do_GET(self) -> None:  # the name is http.server's
            page = pages.get(self.path.partition("?")[0], _not_found)()
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header(
                "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"
            )
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(page.body)

        do_HEAD = do_GET  # noqa: N815  the name is http.server's

        def log_message(self, *_: object) -> None:
            """Probes come every few seconds; nobody wants them in the log."""

    class Listener(_Bounded):
        """Dual-stack where the machine is."""

        address_family = family

    try:
        return Listener((host, port), Answers)
    except OSError:
        if host:
            raise
        # A kernel without IPv6 addresses still has probes over IPv4.
        Listener.address_family = AF_INET
        return Listener((host, port), Answers)


class _Bounded(ThreadingHTTPServer):
    """A thread for each connection, and so many at once and no more."""

    daemon_threads = True

    def __init__(self, *address: Any) -> None:
        self._open: dict[socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(*address)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
            if len(self._open) > MOST_AT_ONCE:
                oldest = next(iter(self._open))
                del self._open[oldest]
                # Its thread reads the end of the line, and closes it.
                with suppress(OSError):
                    oldest.shutdown(SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Who asks may go away at any time; that is nobody's error.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _not_found() -> Page:
    return Page(HTTPStatus.NOT_FOUND, "text/plain; charset=utf-8", b"not found\n")
