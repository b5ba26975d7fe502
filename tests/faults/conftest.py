"""One sshd and one web server for the whole folder; a repository and a line of its own for each test."""

import getpass
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gitops_prefix.publish.credentials import Credentials, SshKey, token_from
from tests.faults.house import remote_home
from tests.faults.wire import Wire, wire
from tests.git_servers import TOKEN, USER, SshServer, WebServer, ssh_server, web_server
from tests.netns import run
from tests.parts import require


@dataclass(frozen=True)
class Forge:
    """A repository of examples/plain behind a server, and the line to it.

    Attributes:
        remote: the bare repository, whose hooks and files are the test's.
        tree: a person's checkout of it.
        credentials: those that may do all.
    """

    url: str
    remote: Path
    tree: Path
    credentials: Credentials
    line: Wire


@pytest.fixture(scope="session")
def sshd(tmp_path_factory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("faults") / "sshd") as server:
        yield server


@pytest.fixture(scope="session")
def httpd(tmp_path_factory) -> Iterator[WebServer]:
    with web_server(tmp_path_factory.mktemp("faults") / "httpd", tls=False) as server:
        yield server


@pytest.fixture
def ssh(tmp_path: Path, sshd: SshServer) -> Iterator[Forge]:
    """Over ssh; the key and the hosts that are known are files of this test's own."""
    remote = remote_home(tmp_path)
    with wire(sshd.port) as line:
        key = SshKey(tmp_path / "key", tmp_path / "known_hosts")
        key.key.write_bytes(sshd.credentials.key.read_bytes())
        known = sshd.credentials.known_hosts.read_text()
        key.known_hosts.write_text(known.replace(f":{sshd.port} ", f":{line.port} "))
        url = f"ssh://{getpass.getuser()}@127.0.0.1:{line.port}{remote}"
        yield Forge(url, remote, tmp_path / "tree", key, line)


@pytest.fixture
def http(tmp_path: Path, httpd: WebServer) -> Iterator[Forge]:
    """Over http, with the token in a file of this test's own."""
    remote = remote_home(tmp_path)
    (httpd.repositories / f"{tmp_path.name}.git").symlink_to(remote)
    (tmp_path / "token").write_text(TOKEN)
    token = replace(token_from(tmp_path / "token"), username=USER)
    with wire(int(httpd.url.rpartition(":")[2])) as line:
        url = f"http://127.0.0.1:{line.port}/{tmp_path.name}.git"
        yield Forge(url, remote, tmp_path / "tree", token, line)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    require("tmpfs")
    disk = tmp_path / "disk"
    disk.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk))
    try:
        yield disk
    finally:
        run("umount", "--lazy", str(disk))


def fill(disk: Path, *, but: int = 0) -> Path:
    """Take every byte that is left, but so many."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, filler.stat().st_size - but)
    assert shutil.disk_usage(disk).free == but
    return filler
