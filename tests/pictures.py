"""Draws docs/pictures anew: `make pictures`. What the README shows is what the program shows.

* page.png: the status page, in real Chromium.
* timeline.svg: what `simulate --svg` draws.
* demo.svg: what `demo` prints on a terminal.
"""

import os
import pty
import re
import subprocess
import sys
import tempfile
from contextlib import suppress
from html import escape
from pathlib import Path

from gitops_prefix.daemon.page import render_page
from gitops_prefix.simulate.drawing import draw
from tests.browser import browser
from tests.daemon.page_states import house
from tests.simulate.homes import SCENARIOS, walked

HERE = Path(__file__).parents[1] / "docs" / "pictures"
_SGR = re.compile(r"\x1b\[([0-9;]*)m")
_CLASSES = {"1": "b", "2": "q", "31": "r", "32": "g", "33": "y", "36": "c"}
_MOST_LINES, _COLUMNS = 44, 92
_STYLE = (
    "rect{fill:#12161b}text{fill:#e7ebef;font:13px ui-monospace,Menlo,Consolas,monospace;"
    "white-space:pre}.b{font-weight:700}.q{fill:#a3adb9}.r{fill:#ff9a94}.g{fill:#86e0aa}"
    ".y{fill:#f5d083}.c{fill:#6fd3d0}"
)


def draw_page(path: Path) -> None:
    """The page of a house in which all is published."""
    with tempfile.TemporaryDirectory() as directory, browser(Path(directory) / "profile") as opened:
        page = Path(directory) / "page.html"
        page.write_bytes(render_page(house()))
        opened.open(page.as_uri(), 1280, height=900)
        opened.picture(path)


def draw_demo(path: Path) -> None:
    """The begin of the demo, as a terminal in colours shows it."""
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", closefd=True) as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "gitops_prefix", "demo"],
            env={**os.environ, "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"},
            stdout=theirs,
        )
        os.close(theirs)
        said = b""
        # A terminal whose last writer is gone is an error to read (EIO).
        with suppress(OSError):
            while chunk := output.read1(65536):
                said += chunk
        assert process.wait(120) == 0
    path.write_text(terminal(said.decode().replace("\r", "").splitlines()[:_MOST_LINES]))


def terminal(lines: list[str]) -> str:
    """Lines with colours (ECMA-48, SGR) as a picture."""
    height = 24 + 18 * len(lines)
    rows = "".join(
        f'<text x="14" y="{26 + 18 * number}">{_spans(line)}</text>\n'
        for number, line in enumerate(lines)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="gitops-prefix demo in a '
        f'terminal" viewBox="0 0 780 {height}" width="780" height="{height}">'
        f"<style>{_STYLE}</style>"
        f'<rect width="780" height="{height}" rx="8"/>\n{rows}</svg>\n'
    )


def _spans(line: str) -> str:
    words, classes = "", set()
    parts = _SGR.split(line)
    for text, codes in zip(parts[::2], [*parts[1::2], ""], strict=True):
        shown = escape(text[:_COLUMNS])
        words += f'<tspan class="{" ".join(sorted(classes))}">{shown}</tspan>' if classes else shown
        found = {_CLASSES[code] for code in codes.split(";") if code in _CLASSES}
        classes = classes | found if found else set()
    return words


def main() -> None:
    """Draw all of them."""
    HERE.mkdir(exist_ok=True)
    draw_page(HERE / "page.png")
    draw_demo(HERE / "demo.svg")
    (HERE / "timeline.svg").write_text(
        draw(walked((SCENARIOS / "graceful-renumbering.yaml").read_text()))
    )


if __name__ == "__main__":
    main()
