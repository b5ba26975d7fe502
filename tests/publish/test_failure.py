"""What a failure is counted as: git's words, and servers', to one of a few reasons."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.errors import InputError, OutsideError, Problem
from gitops_prefix.publish.failure import (
    Failed,
    FailedError,
    Kind,
    Reason,
    failed_by,
    of_kind,
    read_failure,
    read_push,
    words_of_git,
)
from gitops_prefix.publish.stages import Stage

WORDS = [
    # what git and servers say, what it means
    ("[remote rejected] (protected branch hook declined)", Reason.PROTECTED),
    ("remote: error: GH006: Protected branch update failed; [remote rejected]", Reason.PROTECTED),
    ("[remote rejected] (pre-receive hook declined); remote: only on weekdays", Reason.HOOK),
    (
        "[remote rejected] (failed to update ref)\n"
        "remote: error: cannot lock ref 'refs/heads/p/x': 'refs/heads/p' exists; cannot create "
        "'refs/heads/p/x'",
        Reason.REFUSED,
    ),
    ("! [remote rejected] p/x -> p/x (directory file conflict)", Reason.REFUSED),
    ("Host key verification failed.; fatal: Could not read from remote", Reason.IDENTITY),
    ("fatal: unable to access 'https://x/': SSL certificate problem: self-signed", Reason.IDENTITY),
    ("No ED25519 host key is known for [127.0.0.1]:22 and you have requested", Reason.IDENTITY),
    ("[remote rejected] (unpacker error); remote: fatal: No space left on device", Reason.SERVER),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 503", Reason.SERVER),
    ("remote: GitHub is in maintenance mode, try again later", Reason.SERVER),
    ("fatal: unable to access 'https://x/': The requested URL returned error: 429", Reason.SERVER),
    ("remote: Internal API error (500)", Reason.SERVER),
    ("--ca-file /etc/ca.pem: No such file or directory", Reason.IDENTITY),
    (
        "fatal: unable to access 'https://x/': CONNECT tunnel failed, response 407",
        Reason.AUTHENTICATION,
    ),
    ("remote: Write access to repository not granted.", Reason.AUTHENTICATION),
    ("git@x: Permission denied (publickey).", Reason.AUTHENTICATION),
    ("fatal: Authentication failed for 'https://x/'", Reason.AUTHENTICATION),
    ("fatal: unable to access 'https://x/': returned error: 403", Reason.AUTHENTICATION),
    ("--token-file /run/token: No such file or directory", Reason.AUTHENTICATION),
    ("ERROR: The key has been marked as read only.", Reason.AUTHENTICATION),
    ('the remote has no branch "man" (it has: main)', Reason.MISSING),
    ("fatal: '/srv/x.git' does not appear to be a git repository", Reason.MISSING),
    ("fatal: write error: No space left on device", Reason.LOCAL),
    ("the clone was damaged and is made anew (git fetch: x)", Reason.LOCAL),
    ("fatal: unable to access 'https://x/': Could not resolve host: x", Reason.DNS),
    ("ssh: Could not resolve hostname x: Name or service not known", Reason.DNS),
    ("no answer within 60 s", Reason.TIMEOUT),
    ("ssh: connect to host x port 22: Connection timed out", Reason.TIMEOUT),
    ("ssh: connect to host x port 22: Connection refused", Reason.UNREACHABLE),
    # no row knows these, or a name only looks like one
    ("", Reason.UNREACHABLE),
    ("fatal: the remote end hung up unexpectedly", Reason.UNREACHABLE),
    ("fatal: unable to access 'https://x/forbidden/home.git/': Empty reply", Reason.UNREACHABLE),
]


@pytest.mark.parametrize(("words", "reason"), WORDS)
@pytest.mark.parametrize("stage", [Stage.LOOK, Stage.FETCH, Stage.PUSH, Stage.CONFIRM])
def test_the_words_say_why(words, reason, stage):
    failed = read_failure(stage, words)
    assert failed.reason is reason
    assert failed.stage is stage


@pytest.mark.parametrize("words", [words for words, _ in WORDS])
@pytest.mark.parametrize("stage", [Stage.READ, Stage.COMMIT])
def test_what_asks_only_our_own_disk_fails_for_its_sake(words, stage):
    """A file in the repository that is called "permission denied" is no server's answer."""
    assert failed_by(OutsideError(words), stage) == Failed(Reason.LOCAL, words, stage)


