"""A repository whose DynamicPrefix has any source, and the program on it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import indent

from tests.gitrepo import example, git
from tests.netns import Namespace, until

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
LINK = "    routerAdvertisement:\n      interface: eth0\n"


class Sourced:
    """examples/plain with another `acquisition`, and what is on its branch."""

    def __init__(self, directory: Path, acquisition: str, *, spec: str = "") -> None:
        """Write it down, and push it.

        Args:
            directory: for the tree, the bare repository, the clone and the log.
            acquisition: the fields of `spec.acquisition`.
            spec: further fields of `spec`, in place of all behind `acquisition`.
        """
        self.directory, self.tree, self.log = directory, directory / "tree", directory / "log"
        self.clone = directory / "clone"
        example("plain", directory)
        path = self.tree / "prefix.yaml"
        text = path.read_text()
        assert LINK in text
        text = text.replace(LINK, indent(acquisition, "    "))
        if spec:
            at = text.index("  addressRanges:")
            text = text[:at] + indent(spec, "  ")
        path.write_text(text)
        git(self.tree, "commit", "-qam", "another source")
        git(self.tree, "push", "-q", "origin", "main")
        self.remote = git(self.tree, "remote", "get-url", "origin").strip()

    def command(self, *more: str) -> list[str]:
        """`run` on the branch."""
        where = ["--repo", self.remote, "--clone-dir", str(self.clone)]
        return [*PROGRAM, "run", *where, *more]

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        return subprocess.run(
            self.command(*more), check=False, capture_output=True, text=True, timeout=120
        )

    @contextmanager
    def running(
        self, *more: str, node: Namespace | None = None
    ) -> Iterator["subprocess.Popen[str]"]:
        """Run it meanwhile; its end by SIGTERM is right, unless the test killed it."""
        words = self.command(*more)
        words = words if node is None else node.command(*words)
        with (
            self.log.open("a") as stderr,
            subprocess.Popen(words, stderr=stderr, text=True) as made,
        ):
            try:
                yield made
            finally:
                if made.poll() is None:
                    made.terminate()
                    assert made.wait(timeout=120) == 0, self.log.read_text()

    def on_branch(self, *arguments: str) -> str:
        """What git says in the tree."""
        return git(self.tree, *arguments)

    def published(self, prefix: str) -> str:
        """The commit message of the change, once the branch has it."""

        def is_there() -> bool:
            self.on_branch("fetch", "-q", "origin")
            return f'currentPrefix: "{prefix}"' in self.show("prefix.yaml")

        try:
            until(is_there, f"{prefix} on the branch")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.log.read_text()[-2000:]}") from None
        return self.on_branch("log", "-1", "--format=%B", "origin/main").rstrip()

    def show(self, path: str) -> str:
        """A file of the branch."""
        return self.on_branch("show", f"origin/main:{path}")

    def commits(self) -> int:
        """How many the branch has."""
        self.on_branch("fetch", "-q", "origin")
        return int(self.on_branch("rev-list", "--count", "origin/main"))

    def reported(self, text: str) -> int:
        """How often the log has a text, once it has it."""
        until(lambda: text in self.log.read_text(), f"the log says {text}")
        return self.log.read_text().count(text)
