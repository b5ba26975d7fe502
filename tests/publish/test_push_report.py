"""The result of a push, in the words that git and forges really use."""

import pytest

from gitops_prefix.publish.failure import Failed, Kind, Published, Reason, read_failure, read_push
from gitops_prefix.publish.stages import Stage

PUSHES = {
    "fetch first": ("!\tabc:refs/heads/main\t[rejected] (fetch first)", "", Kind.MOVED),
    "non-fast-forward": ("!\tabc:refs/heads/main\t[rejected] (non-fast-forward)", "", Kind.MOVED),
    "stale info": ("!\tabc:refs/heads/main\t[rejected] (stale info)", "", Kind.MOVED),
    "a lock on the server": ("!\tabc:refs/heads/main\t[remote rejected] (cannot lock ref 'refs/heads/main')", "", Kind.MOVED),
    "a race on the server": ("!\tabc:refs/heads/main\t[remote rejected] (failed to update ref)", "", Kind.MOVED),
    "another old value": ("!\tabc:refs/heads/main\t[remote rejected] (incorrect old value provided)", "", Kind.MOVED),
    "a hook": ("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)", "remote: not on Sundays", Kind.REFUSED),
    "GitHub's protected branch": ("!\tabc:refs/heads/main\t[remote rejected] (protected branch hook declined)", "", Kind.REFUSED),
    "GitLab's protected branch": (
        "!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)",
        "remote: GitLab: You are not allowed to push code to protected branches on this project.", Kind.REFUSED,
    ),
    "a read-only deploy key": ("", "ERROR: The key you are authenticating with has been marked as read only.\nfatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights", Kind.REFUSED),
    "a key nobody knows": ("", "git@github.com: Permission denied (publickey).\nfatal: Could not read from remote repository.", Kind.REFUSED),
    "another host key": ("", "Host key verification failed.\nfatal: Could not read from remote repository.", Kind.REFUSED),
    "a wrong token": ("", "fatal: Authentication failed for 'https://example.com/home.git/'", Kind.REFUSED),
    "no token": ("", "fatal: could not read Username for 'https://example.com': terminal prompts disabled", Kind.REFUSED),
    "forbidden": ("", "fatal: unable to access 'https://example.com/': The requested URL returned error: 403", Kind.REFUSED),
    "no such repository": ("", "remote: Repository not found.\nfatal: repository 'https://example.com/x/' not found", Kind.REFUSED),
    "a read-only server": ("!\tabc:refs/heads/main\t[remote rejected] (unpacker error)", "remote: error: insufficient permission for adding an object to repository database ./objects", Kind.REFUSED),
    "a checked-out branch": ("!\tabc:refs/heads/main\t[remote rejected] (branch is currently checked out)", "remote: error: refusing to update checked out branch: refs/heads/main", Kind.REFUSED),
    "no update of hidden refs": ("!\tabc:refs/heads/main\t[remote rejected] (deny updating a hidden ref)", "", Kind.REFUSED),
    "a hook that says what git says": ("!\tabc:refs/heads/main\t[remote rejected] (pre-receive hook declined)", "remote: please fetch first", Kind.REFUSED),
    "a protocol we do not speak": ("", "fatal: transport 'ext' not allowed", Kind.REFUSED),
    "no repository in a directory": ("", "fatal: '/srv/x' does not appear to be a git repository\nfatal: Could not read from remote repository.", Kind.REFUSED),
    "another host key than known": ("", "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\nHost key verification failed.", Kind.REFUSED),
    "too many requests": ("", "fatal: unable to access 'https://example.com/': The requested URL returned error: 429", Kind.AWAY),
    "a forge's trouble": ("!\tabc:refs/heads/main\t[remote rejected] (Internal Server Error)", "", Kind.AWAY),
    "a forge's trouble by http": ("", "remote: Internal Server Error\nfatal: unable to access 'https://example.com/': The requested URL returned error: 500", Kind.AWAY),
    "an owner's name with a word in it": ("", "fatal: unable to access 'https://example.com/denys/forbidden.git/': Could not resolve host: example.com", Kind.AWAY),
    "a host's name with a word in it": ("", "ssh: Could not resolve hostname git.denys.example: Name or service not known", Kind.AWAY),
    "a branch's name with a word in it": ("!\tabc:refs/heads/fetch-first/forbidden\t[rejected] (no idea)", "", Kind.AWAY),
    "a certificate that ran out": ("", "fatal: unable to access 'https://example.com/': SSL certificate problem: certificate has expired", Kind.REFUSED),
    "ssh's connection was reset": ("", "kex_exchange_identification: read: Connection reset by peer\nConnection reset by 192.0.2.1 port 22\nfatal: Could not read from remote repository.", Kind.AWAY),
    "the server went away meanwhile": ("", "fetch-pack: unexpected disconnect while reading sideband packet\nfatal: early EOF", Kind.AWAY),
    "no name": ("", "ssh: Could not resolve hostname git.example.com: Name or service not known", Kind.AWAY),
    "nobody listens": ("", "fatal: unable to access 'https://example.com/': Failed to connect to example.com port 443: Connection refused", Kind.AWAY),
    "a gateway's trouble": ("", "error: RPC failed; HTTP 502 curl 22 The requested URL returned error: 502", Kind.AWAY),
    "a line that broke": ("", "fatal: the remote end hung up unexpectedly", Kind.AWAY),
    "time is over": ("", "no answer within 60 s", Kind.AWAY),
}  # fmt: skip


