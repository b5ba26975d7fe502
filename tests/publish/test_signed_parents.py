"""--require-signed-parent: nothing is built on a tip that does not verify, so that nobody is laundered."""

from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.failure import FailedError, Kind, Published, Reason
from gitops_prefix.publish.signing import Signers, SigningFormat, signing_by
from tests.branch import MANAGED, NOON, bare_repository, commit_ours, fetched, somebody_pushes
from tests.git_servers import new_key
from tests.gitrepo import git
from tests.parts import require
from tests.publish.gpg_keys import GpgKey

NEW = {"a.yaml": MANAGED + b"new\n"}


class Ssh:
    """A person or the daemon with a key of ssh's."""

    def __init__(self, directory: Path, name: str) -> None:
        require("ssh")
        self.name, self.key = name, directory / name
        new_key(self.key)

    @property
    def allowed(self) -> str:
        return f"{self.name}@example.com {self.key.with_suffix('.pub').read_text()}"

    def settings(self) -> list[str]:
        return ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self.key}"]


def amend(tree: Path, *settings: str) -> None:
    """The tip of the branch again, signed or not."""
    sign = ["-S"] if settings else ["--no-gpg-sign"]
    git(tree, *settings, "commit", "-q", "--amend", "--no-edit", *sign)
    git(tree, "push", "-qf", "origin", "main")


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return bare_repository(tmp_path, {"a.yaml": MANAGED})


@pytest.fixture
def tree(tmp_path: Path, remote: Path) -> Path:
    return tmp_path / "tree"


@pytest.fixture
def bot(tmp_path: Path) -> Ssh:
    return Ssh(tmp_path, "bot")


@pytest.fixture
def ada(tmp_path: Path) -> Ssh:
    return Ssh(tmp_path, "ada")


@pytest.fixture
def signers(tmp_path: Path, bot: Ssh, ada: Ssh) -> Signers:
    file = tmp_path / "allowed"
    file.write_text(f"# people\n{ada.allowed}{bot.allowed}")
    return Signers(file)


def opened_by(tmp_path, remote, bot, signers):
    return fetched(tmp_path / "clone", remote, signing=signing_by(bot.key), signers=signers)


def test_a_tip_without_a_signature_is_not_built_on(tmp_path, remote, bot, signers):
    with opened_by(tmp_path, remote, bot, signers) as repository:
        assert "is not signed" in repository.fault_of_tip()
        with pytest.raises(FailedError, match="is not signed") as raised:
            commit_ours(repository, NEW)
        assert repository.unpublished is None
    assert raised.value.failed.reason is Reason.UNVERIFIED
    assert raised.value.failed.kind is Kind.REFUSED, "direct apply does nothing then"


def test_a_tip_of_a_stranger_is_not_built_on(tmp_path, remote, tree, bot, signers):
    amend(tree, *Ssh(tmp_path, "eve").settings())
    with (
        opened_by(tmp_path, remote, bot, signers) as repository,
        pytest.raises(FailedError, match="is not signed by a key"),
    ):
        commit_ours(repository, NEW)


def test_a_tip_that_verifies_is_built_on_and_so_are_our_own_commits(
    tmp_path, remote, tree, ada, bot, signers
):
    amend(tree, *ada.settings())
    with opened_by(tmp_path, remote, bot, signers) as repository:
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
    # A daemon that starts again knows only what git says.
    with opened_by(tmp_path, remote, bot, signers) as repository:
        commit = commit_ours(repository, {"a.yaml": MANAGED + b"newer\n"})
        assert repository.push() == Published(commit)


def test_what_somebody_pushes_in_between_is_not_laundered(
    tmp_path, remote, tree, ada, bot, signers
):
    """Our commit was made in time; made anew on the stranger's commit, it would vouch for it."""
    amend(tree, *ada.settings())
    with opened_by(tmp_path, remote, bot, signers) as repository:
        commit_ours(repository, NEW)
        theirs = somebody_pushes(tmp_path)
        repository.push()
        repository.fetch()
        assert repository.tip == theirs
        with pytest.raises(FailedError, match=theirs[:12]):
            repository.commit(theirs, NEW, "ours\n", NOON)
        amend(tree, *ada.settings())
        repository.fetch()
        commit = repository.commit(repository.tip, NEW, "ours\n", NOON)
        assert repository.push() == Published(commit)


def test_a_file_that_was_replaced_counts_at_once(tmp_path, remote, tree, bot, ada, signers):
    eve = Ssh(tmp_path, "eve")
    amend(tree, *eve.settings())
    with opened_by(tmp_path, remote, bot, signers) as repository:
        with pytest.raises(FailedError):
            commit_ours(repository, NEW)
        signers.file.write_text(eve.allowed + bot.allowed)
        commit_ours(repository, NEW)


