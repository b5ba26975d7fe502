"""A proxy before a real API server that delays, hangs and refuses by a rule."""

import http.client
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from tests.apiserver import ApiServer
from tests.web_stand_in import Asked, Says


@dataclass(frozen=True)
class Wait:
    """Answer after this time; inf hangs until the end."""

    seconds: float


Rule = Callable[[Asked], Says | Wait | None]
"""What is done with a request; None passes it on at once."""


@dataclass
class SlowApi:
    """The proxy.

    Attributes:
        kubeconfig: leads through it.
        asked: every request, as method and path without its query.
    """

    kubeconfig: Path
    rule: Rule
    asked: list[tuple[str, str]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def count(self, method: str, words: str = "") -> int:
        return sum(asked == method and words in path for asked, path in [*self.asked])


@contextmanager
def slow_api(
    cluster: ApiServer, directory: Path, rule: Rule = lambda _: None, *, user: str = "admin"
) -> Iterator[SlowApi]:
    document = json.loads(cluster.kubeconfig(user).read_text())
    server = urlsplit(cluster.url)
    trusted = ssl.create_default_context(cafile=str(cluster.authority))
    proxy = SlowApi(directory / "slow.kubeconfig", rule)

    class Passes(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        timeout = 60

        def setup(self) -> None:
            super().setup()
            self.behind = http.client.HTTPSConnection(
                server.hostname or "", server.port, context=trusted
            )

        def finish(self) -> None:
            self.behind.close()
            super().finish()

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): text for name, text in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            proxy.asked.append((self.command, self.path.partition("?")[0]))
            does = proxy.rule(asked)
            if isinstance(does, Wait):
                proxy.ending.wait(None if does.seconds == float("inf") else does.seconds)
                if does.seconds == float("inf"):
                    self.close_connection = True
                    return
            says = does if isinstance(does, Says) else self.passed(asked)
            self.send_response(says.status)
            for name, text in {"Content-Length": str(len(says.body)), **says.headers}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(says.body)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_any  # noqa: N815  http.server's

        def passed(self, asked: Asked) -> Says:
            kept = {name: text for name, text in asked.headers.items() if name != "host"}
            self.behind.request(asked.method, asked.path, asked.body, kept)
            answer = self.behind.getresponse()
            named = {name: text for name, text in answer.getheaders() if name == "Content-Type"}
            return Says(answer.status, answer.read(), named)

        def log_message(self, *_: object) -> None:
            """Tests look at `asked`."""

        def handle(self) -> None:
            with suppress(OSError):
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Passes) as serving:
        serving.daemon_threads = False
        url = f"http://127.0.0.1:{serving.server_address[1]}"
        document["clusters"][0]["cluster"] = {"server": url}
        proxy.kubeconfig.write_text(json.dumps(document))
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield proxy
        finally:
            proxy.ending.set()
            serving.shutdown()
            thread.join()
