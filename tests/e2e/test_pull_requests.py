"""The daemon's process, real git over http and ssh, and forges that keep state."""

import json
import os
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.pull_requests import PROGRAM, fix, head
from tests.forges import STAND_INS, TOKEN, GiteaStandIn, GitHubStandIn, GitLabStandIn, says, serving
from tests.git_servers import TOKEN as GIT_TOKEN
from tests.git_servers import USER, free_port, ssh_server, start_here, web_server
from tests.github_apps import APP, AppStandIn, new_app_key
from tests.gitrepo import example, git
from tests.netns import run, until
from tests.static_source import A, B
from tests.web_stand_in import Says, stand_in

BRANCH = "gitops-prefix/home-ipv6"


@pytest.fixture
def remote(tmp_path) -> Path:
    """examples/plain with a static prefix; its checkout is `tree` beside it."""
    bare, tree = example("plain", tmp_path), tmp_path / "tree"
    fix(tree, A)
    return bare


def once(*words: str, code: int = 0, **variables: str) -> str:
    """One pass of a process of its own; its log."""
    answer = subprocess.run(
        [*PROGRAM, "--once", *words],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | variables,
    )
    assert answer.returncode == code, answer.stderr
    return answer.stderr


@contextmanager
def daemon(tmp_path: Path, *words: str, **variables: str) -> Iterator[tuple[str, Path]]:
    """A daemon that looks at the branch each second: where it serves pages, and its log."""
    port, log = free_port(), tmp_path / "log"
    words = (*PROGRAM, "--interval", "1s", "--listen", f"127.0.0.1:{port}", *words)
    with log.open("w") as stderr, start_here(*words, stderr=stderr, env=os.environ | variables):
        yield f"http://127.0.0.1:{port}", log


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=120) as answer:
        return answer.read().decode()


@pytest.mark.parametrize("kind", STAND_INS, ids=lambda kind: kind.KIND)
def test_a_change_becomes_a_request_that_is_kept_updated_until_it_is_merged(tmp_path, remote, kind):
    """Over http, with git's own token for the API; each pass is a new process with an empty clone."""
    forge = kind(remote, token=GIT_TOKEN)
    (tmp_path / "token").write_text(f"{GIT_TOKEN}\n")
    with web_server(tmp_path / "web", tls=False) as server, serving(forge) as api:
        (server.repositories / "home").mkdir()
        (server.repositories / "home" / "ops.git").symlink_to(remote)
        words = ["--repo", f"{server.url}/home/ops.git", "--username", USER]
        words += ["--token-file", str(tmp_path / "token")]
        words += ["--pull-request", kind.KIND, "--forge-url", api.url + kind.API]
        clones = (str(tmp_path / f"clone-{number}") for number in range(9))
        main = head(remote, "main")

        log = once(*words, "--clone-dir", next(clones))
        assert head(remote, "main") == main
        [request] = forge.opened()
        assert (request.head, request.title) == (BRANCH, f"prefix(home-ipv6): {A}")
        assert "/1" in log

        before = head(remote, BRANCH)
        once(*words, "--clone-dir", next(clones))
        assert head(remote, BRANCH) == before
        assert len(forge.requests) == 1

        fix(tmp_path / "tree", B)
        once(*words, "--clone-dir", next(clones))
        assert git(remote, "rev-parse", f"{BRANCH}^").strip() == head(remote, "main")
        assert [one.title for one in forge.requests] == [f"prefix(home-ipv6): {B}"]

        forge.merge(*forge.opened(), "merge")
        merged = head(remote, "main")
        once(*words, "--clone-dir", next(clones))
        assert (head(remote, "main"), len(forge.requests)) == (merged, 1)

        fix(tmp_path / "tree", A)
        once(*words, "--clone-dir", next(clones))
        assert [one.title for one in forge.opened()] == [f"prefix(home-ipv6): {B} -> {A}"]


def test_a_forge_that_is_away_loses_nothing_and_is_tried_again(tmp_path, remote):
    """Over ssh, with a token of the API's own; told in the log, on the page, as a metric."""
    # Over ssh it is a path of the machine; at GitLab a project may be as deep.
    forge = GitLabStandIn(remote, project=str(remote).strip("/").removesuffix(".git"))
    forge.trouble += [says(503, {"message": "We are down."}) for _ in range(2)]
    with ssh_server(tmp_path / "sshd") as server, serving(forge) as api:
        words = ["--repo", server.url(remote), "--clone-dir", str(tmp_path / "clone")]
        words += ["--ssh-key", str(server.directory / "deploy")]
        words += ["--known-hosts", str(server.directory / "known_hosts")]
        words += ["--pull-request", "gitlab", "--forge-url", f"{api.url}/api/v4"]
        with daemon(tmp_path, *words, GITOPS_PREFIX_FORGE_TOKEN=TOKEN) as (url, log):
            until(lambda: "it is tried again" in log.read_text(), "the failure is told")
            assert head(remote, BRANCH)
            until(lambda: forge.opened() != [], "the request is opened")
            until(lambda: "/merge_requests/1" in page(url), "the page")
            metrics = page(f"{url}/metrics")
            assert re.search(
                r'publish_failures_total\{reason="\w+",stage="request"\} [12]', metrics
            )
            assert len(forge.requests) == 1
        text = log.read_text()
    assert TOKEN not in text
    assert [json.loads(line) for line in text.splitlines()], "each line is JSON"


