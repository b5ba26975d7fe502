"""migrate: live objects of an operator in, manifests that validate accepts out."""

import json
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter
from tests.cli.directories import call, snapshot
from tests.plan.live_objects import ADVERTISEMENT, POOL, PREFIX, SERVICE

LIVE = {"apiVersion": "v1", "kind": "List", "items": [PREFIX, POOL, ADVERTISEMENT, SERVICE]}


@pytest.fixture(autouse=True)
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the objects in one list, which JSON is YAML for."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "live").mkdir()
    (tmp_path / "live" / "all.yaml").write_text(json.dumps(LIVE))
    return tmp_path / "live"


def test_the_copies_become_a_directory_that_validate_accepts(live, tmp_path, capsys):
    before = snapshot(live)
    assert enter(["migrate", "live", "--output-dir", "home"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "wrote home/prefix.yaml"
    assert "Stop the operator" in err
    assert snapshot(live) == before
    written = "".join((path.read_text()) for path in (tmp_path / "home").iterdir())
    assert "managed-" not in written
    assert "last-sync" not in written
    assert enter(["validate", "home"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("1 DynamicPrefix, ")
    assert out.splitlines()[0].endswith(", 0 errors")


def test_without_a_directory_it_is_one_stream(capsys):
    assert enter(["migrate", "live"]) == 0
    documents = capsys.readouterr().out.split("---\n")
    assert [document.splitlines()[1] for document in documents] == [
        "kind: DynamicPrefix",
        "kind: CiliumLoadBalancerIPPool",
        "kind: CiliumBGPAdvertisement",
        "kind: Service",
    ]


def test_one_file_is_enough_and_json_too(live, capsys):
    (live / "p.json").write_text(json.dumps(PREFIX))
    assert enter(["migrate", "live/p.json"]) == 0
    assert capsys.readouterr().out.startswith("apiVersion: dynamic-prefix.io/v1alpha1\n")


def test_kubectl_can_be_read_from_a_pipe(tmp_path, live):
    ended = call(tmp_path, "migrate", "-", stdin=(live / "all.yaml").read_text())
    assert ended.returncode == 0, ended.stderr
    assert "kind: DynamicPrefix" in ended.stdout


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("b.yaml", b"a: [\n", "not-yaml"),
        ("b.yaml", b"a: \xff\n", "not-utf8"),
        ("all.yaml", b"kind: Service\n", "no-dynamic-prefix"),
        ("all.yaml", b"- a\n", "no-dynamic-prefix"),
    ],
)
def test_what_cannot_be_read_is_bad_input(live, name, content, code, capsys):
    (live / name).write_bytes(content)
    assert enter(["migrate", "live", "--output-dir", "home"]) == 2
    assert f"[{code}]" in capsys.readouterr().err
    assert not Path("home").exists()


def test_what_is_there_is_never_overwritten(capsys):
    Path("home").mkdir()
    Path("home/prefix.yaml").write_text("mine\n")
    assert enter(["migrate", "live", "--output-dir", "home"]) == 2
    assert "[output-dir-taken]" in capsys.readouterr().err
    assert Path("home/prefix.yaml").read_text() == "mine\n"
