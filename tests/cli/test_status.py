"""status: each DynamicPrefix, its history, and what is bound to it."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gitops_prefix.cli.door import enter
from gitops_prefix.daemon.server import Server, json_page
from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX

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


def test_the_json_is_utf8_whatever_a_file_is_called(home, capsys):
    (home / "m.yaml").rename(home / os.fsdecode(b"m\xff.yaml"))
    assert enter(["status", "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out.encode())
    assert answer["prefixes"][0]["bindings"][0]["path"] == os.fsdecode(b"m\xff.yaml")


def test_the_json_has_the_keys_that_pipelines_rely_on(home, capsys):
    """To the letter."""
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


def test_what_is_wrong_hides_nothing_that_is_right(home, capsys):
    """One of several is wrong: it holds itself back alone."""
    (home / "q.yaml").write_bytes(PREFIX.replace(b"name: home", b"name: O.K"))
    assert enter(["status"]) == 2
    out, err = capsys.readouterr()
    assert "home  (p.yaml)" in out and f"current  {B} since" in out
    assert "q.yaml:4:9: error: " in err
    assert enter(["status", "--output", "json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [prefix["name"] for prefix in answer["prefixes"]] == ["home"]
    assert [error["path"] for error in answer["errors"]] == ["q.yaml"]


def test_what_cannot_be_told_apart_is_not_shown(home, capsys):
    (home / "q.yaml").write_bytes(PREFIX)
    assert enter(["status", "--output", "json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [error["code"] for error in answer["errors"]] == ["duplicate-dynamic-prefix"]
    assert "prefixes" not in answer


def test_only_what_is_below_a_path_counts(home, capsys):
    (home / "sub").mkdir()
    (home / "q.yaml").rename(home / "sub" / "q.yaml")
    assert enter(["status", "--path", "sub", "--output", "json"]) == 0
    [only] = json.loads(capsys.readouterr().out)["prefixes"]
    assert (only["name"], only["path"]) == ("other", "sub/q.yaml")


HEARD = {"prefix": A, "router": "fe80::1", "interface": "eth0", "verdict": "candidate"}
PUBLICATION = {
    "result": "refused",
    "words": "[remote rejected] (pre-receive hook declined)",
    "repository": "https://git.example.com/home.git",
    "branch": "main",
    "commit": "0123456789abcdef",
    "pending_since": NOW,
    "last_success": None,
    "delivered": ["forge: 1 open"],
    "problems": [{"message": "what is it?", "code": "no-target"}],
}


@pytest.fixture
def daemon(home, capsys) -> Iterator[tuple[str, dict[str, Any]]]:
    """A URL, and the answer of /status there, which may be changed."""
    assert enter(["status", "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out) | {"publication": PUBLICATION}
    answer["prefixes"][0] |= {"standing": "current", "announced": [HEARD]}
    with closing(Server("127.0.0.1:0", {"/status": lambda: json_page(answer)})) as server:
        yield f"http://127.0.0.1:{server.port}", answer


def test_a_running_daemon_answers_in_the_same_form(daemon, capsys):
    """And says what only a daemon knows: the link, and the last publication."""
    url, answer = daemon
    assert enter(["status"]) == 0
    of_files = capsys.readouterr().out.splitlines()
    assert enter(["status", "--url", url]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line in of_files] == of_files
    assert [line for line in lines if line not in of_files] == [
        "  link     current",
        f"  heard    {A} from fe80::1 on eth0: candidate",
        "published to main of https://git.example.com/home.git",
        "  result   refused: [remote rejected] (pre-receive hook declined)",
        "  commit   0123456789abcdef",
        f"  waiting  since {NOW}",
        "  after    forge: 1 open",
        "  problem  what is it? [no-target]",
    ]
    for written in (url, f"{url}/", f"{url}/status"):
        assert enter(["status", "--url", written, "--output", "json"]) == 0
        assert json.loads(capsys.readouterr().out) == answer


def test_what_a_daemon_answers_cannot_draw_on_the_terminal(daemon, capsys):
    url, answer = daemon
    answer["publication"] = PUBLICATION | {"words": "\x1b[2Jgone"}
    assert enter(["status", "--url", url]) == 0
    assert "\\x1b[2Jgone" in capsys.readouterr().out


STRANGERS = {
    "another program": ({"status": "ok"}, "is not gitops-prefix"),
    "a list": ([], "is not gitops-prefix"),
    "another version": ({"prefixes": [{}], "publication": {}}, "of another version"),
}


@pytest.mark.parametrize(("answer", "words"), STRANGERS.values(), ids=STRANGERS)
def test_what_is_no_daemon_is_the_outside(answer, words, capsys):
    with closing(Server("127.0.0.1:0", {"/status": lambda: json_page(answer)})) as server:
        assert enter(["status", "--url", f"http://127.0.0.1:{server.port}"]) == 3
    assert words in capsys.readouterr().err


def test_a_daemon_that_is_not_there_is_the_outside_and_no_url_is_bad_input(capsys):
    assert enter(["status", "--url", "http://127.0.0.1:9"]) == 3
    assert "--url http://127.0.0.1:9: " in capsys.readouterr().err
    assert enter(["status", "--url", "localhost:8080"]) == 2
    assert 'write "http://localhost:8080"' in capsys.readouterr().err


def test_a_daemon_that_asks_for_a_token_is_given_it(tmp_path, capsys):
    token = tmp_path / "token"
    token.write_text("listen-token-0123\n")
    pages = {"/status": lambda: json_page({"prefixes": [], "publication": PUBLICATION})}
    with closing(Server("127.0.0.1:0", pages, lambda: "listen-token-0123")) as server:
        words = ["status", "--url", f"http://127.0.0.1:{server.port}"]
        assert enter(words) == 3
        assert "401" in capsys.readouterr().err
        assert enter([*words, "--listen-token-file", str(token)]) == 0
        assert enter([*words, "--listen-token-file", str(tmp_path / "none")]) == 2
