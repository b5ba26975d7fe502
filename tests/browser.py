"""Real Chromium, spoken to over its debugging pipe: what it draws, and what a screen reader hears."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.parts import require

_OPTIONS = (
    "--headless", "--no-sandbox", "--no-first-run", "--remote-debugging-pipe", "--disable-gpu",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip

# Chromium reads commands from descriptor 3, and answers on 4.
_BECOME = """
import os, sys
read, write = (os.dup(int(word)) for word in sys.argv[1:3])
read, write = os.dup(read), os.dup(write)
os.dup2(read, 3), os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""

# What is read, and the colours of what is behind it, down to the first that is opaque.
_TEXTS = """
(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
  const parse = text => (text.match(/[0-9.]+/g) || []).map(Number);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement, box = element.getBoundingClientRect();
    if (!node.textContent.trim() || !element.checkVisibility() || box.right < 0) continue;
    if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    let behind = element, ground = [255, 255, 255];
    while (behind) {
      const colour = parse(getComputedStyle(behind).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) { ground = colour.slice(0, 3); break; }
      behind = behind.parentElement;
    }
    found.push([node.textContent.trim().slice(0, 60), parse(getComputedStyle(element).color).slice(0, 3), ground]);
  }
  return found;
})()
"""


class Browser:
    """One page of a browser."""

    def __init__(self, to: int, answers: int) -> None:
        self._to, self._answers = to, answers
        self._number, self._buffer, self._session = 0, b"", None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the DevTools protocol, and its answer."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._answers, 1 << 20)
            assert chunk, "the browser ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, url: str, width: int = 800, *, dark: bool = False, height: int = 1000) -> None:
        """Open a page, and wait until it is loaded."""
        self.resize(width, height)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        # The page before may still ask a server that is gone, and complain of it.
        for each in ("about:blank", url):
            self.events.clear()
            self.call("Page.navigate", url=each)
            while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
                self.events.append(self._next())

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; a promise is waited for."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, milliseconds: int = 60_000) -> None:
        """Wait until an expression is true."""
        self.evaluate(
            "new Promise((met, failed) => { const end = performance.now() + "
            f"{milliseconds}; const look = () => ({expression}) ? met() : "
            f"performance.now() > end ? failed(new Error({expression!r})) : setTimeout(look, 50); look() }})"
        )

    def heard(self) -> list[tuple[str, str]]:
        """Role and name of all that a screen reader comes across, in its order."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node.get("ignored")
        ]

    def contrasts(self) -> list[tuple[float, str]]:
        """The contrast (WCAG 2.2, 1.4.3) of every text that is shown, lowest first."""
        return sorted((_contrast(ink, ground), text) for text, ink, ground in self.evaluate(_TEXTS))

    def overflows(self) -> bool:
        """Whether the page would have to be scrolled sideways."""
        return self.evaluate("document.documentElement.scrollWidth > innerWidth")

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Draw what is seen, or the whole page, as PNG."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """What the browser refused to do, or what its scripts failed at."""
        kinds = {"Log.entryAdded", "Runtime.exceptionThrown"}
        return [json.dumps(each["params"]) for each in self.events if each.get("method") in kinds]

    def requested(self) -> set[str]:
        """Every URL that was asked for."""
        return {
            each["params"]["request"]["url"]
            for each in self.events
            if each.get("method") == "Network.requestWillBeSent"
        }


def _contrast(ink: list[float], ground: list[float]) -> float:
    dark, light = sorted((_luminance(ink), _luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: list[float]) -> float:
    parts = [part / 255 for part in colour]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A browser with a profile of its own that is empty."""
    require("chromium")
    their_input, to = os.pipe()
    answers, their_output = os.pipe()
    program = shutil.which("chromium") or ""
    process = subprocess.Popen(
        [sys.executable, "-c", _BECOME, str(their_input), str(their_output), program, *_OPTIONS,
         f"--user-data-dir={profile}"],
        pass_fds=(their_input, their_output),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    os.close(their_input)
    os.close(their_output)
    try:
        yield Browser(to, answers)
    finally:
        os.close(to)
        os.close(answers)
        process.kill()
        process.wait()
