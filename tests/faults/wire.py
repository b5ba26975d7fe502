"""A line between us and a server: it can be taken down, cut after some bytes, and be slow."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.git_servers import free_port

_TICKS = 10
"""How often a second a slow line passes on what it may."""


@dataclass
class Cable:
    """One connection.

    Attributes:
        towards: bytes that went to the server.
        back: bytes that came from it.
    """

    ours: socket.socket
    theirs: socket.socket
    towards: int = 0
    back: int = 0

    def cut(self) -> None:
        for end in (self.ours, self.theirs):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@dataclass
class Wire:
    """Listens on `port` and passes on to `to`, while it is up.

    Attributes:
        cables: every connection that was made.
        cut_towards: bytes to the server after which each new connection is cut, or None.
        cut_back: the same for bytes from it.
        rate: bytes a second in each direction, or None.
    """

    to: int
    port: int = field(default_factory=free_port)
    cables: list[Cable] = field(default_factory=list)
    cut_towards: int | None = None
    cut_back: int | None = None
    rate: int | None = None
    _listening: socket.socket | None = None
    _threads: list[threading.Thread] = field(default_factory=list)

    def up(self) -> None:
        """Take connections; who was refused is taken now."""
        if self._listening is None:
            self._listening = socket.create_server(("127.0.0.1", self.port))
            self._start(self._accept, self._listening)

    def down(self) -> None:
        """Refuse connections, and cut those that there are."""
        listening, self._listening = self._listening, None
        if listening is not None:
            # Closing alone leaves a thread in accept() for ever.
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for cable in self.cables:
            cable.cut()
        for thread in self._threads:
            thread.join(timeout=60)
        self._threads.clear()

    def mend(self) -> None:
        """No connection is cut or slow from now on."""
        self.cut_towards = self.cut_back = self.rate = None

    def _start(self, target, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                ours, _ = listening.accept()
            except OSError:
                return
            try:
                theirs = socket.create_connection(("127.0.0.1", self.to))
            except OSError:
                ours.close()
                continue
            cable = Cable(ours, theirs)
            self.cables.append(cable)
            if self._listening is not listening:
                # It was taken down meanwhile, which cut those that it knew.
                cable.cut()
            self._start(self._carry, cable)

    def _carry(self, cable: Cable) -> None:
        back = threading.Thread(
            target=self._pump, args=(cable, cable.theirs, cable.ours, "back", self.cut_back)
        )
        back.start()
        self._pump(cable, cable.ours, cable.theirs, "towards", self.cut_towards)
        back.join()
        cable.ours.close()
        cable.theirs.close()

    def _pump(
        self, cable: Cable, source: socket.socket, sink: socket.socket, way: str, limit: int | None
    ) -> None:
        with suppress(OSError):
            while chunk := source.recv(self.rate // _TICKS if self.rate else 65536):
                room = len(chunk) if limit is None else limit - getattr(cable, way)
                sink.sendall(chunk[:room])
                setattr(cable, way, getattr(cable, way) + len(chunk[:room]))
                if room <= len(chunk) and limit is not None:
                    cable.cut()
                    return
                if self.rate:
                    time.sleep(len(chunk) / self.rate)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def wire(to: int) -> Iterator[Wire]:
    """A line to a port of loopback, which is up."""
    line = Wire(to)
    line.up()
    try:
        yield line
    finally:
        line.down()
