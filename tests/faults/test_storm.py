"""A branch on which others never rest: a bot, a person, and three daemons.

`python -m tests.faults.test_storm SECONDS` is the long form, over a path, ssh and https, and prints
when ours landed.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import NamedTuple, Self

from gitops_prefix.publish.credentials import Credentials, token_from
from tests.faults.house import change, first, is_whole, remote_home, somebody_pushes, subjects
from tests.faults.racing import daemons
from tests.faults.victim import numbered
from tests.git_servers import TOKEN, USER, ssh_server, web_server
from tests.gitrepo import git
from tests.netns import until

GAP = 0.2
"""Between two pushes of the bot, beside twice the time that the last one took: on a machine that is
busy it would else never rest, while we are as slow as it is."""


class Bot:
    """Commits a file that nobody manages and pushes it, again and again."""

    def __init__(self, remote: Path, clone: Path, login: "Login") -> None:
        git(remote.parent, "clone", "-q", str(remote), str(clone))
        git(clone, "remote", "set-url", "origin", login.bots_url)
        for name, text in login.settings:
            git(clone, "config", name, text)
        self.clone, self.landed = clone, []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._pushes)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _pushes(self) -> None:
        number, took = 0, 0.0
        while not self._over.wait(GAP + 2 * took):
            number, began = number + 1, time.monotonic()
            subject = f"bot {number}"
            for _ in range(50):
                git(self.clone, "fetch", "-q", "origin", "main")
                git(self.clone, "reset", "-q", "--hard", "origin/main")
                (self.clone / "bot.txt").write_text(f"{number}\n")
                git(self.clone, "add", "bot.txt")
                git(self.clone, "commit", "-qm", subject)
                with suppress(subprocess.CalledProcessError):
                    git(self.clone, "push", "-q", "origin", "HEAD:main")
                    self.landed.append(subject)
                    break
            took = time.monotonic() - began


class Login(NamedTuple):
    """How everybody reaches the repository.

    Attributes:
        bots_url: with the bot's password, if it needs one.
        settings: what git of the bot needs.
    """

    url: str
    bots_url: str
    credentials: Credentials | None = None
    settings: tuple[tuple[str, str], ...] = ()


@contextmanager
def login(over: str, directory: Path, remote: Path) -> Iterator[Login]:
    """Over a path, ssh or https."""
    if over == "ssh":
        with ssh_server(directory / "sshd") as server:
            key, url = server.credentials, server.url(remote)
            command = f"ssh -F /dev/null -i {key.key} -o UserKnownHostsFile={key.known_hosts}"
            yield Login(url, url, key, (("core.sshCommand", command),))
    elif over == "https":
        (directory / "token").write_text(TOKEN)
        token = replace(token_from(directory / "token"), username=USER)
        with web_server(directory / "httpd") as server:
            os.environ["GIT_SSL_CAINFO"] = str(server.authority)
            (server.repositories / "home.git").symlink_to(remote)
            url = f"{server.url}/home.git"
            bots = url.replace("://", f"://{USER}:{TOKEN}@")
            yield Login(url, bots, token, (("http.sslCAInfo", str(server.authority)),))
    else:
        yield Login(str(remote), str(remote))


def storm(directory: Path, seconds: float, over: str = "path") -> list[float]:
    """Renumber in the middle of it, and return how long each change took to land."""
    remote = remote_home(directory)
    took = []
    with (
        login(over, directory, remote) as ours,
        daemons(directory, ours.url, 3, ours.credentials) as house,
    ):
        for daemon in house:
            daemon.hears(numbered(0), None)
        until(lambda: first(numbered(0)) in subjects(remote), "the first prefix")
        with Bot(remote, directory / "bot", ours) as bot:
            until(lambda: len(bot.landed) >= 3, "the storm")
            end, number = time.monotonic() + seconds, 0
            while not number or time.monotonic() < end:
                number += 1
                house[0].leaps.seconds += 3600
                began, wanted = time.monotonic(), change(numbered(number - 1), numbered(number))
                before = len(bot.landed)
                for daemon in house:
                    daemon.hears(numbered(number), numbered(number - 1))
                until(lambda wanted=wanted: wanted in subjects(remote), wanted, 300.0)
                took.append(time.monotonic() - began)
                until(lambda before=before: len(bot.landed) > before, "the bot goes on")
            with suppress(subprocess.CalledProcessError):
                somebody_pushes(directory / "tree", "person.txt")
        for daemon in house:
            until(lambda daemon=daemon: daemon.is_right(numbered(number)), "right in the end", 120)
    found = subjects(remote)
    assert [subject for subject in reversed(found) if subject.startswith("bot")] == bot.landed
    steps = [change(numbered(n), numbered(n + 1)) for n in range(number)]
    ours = [subject for subject in reversed(found) if subject.startswith("prefix(")]
    assert ours == [first(numbered(0)), *steps]
    assert is_whole(remote)
    return took


def test_our_change_lands_while_a_bot_pushes_without_pause(tmp_path):
    """Nothing of anybody's is lost, and each change is one commit."""
    assert len(storm(tmp_path, 0.0)) == 1


if __name__ == "__main__":
    for over in sys.argv[2:] or ("path", "ssh", "https"):
        with tempfile.TemporaryDirectory() as directory:
            took = storm(Path(directory), float(sys.argv[1]) if sys.argv[1:] else 60.0, over)
        print(
            f"{over}: {len(took)} changes, landed after {median(took):.1f} s in the median, and "
            f"{max(took):.1f} s at most",
            flush=True,
        )