@pytest.mark.parametrize(("stdout", "stderr", "kind"), PUSHES.values(), ids=PUSHES)
def test_a_push_that_failed(stdout: str, stderr: str, kind: Kind):
    """Moved: make it anew. Refused: somebody must act. Away: wait."""
    report = read_push(1, f"To git.example.com:home.git\n{stdout}\nDone\n", stderr, "abc")
    assert isinstance(report, Failed)
    assert report.kind is kind
    last = (stderr or stdout).splitlines()[0].split("\t")[-1]
    assert last in report.words


def test_a_push_that_went_well():
    """Git's exit status counts; the caller still asks the remote."""
    assert read_push(0, "To x\n \tabc:refs/heads/main\tabc..def\nDone\n", "", "abc") == Published(
        "abc"
    )


FETCHES = {name: case[1:] for name, case in PUSHES.items() if not case[0]}


@pytest.mark.parametrize(("stderr", "kind"), FETCHES.values(), ids=FETCHES)
def test_a_fetch_that_failed_is_read_by_the_same_words(stderr: str, kind: Kind):
    assert read_failure(Stage.FETCH, stderr).kind is kind


def test_hints_for_people_at_a_prompt_are_left_out():
    """What remains is one line, each of the words once, and not without end."""
    lines = ["hint: Updates were rejected", "remote: no", "remote: no", "", "  fatal: x  "]
    assert read_failure(Stage.LOOK, "\n".join(lines)).words == "remote: no; fatal: x"
    assert len(read_failure(Stage.LOOK, "".join(f"{n}\n" for n in range(9999))).words) == 2000


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
    words = read_failure(Stage.LOOK, stderr).words
    assert words.startswith(f"{stderr} (")
    assert option in words.removeprefix(stderr)


NO_REMEDY = [
    "ssh: connect to host 127.0.0.1 port 1: Connection refused",
    "fatal: unable to update /known: Permission denied",
]


@pytest.mark.parametrize("stderr", NO_REMEDY)
def test_what_says_enough_is_left_as_it_is(stderr: str):
    assert read_failure(Stage.LOOK, stderr).words == stderr


def test_a_failure_without_words_has_its_status():
    """Somebody has to find out why, and that is all there is."""
    assert read_failure(Stage.LOOK, "", status=128) == Failed(
        Reason.UNREACHABLE, "exit status 128", Stage.LOOK
    )
    assert read_push(1, "", "", "abc") == Failed(Reason.UNREACHABLE, "exit status 1", Stage.PUSH)
