"""A web server on loopback that answers as a function says, for what speaks HTTP to others."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Says:
    """An answer to be given."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class StandIn:
    """Where it listens, and what it was asked so far."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def stand_in(answer: Callable[[Asked], Says], *, certificate: Path | None = None) -> Iterator:
    """Serve; `certificate` holds a key, too, and makes it https."""
    served = StandIn("")
    lock = threading.Lock()

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_any(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(length))
            with lock:
                served.asked.append(asked)
                says = answer(asked)
            self.send_response(says.status)
            for name, text in {"Content-Length": str(len(says.body)), **says.headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(says.body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_any  # noqa: N815  http.server's

        def log_message(self, *_: object) -> None:
            """Tests look at `asked`."""

        def handle(self) -> None:
            # Whoever asked may be gone; the next test reads what is written to stderr.
            with suppress(OSError):
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https" if certificate else "http"
        served.url = f"{scheme}://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()
