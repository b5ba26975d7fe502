"""What a push came to, in the words that git and forges really use."""

import pytest

from gitops_prefix.publish.push_report import (
    Moved,
    Published,
    Refused,
    Unreachable,
    read_failure,
    read_push,
)
from gitops_prefix.publish.scrub import scrub

PUSHES = {
    "fetch first": ("!\tabc:refs/heads/main\t[rejected] (fetch first)", "", Moved),
    "non-fast-forward": ("!\tabc:refs/heads/main\t[rejected] (non-fast-forward)", "", Moved),
    "stale info": ("!\tabc:refs/heads/main\t[rejected] (stale info)", "", Moved),
    "a lock on the server": ("!\tabc:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main')", "", Moved),
    "a race on the server": ("!\tabc:refs/heads/main\t[remote rejected] (failed to update ref)", "", Moved),
    "another old value": ("!\tabc:refs/heads/main\t[remote rejected] (incorrect old value provided)", "", Moved),
    "a hook": ("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)", "remote: not on Sundays", Refused),
    "GitHub's protected branch": ("!\tabc:refs/heads/main\t[remote rejected] (protected branch hook declined)", "", Refused),
    "GitLab's protected branch": (
        "!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)",
        "remote: GitLab: You are not allowed to push code to protected branches on this project.", Refused,
    ),
    "a read-only deploy key": ("", "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights", Refused),
    "a key nobody knows": ("", "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.", Refused),
    "another host key": ("", "Host key verification failed.\nfatal: Could not read from remote repository.", Refused),
    "a wrong token": ("", "fatal: Authentication failed for 'https://example.com/home.git/'", Refused),
    "no token": ("", "fatal: could not read Username for 'https://example.com': terminal prompts disabled", Refused),
    "forbidden": ("", "fatal: unable to access 'https://example.com/': The requested URL returned error: 403", Refused),
    "no such repository": ("", "remote: Repository not found.\nfatal: repository 'https://example.com/x/' not found", Refused),
    "no name": ("", "ssh: Could not resolve hostname git.example.com: Name or service not known", Unreachable),
    "nobody listens": ("", "fatal: unable to access 'https://example.com/': Failed to connect to example.com port 443: Connection refused", Unreachable),
    "a gateway's trouble": ("", "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", Unreachable),
    "a line that broke": ("", "fatal: the remote end hung up unexpectedly", Unreachable),
    "time is over": ("", "no answer within 60 s", Unreachable),
}  # fmt: skip


@pytest.mark.parametrize(("stdout", "stderr", "kind"), PUSHES.values(), ids=PUSHES)
def test_a_push_that_failed(stdout: str, stderr: str, kind: type):
    """Moved: make it anew. Refused: somebody must act. Unreachable: wait."""
    report = read_push(1, f"To git.example.com:home.git\n{stdout}\nDone\n", stderr, "abc")
    assert type(report) is kind
    last = (stderr or stdout).splitlines()[0].split("\t")[-1]
    assert last in report.words


def test_a_push_that_went_well():
    """Git's exit status counts; the caller still asks the remote."""
    assert read_push(0, "To x\n \tabc:refs/heads/main\tabc..def\nDone\n", "", "abc") == Published(
        "abc"
    )


@pytest.mark.parametrize(
    ("stdout", "stderr", "kind"), [case for case in PUSHES.values() if not case[0]]
)
def test_a_fetch_that_failed_is_read_by_the_same_words(stdout: str, stderr: str, kind: type):
    assert type(read_failure(128, stderr)) is kind


def test_credentials_in_a_url_are_hidden():
    """Git repeats the URL in its words."""
    words = "fatal: unable to access 'https://me:hunter2@git.example.com/x.git/'"
    assert scrub(words) == "fatal: unable to access 'https://git.example.com/x.git/'"
    assert scrub("ssh://git@host/x and a@b") == "ssh://host/x and a@b"
