"""`observe` in a real pseudo-terminal: a table that counts down, and a terminal given back."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from contextlib import contextmanager

import pytest

from tests import netns
from tests.lab_router import SOURCE, lab_router
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B, ULA = "2001:db8:1234::/64", "2001:db8:5678::/64", "fd00:1:2:3::/64"
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ORDERS = re.compile(r"\x1b(?:\[[?0-9;]*[a-zA-Z])?")


class Terminal:
    """What a program wrote to its terminal, and the terminal's size."""

    def __init__(self, process: subprocess.Popen, master: int) -> None:
        self.process, self._master, self.written = process, master, ""

    def resize(self, columns: int, rows: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def read(self, seconds: float = 0.1) -> bool:
        if not select.select([self._master], [], [], seconds)[0]:
            return True
        try:
            self.written += os.read(self._master, 65536).decode(errors="replace")
        except OSError:
            return False
        return True

    def pictures(self) -> list[list[str]]:
        """Each whole picture, its lines without orders to the terminal."""
        drawn = self.written.partition(ENTER)[2].partition(LEAVE)[0].split("\x1b[H")[1:]
        whole = [one for one in drawn if "\x1b[J" in one]
        return [[ORDERS.sub("", line) for line in one.splitlines()] for one in whole]

    def shows(self, *words: str) -> list[str]:
        """Wait for a picture that has all these words."""

        def found():
            self.read()
            shown = self.pictures()[-1:]
            return shown and all(word in "\n".join(shown[0]) for word in words) and shown[0]

        return netns.until(found, f"a picture with {words}")

    def counts_down(self) -> None:
        """Wait for a picture in which less than 5 and 10 minutes are left, by the same seconds."""
        left = re.compile(r"(?s)\b4m(\d\ds)\b.*\b9m\1\b")

        def found():
            self.read()
            return any(left.search("\n".join(picture)) for picture in self.pictures())

        netns.until(found, "a picture that counts down")

    def after_leaving(self) -> str:
        while self.read(1.0) and self.process.poll() is None:
            pass
        while select.select([self._master], [], [], 0)[0] and self.read():
            pass
        return self.written.partition(LEAVE)[2]

    def press_ctrl_c(self) -> str:
        os.write(self._master, b"\x03")
        return self.after_leaving()


@contextmanager
def terminal(lab, *words: str, columns: int = 120, rows: int = 40, **environment: str):
    """`observe` of the node's link, as the foreground of a terminal of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    inherited = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        lab.node.command("setsid", "--ctty", *PROGRAM, "observe", "--interface", "eth0", *words),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=inherited | {"TERM": "xterm", "LC_ALL": "C.UTF-8"} | environment,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=120)
        os.close(master)


@pytest.fixture(scope="module")
def lab():
    require("netns")
    with netns.lab() as made:
        yield made


@pytest.fixture
def router(lab):
    with lab_router(lab.router) as made:
        yield made


def test_the_table_shows_the_decision_and_counts_down(lab, router):
    """Routers, prefixes, verdicts, what was refused; then a renumbering; Ctrl-C leaves it printed."""
    with terminal(lab) as shown:
        shown.shows("eth0: up", "no Router Advertisement yet")
        router.advertise(A, ULA, valid=600, preferred=300)
        picture = shown.shows(f"current: {A} (announced and current)", "refused 1: not global")
        assert any(SOURCE in line and "default router for" in line for line in picture)
        assert any(line.startswith(f"  > {A}") and line.endswith("candidate") for line in picture)
        shown.counts_down()
        router.advertise(B)
        shown.shows(f"current: {B}", "announces another")
        after = shown.press_ctrl_c()
    assert shown.process.returncode == 0
    assert f"current: {B} (announced and current)" in after
    assert "valid advertisements: 2" in after
    assert "\x1b[?" not in after
    assert "Traceback" not in after
    assert shown.written.count(ENTER) == shown.written.count(LEAVE) == 1


def test_a_narrow_terminal_and_a_resize(lab, router):
    """No line is wider than the terminal, and no picture higher, before and after."""
    with terminal(lab, columns=40, rows=8) as shown:
        shown.shows("eth0: up")
        router.advertise(A, B, ULA)
        shown.shows("current:", "...")
        before = len(shown.pictures())
        shown.resize(100, 30)
        shown.shows("not global unicast", "valid advertisements: 1")
        narrow, wide = shown.pictures()[:before], shown.pictures()[-1]
        shown.press_ctrl_c()
    assert narrow
    for picture in narrow:
        assert len(picture) <= 8
        assert all(len(line) <= 40 for line in picture)
    assert any(len(line) > 40 for line in wide)


@pytest.mark.parametrize("columns", [40, 80])
def test_what_does_not_fit_is_wrapped_and_not_cut(lab, router, columns):
    """The verdict on a refused prefix, and all that the router says."""
    with terminal(lab, columns=columns, rows=60) as shown:
        shown.shows("eth0: up")
        router.advertise(A, ULA)
        picture = shown.shows("fd00:1:2:3::/64", "valid advertisements: 1")
        shown.press_ctrl_c()
    assert all(len(line) <= columns for line in picture)
    assert not any(line.endswith("...") for line in picture)
    said = " ".join(" ".join(picture).split())
    assert "not global unicast (prefixFilter.requireGlobalUnicast)" in said
    assert "default router for 29m" in said


def test_no_color_means_no_colour_and_still_a_table(lab, router):
    with terminal(lab, NO_COLOR="1") as shown:
        shown.shows("eth0: up")
        router.advertise(A)
        shown.shows("current: " + A)
        shown.press_ctrl_c()
    assert not COLOUR.search(shown.written)
    with terminal(lab) as shown:
        shown.shows("eth0: up")
        router.advertise(A)
        shown.shows("current: " + A)
        shown.press_ctrl_c()
    assert COLOUR.search(shown.written), "and without it there is some"


def test_a_dumb_terminal_gets_lines(lab, router):
    with terminal(lab, "--count", "1", TERM="dumb") as shown:
        assert router.solicited()
        router.advertise(A)
        assert netns.until(lambda: shown.read() and "current: " in shown.written, "a line")
        shown.after_leaving()
    assert "\x1b[?" not in shown.written


def test_a_terminal_without_utf_8_and_a_link_with_a_strange_name(lab):
    """Neither an encoding error nor an order to the terminal gets out of a name."""
    with terminal(
        lab, "--interface", "é\x1b[2J", LC_ALL="C", PYTHONCOERCECLOCALE="0", PYTHONUTF8="0",
        PYTHONIOENCODING="ascii",
    ) as shown:  # fmt: skip
        shown.shows("eth0: up", r"\x1b[2J: does not exist")
        shown.press_ctrl_c()
    assert "\x1b[2J" not in shown.written
    assert shown.process.returncode == 1


def test_kill_gives_the_terminal_back_too(lab):
    with terminal(lab) as shown:
        shown.shows("eth0: up")
        shown.process.send_signal(signal.SIGTERM)
        after = shown.after_leaving()
    assert shown.written.count(ENTER) == shown.written.count(LEAVE) == 1
    assert "no Router Advertisement came" in after


def test_a_flood_is_not_drawn_packet_by_packet(lab, router):
    """Five hundred are a few pictures, and all are counted."""
    with terminal(lab) as shown:
        shown.shows("eth0: up")
        began = time.monotonic()
        # The kernel keeps some 250 for a reader that is late.
        for many in range(100, 600, 100):
            for _ in range(100):
                router.advertise(A)
            shown.shows(f"valid advertisements: {many}")
        seconds = time.monotonic() - began
        shown.press_ctrl_c()
    assert len(shown.pictures()) < 5 + 11 * (seconds + 1)
