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
    "a read-only server": ("!\tabc:refs/heads/main\t[remote rejected] (unpacker error)", "remote: error: insufficient permission for adding an object to repository database ./objects", Refused),
    "a checked-out branch": ("!\tabc:refs/heads/main\t[remote rejected] (branch is currently checked out)", "remote: error: refusing to update checked out branch: refs/heads/main", Refused),
    "no update of hidden refs": ("!\tabc:refs/heads/main\t[remote rejected] (deny updating a hidden ref)", "", Refused),
    "a hook that says what git says": ("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)", "remote: please fetch first", Refused),
    "a protocol we do not speak": ("", "fatal: transport 'ext' not allowed", Refused),
    "no repository in a directory": ("", "fatal: '/srv/x' does not appear to be a git repository\nfatal: Could not read from remote repository.", Refused),
    "another host key than known": ("", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.", Refused),
    "too many requests": ("", "fatal: unable to access 'https://example.com/': The requested URL returned error: 429", Unreachable),
    "a forge's trouble": ("!\tabc:refs/heads/main\t[remote rejected] (Internal Server Error)", "", Unreachable),
    "a forge's trouble by http": ("", "remote: Internal Server Error\nfatal: unable to access 'https://example.com/': The requested URL returned error: 500", Unreachable),
    "an owner's name with a word in it": ("", "fatal: unable to access 'https://example.com/denys/forbidden.git/': Could not resolve host: example.com", Unreachable),
    "a host's name with a word in it": ("", "ssh: Could not resolve hostname git.denys.example: Name or service not known", Unreachable),
    "a branch's name with a word in it": ("!\tabc:refs/heads/fetch-first/forbidden\t[rejected] (no idea)", "", Unreachable),
    "a certificate that ran out": ("", "fatal: unable to access 'https://example.com/': SSL certificate problem: certificate has expired", Unreachable),
    "ssh's connection was reset": ("", "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22\nfatal: Could not read from remote repository.", Unreachable),
    "the server went away meanwhile": ("", "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF", Unreachable),
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


FETCHES = {name: case[1:] for name, case in PUSHES.items() if not case[0]}


@pytest.mark.parametrize(("stderr", "kind"), FETCHES.values(), ids=FETCHES)
def test_a_fetch_that_failed_is_read_by_the_same_words(stderr: str, kind: type):
    assert type(read_failure(128, stderr)) is kind


def test_hints_for_people_at_a_prompt_are_left_out():
    """What remains is one line, each of the words once, and not without end."""
    lines = ["hint: Updates were rejected", "remote: no", "remote: no", "", "  fatal: x  "]
    assert read_failure(128, "\n".join(lines)).words == "remote: no; fatal: x"
    assert len(read_failure(128, "".join(f"{n}\n" for n in range(9999))).words) == 2000


REMEDIES = {
    "no token": ("fatal: could not read Username for 'https://example.com': terminal prompts disabled", "give --token-file"),
    "an authority of one's own": ("fatal: unable to access 'https://x/': server certificate verification failed. CAfile: none CRLfile: none", "--ca-file"),
    "openssl's words for it": ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate", "--ca-file"),
    "a host that is not known": ("No ED25519 host key is known for [127.0.0.1]:22 and you have requested strict checking.", "--known-hosts"),
    "another host key": ("Host key for [127.0.0.1]:22 has changed and you have requested strict checking.", "--known-hosts"),
    "a key nobody knows": ("git@example.com: Permission denied (publickey,password).", "--ssh-key"),
}  # fmt: skip


@pytest.mark.parametrize(("stderr", "option"), REMEDIES.values(), ids=REMEDIES)
def test_what_an_option_would_mend_names_it(stderr: str, option: str):
    words = read_failure(128, stderr).words
    assert words.startswith(f"{stderr} (")
    assert option in words.removeprefix(stderr)


NO_REMEDY = [
    "fatal: Authentication failed for 'https://example.com/home.git/'",
    "ssh: connect to host 127.0.0.1 port 1: Connection refused",
    "fatal: unable to update /known: Permission denied",
]


@pytest.mark.parametrize("stderr", NO_REMEDY)
def test_what_says_enough_is_left_as_it_is(stderr: str):
    assert read_failure(128, stderr).words == stderr


def test_a_failure_without_words_has_its_status():
    """Somebody has to find out why, and that is all there is."""
    assert read_failure(128, "") == Unreachable("exit status 128")
    assert read_push(1, "", "", "abc") == Unreachable("exit status 1")
