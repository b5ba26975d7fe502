"""render: the same call for writing, checking and showing."""

import contextlib
import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.directories import ROOT, call, snapshot

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


@pytest.mark.parametrize(
    ("acquisition", "source"),
    [
        ("webhook: {}", "webhook"),
        ("file: {path: /run/prefix}", "file"),
        ("fritzbox: {}", "fritzbox"),
        ("dhcpv6pd: {interface: eth0}", "dhcpv6-pd"),
        ("kernel: {interface: eth0}", "kernel"),
        ("{kernel: {interface: eth0}, webhook: {}}", "webhook"),
    ],
)
def test_a_given_prefix_is_of_the_source_that_would_say_it(home, acquisition, source):
    path = home / "prefix.yaml"
    path.write_text(
        path.read_text().replace("routerAdvertisement:\n      interface: eth0", acquisition)
    )
    assert call(home, "render", "--prefix", f"home-ipv6={A}").returncode == 0
    assert f"prefixSource: {source}\n" in path.read_text()


def test_the_json_has_the_keys_that_pipelines_rely_on(home):
    """As docs/cli.md has it, to the letter."""
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
    """The keys in the order of docs/cli.md."""
    (home / "gitops-prefix.yaml").write_text("output: json\n")
    assert call(home, "status").stdout.startswith("{")
    assert not call(home, "status", GITOPS_PREFIX_OUTPUT="text").stdout.startswith("{")
    assert not call(
        home, "status", "--output", "text", GITOPS_PREFIX_OUTPUT="json"
    ).stdout.startswith("{")


def test_status_tells_what_is_bound(home):
    """The keys of docs/cli.md; two bindings."""
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


def test_a_diff_applies_and_keeps_line_ends(home, tmp_path):
    """What --diff prints is what rendering does, to `git apply`, without a final line break too."""
    pool = home / "network" / "pool.yaml"
    pool.write_bytes(pool.read_bytes().rstrip(b"\n").replace(b"\n", b"\r\n"))
    words = ["--prefix", f"home-ipv6={A}", "--now", "2026-11-24T12:00:00Z"]
    diff = subprocess.run(
        [sys.executable, "-m", "gitops_prefix", "render", "--diff", *words],
        cwd=home, check=True, capture_output=True, timeout=120,
    ).stdout  # fmt: skip
    shutil.copytree(home, tmp_path / "patched")
    subprocess.run(
        ["git", "apply", "-p1", "--whitespace=nowarn", "-"],
        cwd=tmp_path / "patched", input=diff, check=True, env={**os.environ, "GIT_DIR": "/nonexistent"},
    )  # fmt: skip
    assert call(home, "render", *words).returncode == 0
    assert [*snapshot(home).values()] == [*snapshot(tmp_path / "patched").values()]


def on_a_terminal(directory: Path, *words: str, **environment: str) -> bytes:
    master, slave = pty.openpty()
    variables = {key: text for key, text in os.environ.items() if key != "NO_COLOR"}
    with subprocess.Popen(
        [sys.executable, "-m", "gitops_prefix", *words],
        cwd=directory, stdout=slave, stderr=slave, env={**variables, **environment},
    ) as process:  # fmt: skip
        os.close(slave)
        shown = b""
        # Linux answers EIO when the other end is closed.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65536):
                shown += chunk
        process.wait(timeout=120)
    os.close(master)
    return shown


SHOWN = {
    "a diff": ["render", "--diff", "--prefix", f"home-ipv6={A}"],
    "a note": ["validate"],
    "an answer": ["status"],
    "an error": ["render", "--prefix", f"nobody={A}"],
}


@pytest.mark.parametrize("words", SHOWN.values(), ids=SHOWN)
def test_colour_is_for_terminals_and_for_those_who_want_it(home, words):
    """NO_COLOR is obeyed by everything that is printed (no-color.org)."""
    assert b"\x1b[" in on_a_terminal(home, *words)
    plain = on_a_terminal(home, *words, NO_COLOR="1")
    assert plain
    assert b"\x1b[" not in plain
    assert "\x1b[" not in "".join(call(home, *words).stdout + call(home, *words).stderr)


