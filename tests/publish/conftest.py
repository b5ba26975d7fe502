"""Fixtures that several tests of publishing share."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.publish.gpg_keys import keyrings


@pytest.fixture
def in_memory(monkeypatch) -> Path:
    """Stands for /dev/shm, so that what is left there is this test's."""
    # A socket's name has room for a hundred characters (unix(7)).
    directory = Path(tempfile.mkdtemp(prefix="gp-", dir="/tmp"))
    monkeypatch.setattr("gitops_prefix.publish.signing.MEMORY", directory)
    yield directory
    assert not list(directory.iterdir()), "nothing is left"
    directory.rmdir()


@pytest.fixture
def gpg_home() -> Iterator[Path]:
    with keyrings() as base:
        yield base / "home"


class Calls:
    """The commands that a `git` on PATH was asked for, by a wrapper that notes them."""

    def __init__(self, log):
        self._log = log

    def take(self) -> list[str]:
        """Those since the last time."""
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._log.unlink(missing_ok=True)
        return lines


@pytest.fixture
def calls(tmp_path, monkeypatch):
    real, folder, log = shutil.which("git"), tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    # The command is the first word that is neither an option nor an option's value.
    (folder / "git").write_text(
        f'#!/bin/sh\nfor word do case "$before $word" in "-c "*|"-C "*|*" -"*) ;; '
        f'*) echo "$word" >> {log}; break ;; esac; before=$word; done\nexec {real} "$@"\n'
    )
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return Calls(log)
