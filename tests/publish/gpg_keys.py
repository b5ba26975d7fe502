"""Keys of gpg's, in keyrings of a test's own."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.netns import run, until
from tests.parts import require


@contextmanager
def keyrings() -> Iterator[Path]:
    """A directory for keyrings, whose agents end with it. Its name is short: sockets lie in it."""
    require("gpg")
    base = Path(tempfile.mkdtemp(prefix="gk-", dir="/tmp"))
    try:
        yield base
    finally:
        for home in base.iterdir():
            end_agent(home)
        until(lambda: is_removed(base), "the end of the agents")


def end_agent(home: Path) -> None:
    """It takes note, and ends a little later."""
    run("gpgconf", "--homedir", str(home), "--kill", "all")


def is_removed(home: Path) -> bool:
    """Remove it; an agent that is about to end may still write there."""
    shutil.rmtree(home, ignore_errors=True)
    return not home.exists()


def in_gpg(home: Path, *words: str) -> bytes:
    locked = ("--batch", "--pinentry-mode", "loopback")
    return subprocess.run(
        ["gpg", "--homedir", home, *locked, *words], check=True, capture_output=True
    ).stdout


class GpgKey:
    """A keyring of a person's: what it exports, and how it verifies."""

    def __init__(
        self, home: Path, passphrase: str = "", name: str = "bot", work: int = 65536
    ) -> None:
        """Make it; the passphrase of a user costs much more work, each time."""
        require("gpg")
        home.mkdir(mode=0o700)
        (home / "gpg-agent.conf").write_text(f"s2k-count {work}\n")
        self.home = home
        self._passphrase = ("--passphrase", passphrase)
        user = f"{name} <{name}@example.com>"
        in_gpg(home, *self._passphrase, "--quick-generate-key", user, "ed25519", "sign", "never")

    def export(self, path: Path, *options: str, kind: str = "--export-secret-keys") -> Path:
        path.write_bytes(in_gpg(self.home, *self._passphrase, *options, kind))
        path.chmod(0o440)
        return path
