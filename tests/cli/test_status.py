"""status: each DynamicPrefix, its history, and what is bound to it."""

import json
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter
from tests.render.repository import PREFIX
from tests.render.test_lists import GROUP, POOL

NOW = "2026-11-24T12:00:00Z"
LATER = "2026-11-25T12:00:00Z"
A, B = "2001:db8:a::/64", "2001:db8:b::/64"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Path:
    """Two DynamicPrefixes; `home` was A and is B, `other` waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITOPS_PREFIX_OUTPUT", raising=False)
    (tmp_path / "p.yaml").write_bytes(PREFIX)
    (tmp_path / "q.yaml").write_bytes(PREFIX.replace(b"name: home", b"name: other"))
    (tmp_path / "m.yaml").write_text(
        POOL.replace("name: p", "name: p\n  namespace: n") + "---\n" + GROUP
    )
    for prefix, now in ((A, NOW), (B, LATER)):
        assert enter(["render", "--prefix", f"home={prefix}", "--now", now]) == 0
    capsys.readouterr()
    return tmp_path


def test_the_json_has_the_keys_that_pipelines_rely_on(home, capsys):
    """DESIGN 7, to the letter."""
    assert enter(["status", "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert list(answer) == ["prefixes"]
    first, second = answer["prefixes"]
    assert [condition["type"] for condition in first.pop("conditions")] == [
        "PrefixAcquired",
        "PoolsSynced",
    ]
    assert first == {
        "name": "home",
        "path": "p.yaml",
        "current": B,
        "acquired_at": LATER,
        "source": "router-advertisement",
        "history": [{"prefix": A, "acquired_at": NOW, "deprecated_at": LATER, "state": "draining"}],
        "bindings": [
            {
                "path": "m.yaml",
                "kind": "CiliumLoadBalancerIPPool",
                "namespace": "n",
                "name": "p",
                "field": "spec.blocks",
            },
            {
                "path": "m.yaml",
                "kind": "CiliumCIDRGroup",
                "namespace": "",
                "name": "p",
                "field": "spec.externalCIDRs",
            },
        ],
    }
    assert second == {
        "name": "other", "path": "q.yaml", "current": None, "acquired_at": None, "source": None,
        "history": [], "bindings": [], "conditions": [],
    }  # fmt: skip


def test_the_text_says_the_same(home, capsys):
    assert enter(["status"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "home  (p.yaml)",
        f"  current  {B} since {LATER} (router-advertisement)",
        f"  history  {A} until {LATER} (draining)",
        "  bound    CiliumLoadBalancerIPPool n/p: spec.blocks (m.yaml)",
        "  bound    CiliumCIDRGroup p: spec.externalCIDRs (m.yaml)",
        "other  (q.yaml)",
        "  current  none yet: it waits for a first prefix",
    ]


def test_nothing_there_is_said_and_is_0(tmp_path, capsys):
    assert enter(["status", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "no DynamicPrefix here; `gitops-prefix init` writes one\n")
    assert enter(["status", str(tmp_path), "--output", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"prefixes": []}


def test_only_what_is_below_a_path_counts(home, capsys):
    (home / "sub").mkdir()
    (home / "q.yaml").rename(home / "sub" / "q.yaml")
    assert enter(["status", "--path", "sub", "--output", "json"]) == 0
    [only] = json.loads(capsys.readouterr().out)["prefixes"]
    assert (only["name"], only["path"]) == ("other", "sub/q.yaml")