def test_github_is_told_what_would_change_only_while_it_is_not_rendered(home):
    """With --check a warning a file; once it is written there is nothing to warn of."""
    words = ["--output", "github", "--prefix", f"home-ipv6={A}"]
    checked = call(home, "render", "--check", *words)
    assert checked.returncode == 1
    assert [line.split("::")[1] for line in checked.stdout.splitlines()] == [
        f"warning title=would-change,file={path}"
        for path in ("network/cidr-group.yaml", "network/pool.yaml", "prefix.yaml")
    ]
    assert call(home, "render", *words).stdout == ""


def test_an_output_directory_inside_is_no_input(home):
    """Rendered twice, it is not read as a second home of everything."""
    words = [
        "render",
        "--output-dir",
        str(home / "out"),
        "--prefix",
        f"home-ipv6={A}",
        "--now",
        "2026-11-24T12:00:00Z",
    ]
    assert call(home, *words).returncode == 0
    first = snapshot(home / "out")
    assert call(home, *words).returncode == 0
    assert snapshot(home / "out") == first


def test_an_empty_output_directory_is_not_the_current_one(home):
    before = snapshot(home)
    answer = call(home, "render", "--output-dir", "", "--prefix", f"home-ipv6={A}")
    assert (answer.returncode, snapshot(home)) == (2, before)
    assert "it is empty: name a directory" in answer.stderr


@pytest.mark.parametrize(("out", "pattern"), [("out", "/out/"), ("o[1] *", r"/o\[1\]\ \*/")])
def test_an_output_directory_that_the_next_run_would_read_is_named(home, out, pattern):
    """Each document would be there twice."""
    words = ["render", "--output-dir", str(home / out), "--prefix", f"home-ipv6={A}"]
    answer = call(home, *words)
    assert answer.returncode == 0
    assert f"write {pattern} into .gitops-prefixignore" in answer.stderr
    assert "[duplicate-dynamic-prefix]" in call(home, "validate").stderr
    (home / ".gitops-prefixignore").write_text(f"{pattern}\n")
    assert call(home, "validate").returncode == 0
    assert "[output-dir-inside]" not in call(home, *words).stderr


def test_a_directory_with_nothing_managed_is_no_silent_success(tmp_path):
    answer = call(tmp_path, "render")
    assert (answer.returncode, "[nothing-managed]" in answer.stderr) == (0, True)


def test_a_file_of_which_only_a_part_is_held_back_is_named_so(home):
    (home / "marked.yaml").write_text(
        'a: ""  # {"$dynamicprefix": "nope:prefix"}\nb: ""  # {"$dynamicprefix": "home-ipv6:prefix"}\n'
    )
    answer = call(home, "render", "--prefix", f"home-ipv6={A}")
    assert answer.returncode == 2
    assert "held back by errors: marked.yaml (in part)\n" in answer.stderr
    assert f'b: "{A}"' in (home / "marked.yaml").read_text()


def test_a_check_makes_no_output_directory(home):
    words = ["--output-dir", "out", "--prefix", f"home-ipv6={A}"]
    assert call(home, "render", "--check", *words).returncode == 1
    assert call(home, "render", "--diff", *words).returncode == 0
    assert not (home / "out").exists()


def test_an_error_in_one_file_keeps_that_file_as_it_was_and_no_other(home):
    """What is held back is named, and the exit code is 2, so that nobody takes it for done."""
    bad, good = (home / path for path in ("bad.yaml", "network/pool.yaml"))
    bad.write_text(good.read_text() + "spec: twice\n")
    before = bad.read_bytes(), good.read_bytes()
    for words in (["render"], ["render", "--output-dir", "out"]):
        answer = call(home, *words, "--prefix", f"home-ipv6={A}")
        assert answer.returncode == 2
        assert "[duplicate-key]" in answer.stderr
        assert "held back by errors: bad.yaml\n" in answer.stderr
    assert bad.read_bytes() == before[0]
    assert good.read_bytes() != before[1]
    for path in (bad, good):
        assert (home / "out" / path.relative_to(home)).read_bytes() == path.read_bytes()
