"""/healthz, /readyz, /metrics, /status, lists of networks, the page, and `/update`, over HTTP.

Without a framework. All but `/update` is read-only: a few fixed answers, and no input but the
path, the Host and a token. An update carries a password of its own, under whatever Host.
"""

import base64
import binascii
import hmac
import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from errno import EMFILE, ENFILE, ENOBUFS, ENOMEM
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from socket import AF_INET, AF_INET6, SHUT_RDWR, getaddrinfo, gethostname, socket
from typing import Any, NamedTuple

from gitops_prefix.daemon.webhook import MOST_BYTES, Update, UpdateAnswer
from gitops_prefix.errors import InputError, OutsideError, Problem, shown
from gitops_prefix.publish.scrub import redact

log = logging.getLogger(__name__)

NO_SCRIPT = "default-src 'none'; style-src 'unsafe-inline'"
"""What a browser may do with an answer: show it, and nothing else."""
MOST_AT_ONCE = 64
"""Connections; git needs descriptors, too. Who came first makes room: probes get through."""
_SHORT = frozenset({EMFILE, ENFILE, ENOBUFS, ENOMEM})
"""This machine has no descriptor or memory left for a connection."""
_PAUSE_SECONDS = 0.1
UPDATE = "/update"
_PORT = re.compile(r"[0-9]{1,5}")
_LENGTH = re.compile(r"[0-9]{1,9}")
PROBES = frozenset({"/healthz", "/readyz"})
"""One word each; the kubelet has no token."""


class Page(NamedTuple):
    """One answer.

    Attributes:
        policy: what a browser may do with it (Content-Security-Policy).
    """

    status: HTTPStatus
    content_type: str
    body: bytes
    policy: str = NO_SCRIPT


Pages = Mapping[str, Callable[[], Page]]
"""What to answer for each path."""
ListOf = Callable[[str, str], Sequence[str]]
"""Returns the networks of a part of a DynamicPrefix, by both names; empty when there are none."""
TakeUpdate = Callable[[Update], UpdateAnswer]
"""Takes one update, and returns the answer to it."""
ReadToken = Callable[[], str]
"""Returns the token that opens the pages; called for each request: its file may be replaced."""


def text_page(text: str, *, ok: bool = True) -> Page:
    """A plain answer: 200, or 503 when it is not `ok`."""
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return Page(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def html_page(page: bytes, policy: str = NO_SCRIPT) -> Page:
    """A page for people."""
    return Page(HTTPStatus.OK, "text/html; charset=utf-8", page, policy)


def json_page(answer: object) -> Page:
    """An answer for programs."""
    text = redact(json.dumps(answer, indent=2, ensure_ascii=False))
    return Page(HTTPStatus.OK, "application/json", f"{text}\n".encode(errors="replace"))


class ListedPages(Mapping[str, Callable[[], Page]]):
    """Pages, and a plain list for each part of a prefix: `/prefixes/NAME/RANGE.txt`.

    Firewalls read such a list by its URL (OPNsense, "URL table"). A list that would be empty
    is not found: a firewall then keeps the last one.
    """

    def __init__(self, pages: Pages, list_of: ListOf) -> None:
        """Keep both."""
        self._pages, self._list_of = pages, list_of

    def __getitem__(self, path: str) -> Callable[[], Page]:
        if path in self._pages:
            return self._pages[path]
        empty, first, *names = path.split("/")
        if (empty, first, len(names)) != ("", "prefixes", 2) or not path.endswith(".txt"):
            raise KeyError(path)
        lines = self._list_of(names[0], names[1].removesuffix(".txt"))
        if not lines:
            raise KeyError(path)
        return partial(text_page, "\n".join(lines))

    def __iter__(self) -> Iterator[str]:
        return iter(self._pages)

    def __len__(self) -> int:
        return len(self._pages)


class Certificate:
    """What TLS needs, read anew whenever the files changed."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Name the files; `context` reads them."""
        self._files = (certificate, key)
        self._versions: list[tuple[int, int]] = []
        self._context: Any = None

    def context(self) -> Any:
        """The ssl.SSLContext of the files.

        While they are being replaced, it is the last one that was right.

        Raises:
            ValueError: they never were right.
        """
        # ssl loads OpenSSL, 5 MiB: only for those who need it.
        import ssl  # noqa: PLC0415

        certificate, key = self._files
        try:
            states = [file.stat() for file in self._files]
            versions = [(state.st_ino, state.st_mtime_ns) for state in states]
            if versions != self._versions:
                context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                context.load_cert_chain(certificate, key, password=lambda: "")
                self._context, self._versions = context, versions
        except (OSError, ValueError) as error:
            if self._context is None:
                reason = getattr(error, "strerror", None) or error
                message = f"--webhook-cert {certificate}, --webhook-key {key}: {reason}"
                raise ValueError(message) from error
        return self._context


class Server:
    """Answers in a thread of its own until it is closed."""

    def __init__(  # noqa: PLR0913  what a listener is made of
        self,
        listen: str,
        pages: Pages,
        token: ReadToken | None = None,
        *,
        update: TakeUpdate | None = None,
        certificate: Certificate | None = None,
        option: str = "--listen",
    ) -> None:
        """Bind at once, so that a taken port is known at the start.

        Args:
            listen: "[HOST]:PORT"; without a host, every address of the machine.
            pages: what to answer for each path.
            token: returns the token that a request for a page must carry, except for the
                probes; None: nobody needs one.
            update: takes the updates of `/update`; None: nobody may send one.
            certificate: for TLS; None serves plain HTTP.
            option: that named the address, for messages.

        Raises:
            InputError: `listen` is not of that form.
            OutsideError: the address cannot be bound.
        """
        host, port = parse_listen(listen, option)
        try:
            door = _Door(_own_names(host), token)
            self._server = _listener(host, port, _Served(pages, door, update, certificate))
        except OSError as error:
            raise OutsideError(f"cannot listen on {listen}: {error.strerror or error}") from error
        address: Sequence[Any] = self._server.server_address
        self.port: int = address[1]
        self._address = ip_address(address[0])
        self._asks = token is not None
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 3600},
            name="http",
            daemon=True,
        )
        self._thread.start()

    @property
    def warning(self) -> str:
        """Who can read what is served here, when that is more than this machine's users."""
        if self._address.is_loopback or self._asks:
            return ""
        where = "any address of this machine"
        if not self._address.is_unspecified:
            where = str(self._address)
        return (
            f"--listen: everybody who reaches port {self.port} of {where} can read the prefixes, "
            "the routers' addresses, the repository's URL and the words of the Git server: write "
            f'"127.0.0.1:{self.port}", or give --listen-token-file'
        )

    def close(self) -> None:
        """Stop answering."""
        # serve_forever looks for a shutdown only between polls; closing its socket
        # and leaving the daemon thread behind ends it without any polling at rest.
        self._server.server_close()


