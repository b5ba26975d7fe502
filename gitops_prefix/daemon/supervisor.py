"""What systemd is told, where it started us (sd_notify(3)): ready, alive, how it goes, leaving."""

import socket
from contextlib import suppress


class Supervisor:
    """Sends datagrams to a socket; without one, and when nobody takes them, says nothing."""

    def __init__(self, address: str = "") -> None:
        """Name a socket.

        Args:
            address: $NOTIFY_SOCKET: a path, or a name that begins with "@"; empty without one.
        """
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """The daemon listens; whether the repository is reached is another matter."""
        self._tell("READY=1")

    def alive(self) -> None:
        """The loop went round."""
        self._tell("WATCHDOG=1")

    def status(self, line: str) -> None:
        """What `systemctl status` shows."""
        self._tell(f"STATUS={line.replace(chr(10), ' ')}")

    def stopping(self) -> None:
        """SIGTERM was heard."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        if not self._address:
            return
        # A supervisor that does not listen is no reason to stop.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(errors="replace"), socket.MSG_DONTWAIT, self._address)
