"""Signed commits, as git verifies them; keys as they are mounted, replaced, locked and wrong."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.commit_maker import Identity
from gitops_prefix.publish.failure import FailedError, Published
from gitops_prefix.publish.repository import Repository
from gitops_prefix.publish.signing import PREFIX, GpgSigning, SigningFormat, SshSigning, signing_by
from tests.branch import MANAGED, NOON, bare_repository, commit_ours, fetched, opened
from tests.git_servers import new_key
from tests.gitrepo import ROOT, git
from tests.netns import run
from tests.parts import require
from tests.publish.failing import refused
from tests.publish.gpg_keys import GpgKey

NEW = {"a.yaml": MANAGED + b"new\n"}
PASSPHRASE = "a pass phrase of nobody"
BOT = Identity("Bot", "bot@example.com")
ADA = Identity("Ada Inc", "ada@example.com")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


def publish(tmp_path: Path, remote: Path, signing, **options) -> str:
    with fetched(tmp_path / "clone", remote, signing=signing, **options) as repository:
        commit = commit_ours(repository, NEW, "subject\n\nbody\n\nKey: text\n")
        assert repository.push() == Published(commit)
    return commit


def verify(remote: Path, commit: str, *settings: str, **variables: str) -> str:
    """What git says of a signature; it raises when it is none."""
    words = ["git", "-C", str(remote), *settings, "verify-commit", "-v", commit]
    answer = subprocess.run(
        words, capture_output=True, text=True, check=True, env=os.environ | variables
    )
    return answer.stderr


def names(cmdline: Path, directory: Path) -> bool:
    try:
        return str(directory).encode() in cmdline.read_bytes()
    except OSError:
        return False


SSH_KEYS = {
    "ed25519": ("-t", "ed25519"),
    "ecdsa": ("-t", "ecdsa"),
    "rsa in PEM": ("-t", "rsa", "-b", "2048", "-m", "PEM"),
}


@pytest.mark.parametrize("mode", [0o400, 0o440], ids=oct)
@pytest.mark.parametrize("options", SSH_KEYS.values(), ids=SSH_KEYS)
def test_git_verifies_what_an_ssh_key_signed(tmp_path, remote, options, mode):
    """As Kubernetes mounts it: a group may read it, and there is no public half beside it."""
    require("ssh")
    key = tmp_path / "key"
    run("ssh-keygen", "-q", *options, "-N", "", "-f", str(key))
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@example.com {key.with_name('key.pub').read_text()}")
    key.with_name("key.pub").unlink()
    key.chmod(mode)
    commit = publish(tmp_path, remote, signing_by(key), author=ADA, committer=BOT)
    believed = ("-c", f"gpg.ssh.allowedSignersFile={allowed}")
    assert 'Good "git" signature for bot@example.com' in verify(remote, commit, *believed)
    new_key(tmp_path / "other")
    allowed.write_text(f"bot@example.com {(tmp_path / 'other.pub').read_text()}")
    with pytest.raises(subprocess.CalledProcessError):
        verify(remote, commit, *believed)


GPG_KEYS = {
    "armoured": ("", ("--armor",)),
    "binary": ("", ()),
    "behind a passphrase": (PASSPHRASE, ("--armor",)),
}


@pytest.mark.parametrize(("passphrase", "options"), GPG_KEYS.values(), ids=GPG_KEYS)
def test_git_verifies_what_a_gpg_key_signed(
    tmp_path, remote, gpg_home, in_memory, passphrase, options
):
    """The keyring is in memory, and goes with its agent once the commit is signed."""
    ours = GpgKey(gpg_home, passphrase)
    key = ours.export(tmp_path / "key", *options)
    passphrase_file = None
    if passphrase:
        passphrase_file = tmp_path / "passphrase"
        passphrase_file.write_text(f"{passphrase}\n")
    signing = signing_by(key, passphrase_file=passphrase_file)
    assert isinstance(signing, GpgSigning)
    commit = publish(tmp_path, remote, signing)
    assert "Good signature from" in verify(remote, commit, GNUPGHOME=str(gpg_home))
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if names(path, in_memory)]
    assert not left, "the agent is gone"


def test_a_signed_commit_is_otherwise_the_same(tmp_path, remote):
    """Tree, parent, author, committer, dates and message: what is signed is what is not."""
    new_key(tmp_path / "key")
    people = {"author": ADA, "committer": BOT}
    found = []
    for name, signing in {"plain": None, "signed": SshSigning(tmp_path / "key")}.items():
        with fetched(tmp_path / name, remote, signing=signing, **people) as repository:
            commit = commit_ours(repository, NEW, "subject\n\n# body\n\nKey: text\n")
            assert repository.unpublished == commit
            store = tmp_path / name / "repository.git"
            found.append(git(store, "cat-file", "commit", commit))
            names = git(store, "for-each-ref", "--format=%(refname)").split()
            ours = ["refs/gitops-prefix/onto", "refs/gitops-prefix/unpublished"]
            assert names == [*ours, "refs/remotes/origin/tip"]
    plain, signed = found
    head, _, rest = signed.partition("gpgsig ")
    assert head + "\n" + rest.partition("\n\n")[2] == plain


def test_a_commit_for_a_branch_of_ours_is_signed_too(tmp_path, remote):
    """Those that become pull requests."""
    new_key(tmp_path / "key")
    reference = "refs/gitops-prefix/somewhere"
    signing = SshSigning(tmp_path / "key")
    with fetched(tmp_path / "clone", remote, signing=signing) as repository:
        commit = repository.commit(repository.base, NEW, "ours\n", NOON, reference=reference)
        store = tmp_path / "clone" / "repository.git"
        assert git(store, "rev-parse", reference).strip() == commit
        assert "gpgsig " in git(store, "cat-file", "commit", commit)
        assert repository.unpublished is None


def test_a_key_that_is_replaced_signs_the_next_commit(tmp_path, remote):
    require("ssh")
    key, allowed = tmp_path / "key", tmp_path / "allowed"
    new_key(key)
    with fetched(tmp_path / "clone", remote, signing=signing_by(key)) as repository:
        allowed.write_text(f"bot@example.com {new_key(tmp_path / 'new')}")
        key.write_bytes((tmp_path / "new").read_bytes())
        commit = commit_ours(repository, NEW)
        repository.push()
    verify(remote, commit, "-c", f"gpg.ssh.allowedSignersFile={allowed}")


def test_without_its_key_there_is_no_commit(tmp_path, remote):
    """An unsigned one is never pushed; with the key again, it is made."""
    require("ssh")
    key = tmp_path / "key"
    new_key(key)
    with fetched(tmp_path / "clone", remote, signing=signing_by(key)) as repository:
        away = key.rename(tmp_path / "away")
        with pytest.raises(
            FailedError, check=refused, match=r"cannot be signed: --signing-key .*key: No such"
        ):
            commit_ours(repository, NEW)
        assert repository.unpublished is None
        away.rename(key)
        assert repository.unpublished != commit_ours(repository, {})


def locked_ssh(tmp_path, _home):
    new_key(tmp_path / "key", "a passphrase")
    return signing_by(tmp_path / "key")


def public_ssh(tmp_path, _home):
    new_key(tmp_path / "key")
    return signing_by(tmp_path / "key.pub")


def torn_ssh(tmp_path, _home):
    new_key(tmp_path / "key")
    lines = (tmp_path / "key").read_bytes().splitlines()
    (tmp_path / "torn").write_bytes(b"\n".join([lines[0], *lines[1:3], lines[-1]]))
    return signing_by(tmp_path / "torn")


def locked_gpg(tmp_path, home):
    return signing_by(GpgKey(home, PASSPHRASE).export(tmp_path / "key", "--armor"))


def wrong_passphrase(tmp_path, home):
    (tmp_path / "passphrase").write_text("wrong-passphrase\n")
    key = GpgKey(home, PASSPHRASE).export(tmp_path / "key", "--armor")
    return signing_by(key, passphrase_file=tmp_path / "passphrase")


def public_gpg(tmp_path, home):
    return signing_by(GpgKey(home).export(tmp_path / "key", "--armor", kind="--export"))


def two_of_gpg(tmp_path, home):
    one, two = GpgKey(home), GpgKey(home.with_name(f"{home.name}-2"), name="two")
    keys = [each.export(tmp_path / str(n)).read_bytes() for n, each in enumerate((one, two))]
    (tmp_path / "key").write_bytes(b"".join(keys))
    return signing_by(tmp_path / "key", SigningFormat.GPG)


def no_key_of_gpg(tmp_path, _home):
    require("gpg")
    (tmp_path / "key").write_text("no key\n")
    return signing_by(tmp_path / "key", SigningFormat.GPG)


WRONG = {
    "an ssh key behind a passphrase": (locked_ssh, "protected by a passphrase"),
    "the public half": (public_ssh, r"without \.pub"),
    "half a key": (torn_ssh, "--signing-key does not sign"),
    "a gpg key behind a passphrase that is not there": (locked_gpg, "does not sign"),
    "another passphrase": (wrong_passphrase, "does not sign"),
    "the public half of a gpg key": (public_gpg, "holds 0 secret keys"),
    "two gpg keys": (two_of_gpg, "holds 2 secret keys"),
    "no key of gpg": (no_key_of_gpg, "not taken by gpg: .*no valid OpenPGP data"),
}


@pytest.mark.parametrize(("make", "words"), WRONG.values(), ids=WRONG)
def test_a_key_that_does_not_sign_is_known_at_the_start(
    tmp_path, remote, gpg_home, in_memory, make: Callable, words: str
):
    """Before a prefix changes, in words that hold neither key nor passphrase."""
    signing = make(tmp_path, gpg_home)
    repository = Repository(tmp_path / "clone", str(remote), "main", signing=signing)
    with pytest.raises(InputError, match=words) as error:
        repository.open()
    assert PASSPHRASE not in str(error.value)
    # The clone is free again.
    with opened(tmp_path / "clone", remote):
        pass


def test_what_a_key_is_stands_in_its_first_bytes(tmp_path):
    new_key(tmp_path / "ssh")
    (tmp_path / "gpg").write_bytes(b"\x95\x01\xd8")
    (tmp_path / "armour").write_text("-----BEGIN PGP PRIVATE KEY BLOCK-----\n")
    kinds = [type(signing_by(tmp_path / name)) for name in ("ssh", "gpg", "armour")]
    assert kinds == [SshSigning, GpgSigning, GpgSigning]
    assert isinstance(signing_by(tmp_path / "gpg", SigningFormat.SSH), SshSigning)


def test_an_ssh_key_takes_no_passphrase_file(tmp_path):
    new_key(tmp_path / "key")
    with pytest.raises(InputError, match="goes with a key of gpg's"):
        signing_by(tmp_path / "key", passphrase_file=tmp_path / "passphrase")


def test_what_a_killed_process_left_is_swept(tmp_path, gpg_home, in_memory):
    """But not the keyring of another one that lives."""
    signing = signing_by(GpgKey(gpg_home).export(tmp_path / "key"))
    (in_memory / f"{PREFIX}dead").mkdir()
    (in_memory / f"{PREFIX}dead" / "key").write_text("a key\n")
    (in_memory / "of somebody else").mkdir()
    with signing.lend(), signing.lend():
        found = sorted(path.name for path in in_memory.iterdir())
        assert len(found) == 3
        assert f"{PREFIX}dead" not in found
    (in_memory / "of somebody else").rmdir()


KILLED_WHILE_SIGNING = """
import os, signal, sys
from pathlib import Path
from gitops_prefix.publish.signing import PREFIX, SshSigning
from tests.branch import commit_ours, fetched
with fetched(Path(sys.argv[1]), sys.argv[2], signing=SshSigning(Path(sys.argv[3]))) as repository:
    Path(sys.argv[4], "victim").write_text(str(os.getpid()))
    os.environ["PATH"] = f"{sys.argv[4]}:{os.environ['PATH']}"
    commit_ours(repository, {"a.yaml": b"new\\n"})
"""


def test_a_process_killed_while_it_signs_leaves_nothing_to_push(tmp_path, remote):
    """The next one does not take the unsigned commit for ours, and makes a signed one."""
    require("ssh")
    key, programs = tmp_path / "key", tmp_path / "programs"
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@example.com {new_key(key)}")
    programs.mkdir()
    killer = programs / "ssh-keygen"
    killer.write_text(f"#!/bin/sh\nkill -KILL $(cat {programs}/victim)\nexit 1\n")
    killer.chmod(0o755)
    words = [sys.executable, "-c", KILLED_WHILE_SIGNING, tmp_path / "clone", remote, key, programs]
    killed = subprocess.run(words, cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    store = tmp_path / "clone" / "repository.git"
    assert "refs/gitops-prefix/unsigned" in git(store, "for-each-ref", "--format=%(refname)")
    with opened(tmp_path / "clone", remote, signing=SshSigning(key)) as repository:
        assert repository.unpublished is None
        repository.fetch()
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    verify(remote, commit, "-c", f"gpg.ssh.allowedSignersFile={allowed}")
