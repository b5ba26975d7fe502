"""Make before break, on a real branch: the address first, the name in a second commit."""

from pathlib import Path

import pytest

from gitops_prefix.decide.prefix import Prefix
from tests.daemon.house import House, opened
from tests.gitrepo import bare_clone, commit_all, git
from tests.render.services import ALPHA, BETA, PREFIX, TEN, service

A, B = Prefix.parse("2001:db8:a::/64"), Prefix.parse("2001:db8:b::/64")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    tree.mkdir()
    spec = PREFIX.replace(b"mode: ha", b"mode: ha, dnsDelay: 10m")
    (tree / "home.yaml").write_bytes(spec)
    (tree / "web.yaml").write_text(service(TEN))
    commit_all(tree)
    return bare_clone(tree, tmp_path / "remote.git")


def test_a_name_follows_its_address_in_a_commit_of_its_own(remote: Path, tmp_path: Path):
    """Ten minutes later, and not before; then all is quiet."""
    daemon = House(opened(tmp_path / "clone", remote), given=True)
    for minutes, prefix in ((0, A), (60, B), (5, B), (5, B), (5, B)):
        daemon.waits(60 * (minutes - 1))
        daemon.hears(prefix)
    daemon.killed()

    assert git(remote, "log", "--reverse", "--format=%s", "main").splitlines()[1:] == [
        "prefix(home): 2001:db8:a::/64",
        "prefix(home): 2001:db8:a::/64 -> 2001:db8:b::/64",
        "prefix(home): DNS moves to 2001:db8:b::/64",
    ]
    moved = git(remote, "show", "--format=", "-U0", "main", "--", "web.yaml")
    lines = [line.strip() for line in moved.splitlines() if line[:2] in {"- ", "+ "}]
    assert lines == [
        f'-    {ALPHA}: "2001:db8:a:0:f000::10"',
        f'-    {BETA}: "2001:db8:a:0:f000::10"',
        f'+    {ALPHA}: "2001:db8:b:0:f000::10"',
        f'+    {BETA}: "2001:db8:b:0:f000::10"',
    ]
