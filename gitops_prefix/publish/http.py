"""A small HTTP client for the JSON APIs of forges, and for webhooks.

One request gives one answer; a failure is a value. It uses urllib.request, which the daemon
loads for its metrics anyway; a TLS context costs 1.3 MiB.
"""

import http.client
import json
import logging
import queue
import re
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    build_opener,
)
from urllib.request import Request as UrllibRequest

from gitops_prefix import __version__
from gitops_prefix.publish.scrub import scrub

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)

MOST_BYTES = 4 * 1024 * 1024
_MOST_WORDS = 300
_DEEPEST_WORDS = 8
_LONGEST_WAIT = 3600.0
"""Seconds; GitHub's limits end within an hour, and a server's mistake must not stop us for ever."""
_MOST_REDIRECTS = 3
_LAST_SECONDS = 1.0
_TRY_LATER = frozenset({408, 425, 429})
_SECRET_HEADERS = frozenset({"authorization", "private-token"})
_SHORTEST_SECRET = 6
_ELSEWHERE = re.compile(r"redirects to (\S+), which is not followed")


@dataclass(frozen=True, slots=True)
class Request:
    """A request.

    Attributes:
        headers: Authorization and Private-Token are secrets, and are never shown.
        content: sent as JSON; bytes are sent as they are; None sends no body.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: Any = None


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with a status of 200 to 299.

    Attributes:
        headers: by lower-case name.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> Any:
        """Return the body as JSON; None if it is not JSON."""
        try:
            return _loads(self.body)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Refused:
    """The server refused, and will refuse again until something changes.

    Attributes:
        words: the server's words, safe to show.
        status: 0 if nothing was sent.
        content: the body as JSON.
        date: the Date header, or empty.
    """

    words: str
    status: int = 0
    content: Any = None
    date: str = ""


@dataclass(frozen=True, slots=True)
class Unreachable:
    """The server did not answer, has trouble, or limits our rate.

    Attributes:
        retry_after: seconds that the server asks us to wait; 0 if it does not say.
    """

    words: str
    retry_after: float = 0.0


Answer: TypeAlias = Response | Refused | Unreachable
Failure: TypeAlias = Refused | Unreachable
Send: TypeAlias = Callable[[Request], Answer]
"""Sends a request; forges and webhooks are given one."""


class HttpClient:
    """Sends one request at a time; proxies are taken from the environment."""

    def __init__(self, *, seconds: float = 10.0, ca_file: Path | None = None) -> None:
        """Set the limits; nothing is sent yet.

        Args:
            seconds: for an answer, from the name lookup to the last byte.
            ca_file: the trusted authorities; default: the system's, or SSL_CERT_FILE.
        """
        self._seconds = seconds
        self._ca_file = ca_file
        self._late: threading.Thread | None = None

    def send(self, request: Request) -> Answer:
        """Send a request, and read the whole answer."""
        answer = self._send(request)
        log.debug("%s %s: %s", request.method, _host(request.url), _shown(answer, request))
        return answer

    def _send(self, request: Request) -> Answer:
        if self._late is not None and self._late.is_alive():
            return Unreachable("the request before this one still hangs")
        answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        sockets = _Sockets()
        # A socket has a limit for each read only, and a name lookup has none. So a thread asks.
        # When it is late its sockets are shut down, which ends it, unless it still looks up a
        # name: then it is left behind, and no other thread is started while it lives.
        thread = threading.Thread(
            target=lambda: answers.put(self._exchange(request, sockets)),
            name="http-client",
            daemon=True,
        )
        thread.start()
        try:
            return answers.get(timeout=self._seconds)
        except queue.Empty:
            self._late = thread
            sockets.end()
            thread.join(_LAST_SECONDS)
            return self._silent(request)

    def _silent(self, request: Request) -> Unreachable:
        """The same words for the socket's limit and for the limit of the whole request."""
        return Unreachable(f"{_host(request.url)}: no answer within {self._seconds:g} s")

    def _exchange(self, request: Request, sockets: "_Sockets") -> Answer:
        try:
            return self._open(request, sockets)
        finally:
            sockets.close()

    def _open(self, request: Request, sockets: "_Sockets") -> Answer:
        secrets = _secrets(request)
        host = _host(request.url)
        try:
            opener = self._opener(sockets, secure=urlsplit(request.url).scheme == "https")
            with opener.open(_urllib_request(request), timeout=self._seconds) as response:
                body = response.read(MOST_BYTES + 1)
                headers = _lowered(response.headers.items())
                status = response.status
        except HTTPError as error:
            with error:
                return _read_error(host, error, secrets)
        except ValueError:
            # The exception's message would quote the header that cannot be sent, and so the token.
            return Refused(f"{host}: no URL, or no header, that can be sent")
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            if isinstance(reason, TimeoutError):
                return self._silent(request)
            return Unreachable(f"{host}: {fit_to_show(str(reason), secrets)}")
        if len(body) > MOST_BYTES:
            return Refused(f"{host}: the answer is longer than {MOST_BYTES} bytes", status)
        return Response(status, headers, body)

    def _opener(self, sockets: "_Sockets", *, secure: bool) -> OpenerDirector:
        if not secure:
            # A redirect to https counts as another server.
            return build_opener(_PlainHandler(sockets), _SameServer())
        import ssl  # noqa: PLC0415  1.3 MiB, only if it is used

        # Made for each request, so that a replaced bundle on the disk is used.
        context = ssl.create_default_context(cafile=self._ca_file and str(self._ca_file))
        return build_opener(_SecureHandler(sockets, context), _SameServer())