def parse_listen(listen: str, option: str = "--listen") -> tuple[str, int]:
    """Split "[HOST]:PORT".

    Raises:
        InputError: it is not of that form.
    """
    host, colon, port = listen.rpartition(":")
    # RFC 1035 2.3.4: a label has 1 to 63 octets; getaddrinfo raises UnicodeError for another.
    is_name = all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")) or not host
    if not (colon and is_name and _PORT.fullmatch(port)) or int(port) > 65535:
        raise InputError(
            Problem(
                "invalid-listen", f'{option} "{listen}" is not [HOST]:PORT: write "127.0.0.1:8080"'
            )
        )
    return host.strip("[]"), int(port)


def _own_names(host: str) -> frozenset[str]:
    machine = gethostname().lower()
    return frozenset({"localhost", host.lower(), machine, machine.partition(".")[0]} - {""})


class _Door(NamedTuple):
    """Whose requests are answered.

    A web page of anybody may have a browser on this network ask us, under a name that the
    page's owner lets lead here (DNS rebinding). The Host of such a request is that name.

    Attributes:
        names: besides addresses, the names under which we may be asked.
        token: as `Server` has it.
    """

    names: frozenset[str]
    token: ReadToken | None

    def refuse(self, path: str, hosts: Sequence[str], authorization: str) -> Page | None:
        """The answer to a request that is refused; None: it is not.

        Args:
            path: without the query.
            hosts: each Host header; HTTP/1.0 needs none.
            authorization: the header, or an empty string.
        """
        if len(hosts) > 1:
            return _refused(HTTPStatus.BAD_REQUEST, "more than one Host")
        words = "this is not a name of this machine: ask by an address, or as localhost"
        known = not hosts or self._knows(hosts[0])
        stranger = None if known else _refused(HTTPStatus.MISDIRECTED_REQUEST, words)
        if self.token is None or path in PROBES:
            return stranger
        try:
            token = self.token()
        except (InputError, OutsideError):
            # The file is being replaced; the token that it held does not count any more.
            return _refused(HTTPStatus.SERVICE_UNAVAILABLE, "the token cannot be read now")
        if _carries(authorization, token):
            return None
        return stranger or _refused(
            HTTPStatus.UNAUTHORIZED, "give the token of --listen-token-file"
        )

    def _knows(self, host: str) -> bool:
        """Whether a Host is an address, which no name server can give to others, or our name."""
        whole = host.strip()
        name, colon, port = whole.rpartition(":")
        if not colon or name.endswith(":") or (port and not port.isdigit()):
            name = whole
        # The root's dot may end a name, and browsers take one behind an address as well.
        name = name.removesuffix(".").lower()
        if name in self.names:
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