def test_an_exception_that_was_classified_is_not_read_again():
    failed = Failed(Reason.SIGNING, "permission denied", Stage.COMMIT)
    assert failed_by(FailedError(failed), Stage.PUSH) is failed


def test_what_a_person_named_wrongly_is_refused():
    """Whatever the words say of waiting."""
    error = InputError(Problem("x", "--ssh-key x: no answer within 60 s"))
    assert failed_by(error, Stage.LOOK).kind is Kind.REFUSED
    assert failed_by(OutsideError("git: Permission denied"), Stage.PUSH).kind is Kind.AWAY


@given(st.text(), st.sampled_from(Stage))
def test_whatever_a_server_says_is_one_of_a_few_reasons(words, stage):
    assert read_failure(stage, words, otherwise=Reason.REFUSED).reason in set(Reason)


@given(st.text(), st.sampled_from([Reason.REFUSED, Reason.UNREACHABLE]))
def test_the_words_of_a_known_kind_never_change_it(words, general):
    assert of_kind(general, read_failure(Stage.LOOK, words)).kind is general.kind


def test_a_reason_says_what_helps():
    kinds = {reason.value: reason.kind.value for reason in Reason}
    assert {name for name, kind in kinds.items() if kind == "moved"} == {"contested"}
    away = {"server", "local", "dns", "timeout", "unreachable"}
    assert {name for name, kind in kinds.items() if kind == "away"} == away


OUR_DISK = {
    "fatal: sha1 file '/c/tmp_pack_NAME' write error. Out of diskspace\n"
    "fast-import: dumping crash report to /c/fast_import_crash_NAME": "make room on the disk",
    "fatal: cannot create directory at 'x': Read-only file system": "that can be written",
    "error: /c/a.idx is too small\nerror: /c/a.idx is too small\n": "is too small",
}


@pytest.mark.parametrize(("said", "remedy"), OUR_DISK.items())
def test_what_git_says_of_our_disk_is_one_line_and_the_same_at_each_try(said, remedy):
    words = words_of_git(said.replace("NAME", "BpgitY"))
    assert words == words_of_git(said.replace("NAME", "tZ5NPH"))
    assert remedy in words
    assert "\n" not in words
    assert words.count("/c/") <= 1


def test_a_server_that_prints_before_git_says_what_it_may_be():
    said = "fatal: protocol error: bad line length character: Welc"
    failed = read_failure(Stage.LOOK, said)
    assert failed.words.startswith(said) and "start-up file" in failed.words


def test_a_fetch_that_fails_for_our_own_disk_says_what_to_do():
    """The server's word about what it cannot leave out is no part of the reason."""
    said = (
        "warning: filtering not recognized by server, ignoring\n"
        "fatal: failed to write to /c/shallow.lock: No space left on device\n"
    )
    failed = read_failure(Stage.FETCH, said)
    assert failed.words == (
        "fatal: failed to write to /c/shallow.lock: No space left on device "
        "(make room on the disk of --clone-dir)"
    )
    theirs = read_failure(Stage.PUSH, "remote: fatal: write error: No space left on device")
    assert "--clone-dir" not in theirs.words


HTTPS = {
    "fatal: unable to access 'https://x/': server certificate verification failed": "wrong clock",
    "fatal: unable to access 'https://x/': SSL certificate problem: not yet valid": "--ca-file",
    "fatal: unable to access 'https://x/': The requested URL returned error: 401": "--token-file",
    "fatal: Authentication failed for 'https://x/home.git/'": "may have expired",
    "remote: Invalid username or token. Password authentication is not supported": "expired",
    "fatal: unable to access 'https://x/': The requested URL returned error: 403": "right to write",
    "remote: Permission to me/home.git denied to bot.": "right to write contents",
    "remote: Write access to repository not granted.": "right to write contents",
    "fatal: repository 'https://x/home.git/' not found": "what the token may not see",
    "fatal: unable to access 'https://x/': The requested URL returned error: 404": "correct --repo",
    "fatal: unable to access 'https://x/': The requested URL returned error: 500": "",
}


@pytest.mark.parametrize(("said", "remedy"), HTTPS.items())
def test_what_a_forge_answers_over_https_comes_with_a_remedy(said, remedy):
    for words in (
        read_failure(Stage.FETCH, said).words,
        read_push(128, "", said, "c").words,  # type: ignore[union-attr]
    ):
        assert words.startswith(said)
        assert remedy in words
        assert (words == said) is not bool(remedy)