def test_a_github_app_pushes_and_opens_with_one_token(tmp_path, remote):
    """Minted once for a pass; the web server and the API know no other."""
    new_app_key(tmp_path / "app.pem")
    app, forge = AppStandIn(tmp_path / "app.pem"), GitHubStandIn(remote)
    with web_server(tmp_path / "web", tls=False) as server:
        (server.repositories / "home").mkdir()
        (server.repositories / "home" / "ops.git").symlink_to(remote)

        def answer(asked):
            if not asked.path.startswith("/app/") and not asked.path.endswith("/installation"):
                return forge.answer(asked)
            said = app.answer(asked)
            forge.token = app.minted[-1] if app.minted else ""
            hashed = run("openssl", "passwd", "-apr1", forge.token).stdout
            (server.directory / "passwords").write_text(f"x-access-token:{hashed}")
            return said

        with stand_in(answer) as api:
            words = ["--repo", f"{server.url}/home/ops.git", "--clone-dir", str(tmp_path / "clone")]
            words += ["--github-app-id", APP, "--github-app-key-file", str(tmp_path / "app.pem")]
            words += ["--pull-request", "github", "--forge-url", api.url]
            log = once(*words)
    assert len(app.minted) == 1
    assert [one.title for one in forge.opened()] == [f"prefix(home-ipv6): {A}"]
    assert app.minted[0] not in log


def test_a_forge_that_refuses_is_told_by_one_pass(tmp_path, remote):
    """Exit code 3, with the forge's own words; and what was pushed stays."""
    forge = GiteaStandIn(remote, token="another")
    with serving(forge) as api, web_server(tmp_path / "web", tls=False) as server:
        (server.repositories / "home").mkdir()
        (server.repositories / "home" / "ops.git").symlink_to(remote)
        (tmp_path / "token").write_text(f"{GIT_TOKEN}\n")
        words = ["--repo", f"{server.url}/home/ops.git", "--username", USER]
        words += ["--token-file", str(tmp_path / "token"), "--clone-dir", str(tmp_path / "c")]
        words += ["--pull-request", "gitea", "--forge-url", f"{api.url}/api/v1"]
        log = once(*words, code=3)
    assert "401 Bad credentials" in log
    assert GIT_TOKEN not in log
    assert head(remote, BRANCH)


def test_those_who_reconcile_are_told_and_one_that_is_away_changes_nothing(tmp_path, remote):
    """One pass: signed for two, and a third that nobody serves."""
    secret = tmp_path / "secret"
    secret.write_text("s3cret-of-nobody\n")
    with stand_in(lambda asked: Says(200, b"")) as hooks:
        words = ["--repo", str(remote), "--clone-dir", str(tmp_path / "clone")]
        words += ["--notify", f"flux={hooks.url}/hook/abc"]
        words += ["--notify", f"argocd={hooks.url}/api/webhook"]
        words += ["--notify", f"hmac=http://127.0.0.1:{free_port()}/long-digest"]
        before = head(remote, "main")
        log = once(*words, "--notify-secret-file", str(secret))
        once(*words, "--notify-secret-file", str(secret))
    assert {asked.path for asked in hooks.asked} == {"/hook/abc", "/api/webhook"}
    assert len(hooks.asked) == 2, "and nobody is told of what did not change"
    event = json.loads(hooks.asked[1].body)
    assert (event["before"], event["after"]) == (before, head(remote, "main"))
    assert "prefix.yaml" in event["commits"][0]["modified"]
    assert "was not notified" in log
    assert "long-digest" not in log
    assert "s3cret" not in log


def test_one_that_was_away_is_told_later(tmp_path, remote):
    """By the daemon, without another push."""
    trouble = [Says(503, b""), Says(500, b"")]
    with stand_in(lambda asked: trouble.pop() if trouble else Says(200, b"")) as hooks:
        words = ["--repo", str(remote), "--clone-dir", str(tmp_path / "clone")]
        words += ["--notify", f"flux={hooks.url}/hook/abc"]
        with daemon(tmp_path, *words, GITOPS_PREFIX_NOTIFY_SECRET="s3cret") as (_, log):
            until(lambda: "asked flux" in log.read_text(), "the third try")
    assert len(hooks.asked) == 3
    assert len({asked.body for asked in hooks.asked}) == 1


BAD = [
    (["--pull-request", "github"], "no forge"),
    (["--auto-merge", "merge"], "give --pull-request"),
    (["--forge-url", "https://git.example/api/v3"], "give --pull-request"),
    (["--github-app-id", "1"], "give both"),
    (["--github-app-id", "1", "--github-app-key-file", "/nowhere"], "for https"),
    (["--notify", "flux=http://127.0.0.1/hook"], "--notify-secret-file"),
    (["--notify", "fluxx=http://127.0.0.1/hook"], "KIND=URL"),
    (["--push-branch", "main"], "another branch"),
    (["--push-branch", "main/{name}"], "no branch below another one"),
    (["--branch", "release/1", "--push-branch", "release"], "no branch below another one"),
    (["--push-branch", ""], "names no branch"),
    (["--push-branch", "x", "--notify", "argocd=http://127.0.0.1/"], "others merge there"),
    (["--notify-secret-file", "/nowhere", "--notify", "hmac=http://x/"], "/nowhere"),
    (["--notify-secret-file", "/dev/null"], "/dev/null"),
]


@pytest.mark.parametrize(("words", "said"), BAD)
def test_what_cannot_be_meant_is_bad_input_and_nothing_is_pushed(tmp_path, remote, words, said):
    before = head(remote, "main")
    log = once("--repo", str(remote), "--clone-dir", str(tmp_path / "clone"), *words, code=2)
    assert said in log
    assert "Traceback" not in log
    assert head(remote, "main") == before