def _carries(authorization: str, token: str) -> bool:
    """Whether a request carries the token, as Bearer or as the password of a browser."""
    scheme, _, given = authorization.partition(" ")
    # A header's bytes come as Latin-1; a token may be any text.
    words = given.strip().encode("latin-1", errors="replace")
    if scheme.lower() == "basic":
        try:
            words = base64.b64decode(words, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != "bearer":
        return False
    return hmac.compare_digest(words, token.encode())


def _refused(status: HTTPStatus, words: str) -> Page:
    return Page(status, "text/plain; charset=utf-8", f"{words}\n".encode())


class _Served(NamedTuple):
    """What one listener serves, as `Server` has it."""

    pages: Pages
    door: _Door
    update: TakeUpdate | None
    certificate: Certificate | None


class _Answers(BaseHTTPRequestHandler):
    """Looks the path up, or takes an update, and nothing else."""

    served: _Served
    timeout = 10

    def do_GET(self) -> None:  # the name is http.server's
        path, _, query = self.path.partition("?")
        if path == UPDATE and self.served.update is not None and self.command != "HEAD":
            self._take(self.served.update, query)
            return
        hosts = self.headers.get_all("Host", [])
        page = self.served.door.refuse(path, hosts, self.headers.get("Authorization", ""))
        self._show(self._made(path) if page is None else page)

    do_HEAD = do_GET  # noqa: N815  the name is http.server's

    def do_POST(self) -> None:  # the name is http.server's
        path, _, query = self.path.partition("?")
        # A request without either has no body (RFC 9112 6.3): curl -X POST sends neither.
        chunked = "Transfer-Encoding" in self.headers
        length = "" if chunked else self.headers.get("Content-Length", "0")
        if path != UPDATE or self.served.update is None:
            self._show(_not_found())
        elif not _LENGTH.fullmatch(length) or int(length) > MOST_BYTES:
            self.close_connection = True
            self._take(self.served.update, "", unread=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        else:
            form = self.rfile.read(int(length)).decode("ascii", "replace")
            self._take(self.served.update, "&".join(filter(None, (query, form.strip()))))

    def _made(self, path: str) -> Page:
        try:
            return self.served.pages.get(path, _not_found)()
        except Exception as error:  # noqa: BLE001  whatever is wrong, who asks gets an answer
            words = shown(f"{type(error).__name__}: {error}")
            log.error("%s could not be made: %s", path, words)  # noqa: TRY400  one line
            return _refused(HTTPStatus.INTERNAL_SERVER_ERROR, "it could not be made; see the log")

    def _take(self, update: TakeUpdate, query: str, *, unread: HTTPStatus | None = None) -> None:
        if len(query) > 2 * MOST_BYTES:
            query, unread = "", HTTPStatus.REQUEST_URI_TOO_LONG
        authorization = self.headers.get("Authorization", "")
        answer = update(Update(query, authorization, str(self.client_address[0]), unread))
        self._show(_refused(answer.status, answer.words))

    def _show(self, page: Page) -> None:
        self.send_response(page.status)
        if page.status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", 'Basic realm="gitops-prefix"')
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", page.policy)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)

    def log_message(self, *_: object) -> None:
        """Probes come every few seconds, and a query may hold a password."""


def _listener(host: str, port: int, served: _Served) -> ThreadingHTTPServer:
    family = AF_INET6 if not host else getaddrinfo(host, port)[0][0]
    answers = type("Answers", (_Answers,), {"served": served})

    class Listener(_Bounded):
        """Dual-stack where the machine is."""

        address_family = family
        certificate = served.certificate

    try:
        return Listener((host, port), answers)
    except OSError:
        if host:
            raise
        # A kernel without IPv6 addresses still has probes over IPv4.
        Listener.address_family = AF_INET
        return Listener((host, port), answers)


class _Bounded(ThreadingHTTPServer):
    """A thread for each connection, and so many at once and no more."""

    daemon_threads = True
    # A client that finds the queue full tries again only after a second.
    request_queue_size = MOST_AT_ONCE
    certificate: Certificate | None = None

    def __init__(self, *address: Any) -> None:
        self._open: dict[socket, None] = {}
        self._lock = threading.Lock()
        super().__init__(*address)

    def get_request(self) -> Any:
        try:
            request, client = super().get_request()
        except OSError as error:
            if error.errno in _SHORT:
                # Who waits stays at the door: without a pause the whole core would go to asking.
                self._make_room(0)
                threading.Event().wait(_PAUSE_SECONDS)
            raise
        if self.certificate is not None:
            # The first read of the connection's thread does the handshake.
            try:
                request = self.certificate.context().wrap_socket(
                    request, server_side=True, do_handshake_on_connect=False
                )
            except ValueError as error:
                # Only an OSError leaves the listener listening.
                request.close()
                raise OSError(str(error)) from error
        return request, client

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open[request] = None
        self._make_room(MOST_AT_ONCE)
        super().process_request(request, client_address)

    def _make_room(self, most: int) -> None:
        """End the oldest connection if there are more than so many."""
        with self._lock:
            if len(self._open) > most:
                oldest = next(iter(self._open))
                del self._open[oldest]
                # Its thread reads the end of the line, and closes it.
                with suppress(OSError):
                    oldest.shutdown(SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, *_: Any) -> None:
        # Who asks may go away at any time; that is nobody's error.
        error = sys.exception()
        if not isinstance(error, OSError):
            words = shown(f"{type(error).__name__}: {error}")
            log.error("a request was not answered: %s", words)


def _not_found() -> Page:
    return _refused(HTTPStatus.NOT_FOUND, "not found")
