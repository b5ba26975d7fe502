"""What `--verbose` shows of git, forges and webhooks: enough at four in the morning, and no secret."""

import logging
import re

import pytest

from gitops_prefix.publish.credentials import Token
from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.http import HttpClient, Request
from tests.branch import MANAGED, bare_repository, commit_ours, fetched, opened
from tests.web_stand_in import Says, stand_in

SECRET = "t0ken-of-nobody"
NEW = {"a.yaml": MANAGED + b"new\n"}


def test_each_git_command_with_its_exit_and_its_duration(tmp_path, caplog):
    caplog.set_level(logging.DEBUG, logger="gitops_prefix")
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    with fetched(tmp_path / "clone", remote) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    shown = [line for line in caplog.messages if line.startswith("git ")]
    assert all(re.search(r": exit -?\d+ in \d+\.\d{3} s$", line) for line in shown)
    text = "\n".join(shown)
    assert "--depth=1" in text
    assert f"ls-remote -- {remote} refs/heads/main" in text
    for command in ("fsck", "for-each-ref", "fast-import", "push --porcelain", "update-ref"):
        assert f"git {command}" in text
    assert "core.fsync" not in text, "settings are the same each time"


def test_nothing_is_shown_without_it(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="gitops_prefix")
    with fetched(tmp_path / "clone", bare_repository(tmp_path, {"a.yaml": MANAGED})):
        assert not caplog.messages


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_token_is_in_no_line(tmp_path, caplog, status):
    """Not even when the server repeats it, plain or as it was sent."""
    caplog.set_level(logging.DEBUG)
    echo = lambda asked: Says(  # noqa: E731
        status,
        f"{SECRET} {asked.headers.get('authorization', '')}".encode(),
        {"WWW-Authenticate": 'Basic realm="x"'} if status == 401 else {},
    )
    with (
        stand_in(echo) as served,
        opened(
            tmp_path / "clone", f"{served.url}/x.git", credentials=Token(lambda: SECRET)
        ) as repository,
        pytest.raises(FailedError),
    ):
        repository.fetch()
    assert any(line.startswith("git ls-remote") for line in caplog.messages)
    assert_hidden(caplog)


def test_userinfo_in_a_url_is_in_no_line(tmp_path, caplog):
    """A user may be a token, too."""
    caplog.set_level(logging.DEBUG)
    Git(tmp_path).ask("ls-remote", f"https://{SECRET}@127.0.0.1:9/x")
    [line] = [line for line in caplog.messages if line.startswith("git ")]
    assert line.startswith("git ls-remote https://127.0.0.1:9/x: exit 128 in ")
    assert_hidden(caplog)


def test_what_a_forge_or_a_webhook_answered(caplog):
    """Status and words; the path of a webhook may be as good as a secret."""
    caplog.set_level(logging.DEBUG)
    headers = {"Authorization": f"Bearer {SECRET}"}
    told = iter([
        Says(200, b'{"message": "started", "token": "ghs_another"}'),
        Says(422, b'{"message": "no such branch t0ken-of-nobody"}'),
        Says(503, b"busy"),
    ])  # fmt: skip
    with stand_in(lambda _asked: next(told)) as served:
        for _ in range(3):
            HttpClient().send(Request("POST", f"{served.url}/hook/{SECRET}", headers, {}))
        host = served.url.partition("://")[2]
    assert caplog.messages == [
        f"POST {host}: 200, 46 bytes started",
        f"POST {host}: 422 no such branch ***",
        f"POST {host}: 503 busy",
    ]
    assert_hidden(caplog)
    assert "ghs_another" not in caplog.text


def assert_hidden(caplog) -> None:
    assert SECRET not in caplog.text
    assert "t0ken" not in caplog.text
