"""What a commit of the daemon's says: edits of people, templates that fail, trailers."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from gitops_prefix.daemon.outcome import Result
from gitops_prefix.publish.message import MessageTemplate, Trailer, Wording
from tests.daemon.house import A, B, House, opened
from tests.gitrepo import example, git

NETWORK = Path("network")
POOL_LINE = "network/pool.yaml: CiliumLoadBalancerIPPool home: spec.blocks\n"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return example("plain", tmp_path)


def daemon_of(clone: Path, remote: Path, wording: Wording = Wording()) -> House:  # noqa: B008
    return House(opened(clone, remote), given=True, interval=1e6, wording=wording)


def message(remote: Path) -> str:
    return git(remote, "log", "-1", "--format=%B", "main")


def push(tmp_path: Path, edits: Mapping[str, str], words: str = "theirs") -> None:
    """Somebody's commit, from a checkout of the newest state."""
    tree = tmp_path / "tree"
    git(tree, "pull", "-q", "--ff-only", "origin", "main")
    for path, text in edits.items():
        (tree / path).write_text(text)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", words)
    git(tree, "push", "-q", "origin", "main")


def pool(remote: Path) -> str:
    return git(remote, "show", "main:network/pool.yaml")


def without_ours(text: str) -> str:
    """The pool as if we had never been there."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if "2001:db8" not in line)


def test_a_change_made_on_the_way_by_a_person_is_never_reverted(tmp_path, remote):
    """Outside of managed fields it stays; inside, it is rendered again, and the commit says so."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    rendered = pool(remote)
    edited = without_ours(rendered).replace(
        "name: home\n", "name: home\n  labels: {by: a person}\n", 1
    )
    push(tmp_path, {"network/pool.yaml": edited})
    outcome = daemon.hears(B)
    assert f"Edited by hand, and rendered again:\n{POOL_LINE}" in message(remote)
    assert [one.path for one in outcome.decided.occasion.by_hand] == ["network/pool.yaml"]
    after = pool(remote)
    assert "labels: {by: a person}" in after
    assert "2001:db8:bbbb" in after
    assert "192.168.42.0/24" in after
    assert daemon.hears(B).decided.occasion.by_hand == ()


def test_an_edit_is_rendered_again_without_waiting_for_a_prefix(tmp_path, remote):
    """The branch is looked at; the commit's trailers say which prefix it is."""
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    rendered = pool(remote)
    push(tmp_path, {"network/pool.yaml": without_ours(rendered)})
    daemon.hears(A)
    assert message(remote).startswith(
        f"prefix: render anew\n\nEdited by hand, and rendered again:\n{POOL_LINE}\nDynamic-Prefix: home-ipv6\n"
    )
    assert pool(remote) == rendered


def test_what_is_new_was_edited_by_nobody(tmp_path, remote):
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    new = without_ours(pool(remote)).replace("name: home\n", "name: second\n", 1)
    push(tmp_path, {"network/second.yaml": new})
    outcome = daemon.hears(A)
    assert "Rendered for the first time:\nnetwork/second.yaml: " in message(remote)
    assert "by hand" not in message(remote)
    assert outcome.decided.occasion.by_hand == ()


def test_what_people_change_elsewhere_is_no_edit_of_ours(tmp_path, remote):
    daemon = daemon_of(tmp_path / "clone", remote)
    daemon.hears(A)
    push(tmp_path, {"network/pool.yaml": f"# mine\n{pool(remote)}", "theirs.txt": "x\n"})
    daemon.hears(B)
    assert "by hand" not in message(remote)
    assert "first time" not in message(remote)
    assert pool(remote).startswith("# mine\n")


def test_a_template_a_router_and_trailers_come_into_the_commit(tmp_path, remote):
    text = (
        "ipv6: {{ prefixes[0].current }} by {{ prefixes[0].router }} on {{ prefixes[0].interface }}"
    )
    wording = Wording(
        MessageTemplate(text, "t.j2"), (Trailer("Signed-off-by", "Bot <b@x>"),), skip_ci=True
    )
    daemon_of(tmp_path / "clone", remote, wording).hears(A)
    assert message(remote).rstrip("\n") == (
        f"ipv6: {A} by fe80::1 on eth0 [skip ci]\n\nDynamic-Prefix: home-ipv6\n"
        f"Current-Prefix: {A}\nPrefix-Source: router-advertisement\nSigned-off-by: Bot <b@x>"
    )


def test_a_template_that_fails_costs_no_commit(tmp_path, remote):
    """The default is written, and the pass tells why."""
    wording = Wording(MessageTemplate("{{ nobody }}", "t.j2"))
    outcome = daemon_of(tmp_path / "clone", remote, wording).hears(A)
    assert outcome.result is Result.PUBLISHED
    assert [(one.code, str(one.place)) for one in outcome.problems] == [
        ("template-failed", "t.j2:1:4")
    ]
    assert message(remote).startswith(f"prefix(home-ipv6): {A}\n")