def redirect_of(url: str, question: str, ca_file: Path | None) -> str:
    """Return where a web server redirects from this URL, though nobody may answer there, or "".

    Args:
        url: asked without credentials.
        question: put behind it, and taken from the answer.
        ca_file: as `HttpClient` has it.
    """
    answer = HttpClient(ca_file=ca_file).send(Request("GET", f"{url.rstrip('/')}{question}"))
    found = _ELSEWHERE.search("" if isinstance(answer, Response) else answer.words)
    return found[1].removesuffix(question) if found else ""


class _Sockets:
    """The sockets of one request, which may end while its thread still connects."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[socket.socket] = []
        self._ended = False

    def note(self, made: socket.socket) -> None:
        """Keep a copy: TLS takes the socket away, and the copy leads to the same connection."""
        with self._lock:
            self._known.append(made.dup())
        if self._ended:
            self.end()

    def end(self) -> None:
        """End every connection, and each that is made from now on."""
        with self._lock:
            self._ended = True
            for connection in self._known:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the copies."""
        with self._lock:
            for connection in self._known:
                connection.close()


class _PlainHandler(HTTPHandler):
    """Notes the sockets of its connections."""

    def __init__(self, sockets: _Sockets) -> None:
        super().__init__()
        self._sockets = sockets

    def http_open(self, req: UrllibRequest) -> http.client.HTTPResponse:
        return self.do_open(_noting(http.client.HTTPConnection, self._sockets), req)


class _SecureHandler(HTTPSHandler):
    """Notes the sockets of its connections."""

    def __init__(self, sockets: _Sockets, context: "ssl.SSLContext") -> None:
        super().__init__(context=context)
        self._sockets = sockets
        self._made_with = context

    def https_open(self, req: UrllibRequest) -> http.client.HTTPResponse:
        connection = _noting(http.client.HTTPSConnection, self._sockets)
        return self.do_open(connection, req, context=self._made_with)


def _noting(
    kind: type[http.client.HTTPConnection], sockets: _Sockets
) -> type[http.client.HTTPConnection]:
    """A connection of that kind whose socket is noted before a byte of TLS or of a proxy."""

    def create(*address: Any) -> socket.socket:
        made = socket.create_connection(*address)
        sockets.note(made)
        return made

    class Noting(kind):  # type: ignore[valid-type, misc]
        def __init__(self, *words: Any, **options: Any) -> None:
            super().__init__(*words, **options)
            self._create_connection = create

    return Noting


