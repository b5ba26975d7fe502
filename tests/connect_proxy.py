"""A small CONNECT proxy on loopback (RFC 9110 9.3.6), with or without a password."""

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class ConnectProxy:
    """What it was asked for: the targets that it opened, and how often it refused."""

    port: int
    userinfo: str
    opened: list[str] = field(default_factory=list)
    refused: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def connect_proxy(userinfo: str = "") -> Iterator[ConnectProxy]:
    """One that asks for `user:password` when it is given."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        proxy = ConnectProxy(listening.getsockname()[1], userinfo)
        serving = threading.Thread(target=_serve, args=(listening, proxy))
        serving.start()
        try:
            yield proxy
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            serving.join()


def _serve(listening: socket.socket, proxy: ConnectProxy) -> None:
    threads = []
    with suppress(OSError):
        while True:
            connection, _ = listening.accept()
            threads.append(threading.Thread(target=_converse, args=(connection, proxy)))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _converse(connection: socket.socket, proxy: ConnectProxy) -> None:
    wanted = base64.b64encode(proxy.userinfo.encode()).decode()
    with closing(connection), suppress(OSError):
        while True:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                more = connection.recv(65536)
                if not more:
                    return
                request += more
            lines = request.decode().split("\r\n")
            if wanted and f"Proxy-Authorization: Basic {wanted}" not in lines:
                proxy.refused += 1
                connection.sendall(
                    b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                    b"Proxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
                )
                continue
            target = lines[0].split()[1]
            proxy.opened.append(target)
            host, _, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port))) as remote:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _join(connection, remote)
            return


def _join(one: socket.socket, other: socket.socket) -> None:
    back = threading.Thread(target=_pump, args=(other, one))
    back.start()
    _pump(one, other)
    back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
