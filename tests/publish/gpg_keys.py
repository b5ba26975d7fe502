"""Keys of gpg's, in keyrings of a test's own."""

import subprocess
from pathlib import Path

from tests.parts import require


def in_gpg(home: Path, *words: str) -> bytes:
    locked = ("--batch", "--pinentry-mode", "loopback")
    return subprocess.run(
        ["gpg", "--homedir", home, *locked, *words], check=True, capture_output=True
    ).stdout


class GpgKey:
    """A keyring of a person's: what it exports, and how it verifies."""

    def __init__(self, home: Path, passphrase: str = "", name: str = "bot") -> None:
        require("gpg")
        home.mkdir(mode=0o700)
        self.home = home
        self._passphrase = ("--passphrase", passphrase)
        user = f"{name} <{name}@example.com>"
        in_gpg(home, *self._passphrase, "--quick-generate-key", user, "ed25519", "sign", "never")

    def export(self, path: Path, *options: str, kind: str = "--export-secret-keys") -> Path:
        path.write_bytes(in_gpg(self.home, *self._passphrase, *options, kind))
        path.chmod(0o440)
        return path