def test_a_file_that_is_gone_lets_nobody_through(tmp_path, remote, bot, signers):
    with opened_by(tmp_path, remote, bot, signers) as repository:
        signers.file.unlink()
        with pytest.raises(FailedError, match="cannot be verified") as raised:
            commit_ours(repository, NEW)
    assert raised.value.failed.kind is Kind.REFUSED


@pytest.mark.parametrize("form", ["armoured", "binary", "a keybox"])
def test_keys_of_gpg_verify_as_well(tmp_path, remote, tree, bot, ada, gpg_home, in_memory, form):
    """A keyring holds no key of ssh's, and a signature of another format is never good."""
    person = GpgKey(gpg_home)
    daemon = person.export(tmp_path / "daemon", "--armor")
    options = ("--armor",) if form == "armoured" else ()
    keyring = person.export(tmp_path / "keyring", *options, kind="--export")
    if form == "a keybox":
        keyring = gpg_home / "pubring.kbx"
    signers = Signers(keyring)
    assert signers.form() is SigningFormat.GPG
    with fetched(
        tmp_path / "clone", remote, signing=signing_by(daemon), signers=signers
    ) as repository:
        with pytest.raises(FailedError, match="is not signed"):
            commit_ours(repository, NEW)
        amend(tree, *ada.settings())
        repository.fetch()
        with pytest.raises(FailedError, match="is not signed by a key"):
            commit_ours(repository, NEW)
    # The daemon's key is the person's here.
    with fetched(tmp_path / "other", remote, signing=signing_by(daemon)) as repository:
        commit_ours(repository, NEW)
        repository.push()
    with fetched(
        tmp_path / "clone", remote, signing=signing_by(daemon), signers=signers
    ) as repository:
        commit = commit_ours(repository, {"a.yaml": MANAGED + b"newer\n"})
        assert repository.push() == Published(commit)


def test_a_signature_of_gpg_is_never_good_where_ssh_keys_are_named(
    tmp_path,
    remote,
    tree,
    bot,
    ada,
    signers,
    gpg_home,
    in_memory,
):
    daemon = GpgKey(gpg_home).export(tmp_path / "daemon", "--armor")
    with fetched(tmp_path / "other", remote, signing=signing_by(daemon)) as repository:
        commit_ours(repository, NEW)
        repository.push()
    with (
        opened_by(tmp_path, remote, bot, signers) as repository,
        pytest.raises(FailedError, match="is not signed by a key"),
    ):
        commit_ours(repository, NEW)


def test_a_daemon_whose_own_key_is_not_named_does_not_start(tmp_path, remote, bot, ada, signers):
    signers.file.write_text(ada.allowed)
    opening = opened_by(tmp_path, remote, bot, signers)
    with pytest.raises(InputError, match="public half of --signing-key") as raised, opening:
        pass
    assert "put a signed commit on the branch" not in str(raised.value), "that is no remedy here"


WRONG = {
    "no such file": None,
    "nothing": "",
    "a public key without a name": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0 ada@example.com\n",
    "a private key of gpg's": "-----BEGIN PGP PRIVATE KEY BLOCK-----\n",
    "words": "ada@example.com\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_file_that_names_nobody_is_refused(tmp_path, text):
    file = tmp_path / "allowed"
    if text is not None:
        file.write_text(text)
    with pytest.raises(InputError, match="--require-signed-parent"):
        Signers(file).form()


NAMED = {
    "options": 'ada@example.com namespaces="git" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0\n',
    "a time": '*@example.com valid-after="20200101" ecdsa-sha2-nistp256 AAAAE2VjZHNh\n',
    "a token's key": "\nada@example.com sk-ssh-ed25519@openssh.com AAAAGnNr\n",
}


@pytest.mark.parametrize("text", NAMED.values(), ids=NAMED)
def test_what_ssh_takes_as_signers_is_taken(tmp_path, text):
    (tmp_path / "allowed").write_text(text)
    assert Signers(tmp_path / "allowed").form() is SigningFormat.SSH


def test_a_change_costs_no_further_process_of_git_and_a_quiet_look_none(
    tmp_path,
    remote,
    tree,
    ada,
    bot,
    signers,
    calls,
):
    amend(tree, *ada.settings())
    with opened_by(tmp_path, remote, bot, signers) as repository:
        repository.managed_files(repository.tip)
        calls.take()
        assert not repository.fetch()
        assert calls.take() == ["ls-remote"]
        commit = commit_ours(repository, NEW)
        assert repository.push() == Published(commit)
        assert len(calls.take()) <= 7
