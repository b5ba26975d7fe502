"""render: the same call for writing, checking and showing."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.test_bad_input import ROOT, call, snapshot

A, B = "2001:db8:a::/64", "2001:db8:b::/64"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "plain", tmp_path / "home")
    return tmp_path / "home"


def test_rendering_again_changes_nothing(home):
    """And --check answers with its exit code, without writing."""
    before = snapshot(home)
    assert call(home, "render", "--check", "--prefix", f"home-ipv6={A}").returncode == 1
    assert call(home, "render", "--diff", "--prefix", f"home-ipv6={A}").returncode == 0
    assert snapshot(home) == before
    assert (
        call(
            home, "render", "--prefix", f"home-ipv6={A}", "--now", "2026-11-24T12:00:00Z"
        ).returncode
        == 0
    )
    after = snapshot(home)
    assert after != before
    assert call(home, "render").returncode == 0
    assert call(home, "render", "--check", "--prefix", f"home-ipv6={A}").returncode == 0
    assert snapshot(home) == after


def test_the_json_has_the_keys_that_pipelines_rely_on(home):
    """DESIGN 7, to the letter."""
    call(home, "render", "--prefix", f"home-ipv6={A}")
    answer = call(home, "render", "--check", "--prefix", f"home-ipv6={B}", "--output", "json")
    assert answer.returncode == 1
    document = json.loads(answer.stdout)
    assert set(document) == {"changed", "unchanged", "prefixes"}
    assert document["prefixes"] == {"home-ipv6": {"current": B, "previous": A, "history": [A]}}
    assert [(one["path"], one["kind"], one["field"]) for one in document["changed"]] == [
        ("network/cidr-group.yaml", "CiliumCIDRGroup", "spec.externalCIDRs"),
        ("network/pool.yaml", "CiliumLoadBalancerIPPool", "spec.blocks"),
        ("prefix.yaml", "DynamicPrefix", "status"),
    ]
    assert set(document["changed"][0]) == {
        "path", "document", "kind", "namespace", "name", "field", "before", "after",
    }  # fmt: skip


def test_without_a_status_it_waits(home):
    """No prefix yet: nothing is rendered, and it is said."""
    before = snapshot(home)
    answer = call(home, "render")
    assert answer.returncode == 0
    assert "waits-for-prefix" in answer.stderr
    assert snapshot(home) == before


def test_output_dir_holds_the_managed_files_and_leaves_the_input(home, tmp_path):
    """The rendered-manifests pattern; an unmanaged file stays at home."""
    before = snapshot(home)
    assert (
        call(
            home, "render", "--output-dir", str(tmp_path / "out"), "--prefix", f"home-ipv6={A}"
        ).returncode
        == 0
    )
    assert snapshot(home) == before
    written = sorted(
        str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.yaml")
    )
    assert written == ["network/cidr-group.yaml", "network/pool.yaml", "prefix.yaml"]


def test_modes_stay_and_links_are_not_followed(home, tmp_path):
    """A file keeps its mode; a symbolic link to elsewhere is neither read nor written."""
    outside = tmp_path / "outside.yaml"
    outside.write_text((home / "network" / "pool.yaml").read_text())
    (home / "network" / "link.yaml").symlink_to(outside)
    (home / "prefix.yaml").chmod(0o640)
    before = outside.read_bytes()
    assert call(home, "render", "--prefix", f"home-ipv6={A}").returncode == 0
    assert (home / "prefix.yaml").stat().st_mode & 0o777 == 0o640
    assert outside.read_bytes() == before


def test_excluded_files_are_left_alone(home):
    """By --exclude, and by the ignore file."""
    pool = home / "network" / "pool.yaml"
    before = pool.read_bytes()
    assert (
        call(home, "render", "--exclude", "pool.yaml", "--prefix", f"home-ipv6={A}").returncode == 0
    )
    assert pool.read_bytes() == before
    (home / ".gitops-prefixignore").write_text("network/\n")
    assert call(home, "render", "--prefix", f"home-ipv6={B}").returncode == 0
    assert pool.read_bytes() == before


def test_options_come_from_flag_then_environment_then_file(home):
    """DESIGN 7's order."""
    (home / "gitops-prefix.yaml").write_text("output: json\n")
    assert call(home, "status").stdout.startswith("{")
    assert not call(home, "status", GITOPS_PREFIX_OUTPUT="text").stdout.startswith("{")
    assert not call(
        home, "status", "--output", "text", GITOPS_PREFIX_OUTPUT="json"
    ).stdout.startswith("{")


def test_status_tells_what_is_bound(home):
    """DESIGN 7's keys; two bindings."""
    call(home, "render", "--prefix", f"home-ipv6={A}")
    [prefix] = json.loads(call(home, "status", "--output", "json").stdout)["prefixes"]
    assert set(prefix) == {
        "name", "path", "current", "acquired_at", "source", "history", "bindings", "conditions",
    }  # fmt: skip
    assert (prefix["name"], prefix["current"], prefix["path"]) == ("home-ipv6", A, "prefix.yaml")
    assert [one["kind"] for one in prefix["bindings"]] == [
        "CiliumCIDRGroup",
        "CiliumLoadBalancerIPPool",
    ]
    assert set(prefix["bindings"][0]) == {"path", "kind", "namespace", "name", "field"}