class _SameServer(HTTPRedirectHandler):
    """Follows redirects to the same server, as the same request (GitHub: renamed repositories)."""

    max_redirections = _MOST_REDIRECTS

    def redirect_request(  # noqa: PLR0913, PLR0917  urllib's
        self, req: UrllibRequest, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> UrllibRequest | None:
        del fp, msg, headers
        here, there = urlsplit(req.full_url), urlsplit(newurl)
        moved = code in {301, 307, 308} or req.get_method() == "GET"
        if (here.scheme, here.netloc) != (there.scheme, there.netloc) or not moved:
            return None
        again = UrllibRequest(newurl, req.data, dict(req.headers), method=req.get_method())  # noqa: S310  the same scheme
        again.unredirected_hdrs.update(req.unredirected_hdrs)
        return again


def _urllib_request(request: Request) -> UrllibRequest:
    content = request.content
    headers = {"User-Agent": f"gitops-prefix/{__version__}", "Accept": "application/json"}
    if content is not None and not isinstance(content, bytes):
        content = json.dumps(content).encode()
    if content is not None:
        headers["Content-Type"] = "application/json"
    if urlsplit(request.url).scheme not in {"http", "https"}:
        raise ValueError("only http and https are spoken")
    return UrllibRequest(  # noqa: S310  checked above
        request.url, content, headers | dict(request.headers), method=request.method
    )


def _read_error(host: str, error: HTTPError, secrets: Iterable[str]) -> Failure:
    headers = _lowered(error.headers.items())
    try:
        body = error.read(MOST_BYTES)
    except (OSError, http.client.HTTPException):
        body = b""
    content, text = _parse(body)
    words = fit_to_show(_said(content) or text, secrets)
    words = f"{host}: {error.code} {words}".rstrip()
    if "location" in headers and 300 <= error.code < 400:
        # That server would receive our token.
        target = fit_to_show(headers["location"], secrets)
        return Refused(f"{host}: redirects to {target}, which is not followed", error.code)
    waits = _seconds_to_wait(headers)
    limited = error.code == 403 and (waits or headers.get("x-ratelimit-remaining") == "0")
    if error.code >= 500 or error.code in _TRY_LATER or limited:
        return Unreachable(words, waits)
    return Refused(words, error.code, content, headers.get("date", ""))


def _parse(body: bytes) -> tuple[Any, str]:
    text = body.decode(errors="replace")
    try:
        return _loads(text), ""
    except ValueError:
        # A proxy's HTML page: tags are useless in a log.
        return None, re.sub(r"<[^>]*>", " ", text)


def _loads(text: str | bytes) -> Any:
    """Parse JSON.

    Raises:
        ValueError: it is not JSON, or nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("JSON is nested too deeply") from error


def _said(content: Any, *, depth: int = _DEEPEST_WORDS) -> str:
    """The words in an error document of GitHub, GitLab, Gitea and most others."""
    if isinstance(content, str):
        return content
    if not depth:
        return ""
    if isinstance(content, list):
        return "; ".join(filter(None, (_said(item, depth=depth - 1) for item in content)))
    if not isinstance(content, Mapping):
        return ""
    keys = ("message", "error", "error_description", "errors")
    said = [_said(content.get(key), depth=depth - 1) for key in keys]
    return ": ".join(text for text in said if text)


def fit_to_show(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the words of others as one short line, without our secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return " ".join(scrub(text).split())[:_MOST_WORDS]


def _secrets(request: Request) -> list[str]:
    texts = [text for name, text in request.headers.items() if name.lower() in _SECRET_HEADERS]
    words = [word for text in texts for word in (text, text.split()[-1] if text.split() else "")]
    return [word for word in words if len(word) >= _SHORTEST_SECRET]


def _seconds_to_wait(headers: Mapping[str, str]) -> float:
    """From Retry-After (seconds or a date) or GitHub's X-RateLimit-Reset, by the server's clock."""
    after = headers.get("retry-after", "")
    try:
        return min(_LONGEST_WAIT, max(0.0, _named_wait(after, headers)))
    except (KeyError, ValueError, OverflowError):
        return 0.0


def _named_wait(after: str, headers: Mapping[str, str]) -> float:
    if after.isascii() and after.isdecimal():
        return float(after)
    there = parsedate_to_datetime(headers["date"]).timestamp()
    if after:
        return parsedate_to_datetime(after).timestamp() - there
    if headers.get("x-ratelimit-remaining") == "0":
        return float(headers["x-ratelimit-reset"]) - there
    return 0.0


def _lowered(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): text for name, text in headers}


def _shown(answer: Answer, request: Request) -> str:
    """The answer for a log: its message, and nothing else of the body, which may hold a token."""
    if not isinstance(answer, Response):
        return answer.words.removeprefix(f"{_host(request.url)}: ")
    said = fit_to_show(_said(answer.json()), _secrets(request))
    return f"{answer.status}, {len(answer.body)} bytes {said}".rstrip()


def _host(url: str) -> str:
    """The host of a URL, for messages; the path of a webhook may be a secret."""
    return urlsplit(url).netloc.rpartition("@")[2] or "a URL without a host"
