"""What a call of git is lent: there for the child, and gone afterwards."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.loan import Loan
from tests.gitrepo import ROOT


def held() -> list[str]:
    """The secrets in memory that this process holds."""
    opened = [path for path in Path("/proc/self/fd").glob("*") if path.is_symlink()]
    found = [str(path.readlink()) for path in opened]
    return [target for target in found if target.startswith("/memfd:gitops-prefix")]


def test_a_secret_is_read_by_a_child_as_often_as_it_likes():
    """Each opening begins at its start."""
    with Loan() as loan:
        path = f"/proc/self/fd/{loan.hide(b'a secret')}"
        words = ["cat", path, path]
        child = subprocess.run(words, pass_fds=loan.descriptors, capture_output=True, check=True)
    assert child.stdout == b"a secreta secret"


def test_a_child_that_is_lent_nothing_finds_nothing():
    """Descriptors are for those that are told of them."""
    with Loan() as loan:
        path = f"/proc/self/fd/{loan.hide(b'a secret')}"
        child = subprocess.run(["cat", path], capture_output=True, check=False, close_fds=False)
    assert child.returncode != 0
    assert child.stdout == b""


def test_it_is_its_owners_alone_and_has_no_name():
    with Loan() as loan:
        found = os.fstat(loan.hide(b"a secret"))
        assert (found.st_mode & 0o777, found.st_nlink) == (0o600, 0)


def test_everything_is_given_back_also_after_a_failure():
    loan = Loan()
    assert not held()
    with suppress(RuntimeError), loan:
        for _ in range(10):
            loan.hide(b"a secret")
        assert len(held()) == 10
        raise RuntimeError
    assert not held()
    assert loan.descriptors == ()


def test_a_machine_without_memory_is_told_and_nothing_stays_open(monkeypatch):
    def refuse(*_: object) -> int:
        raise OSError(12, "Cannot allocate memory")

    with Loan() as loan:
        monkeypatch.setattr(os, "memfd_create", refuse)
        with pytest.raises(OutsideError, match="kept in memory: Cannot allocate memory"):
            loan.hide(b"a secret")
    assert not held()


def test_settings_reach_git_by_its_environment(tmp_path):
    """Where no other user of the machine sees them."""
    with Loan() as loan:
        loan.configure("user.name", "Ada = Lovelace\n#x")
        loan.configure("credential.https://[::1]:8443.helper", "!f() { :; }; f")
        loan.variables["GIT_TEST"] = "x"
        git = Git(tmp_path, loan=loan)
        assert git.run("config", "user.name").stdout == b"Ada = Lovelace\n#x\n"
        assert git.run("config", "credential.https://[::1]:8443.helper").word() == "!f() { :; }; f"


def test_nothing_lent_is_nothing_in_the_environment():
    assert dict(Loan().environment) == {}


@pytest.mark.parametrize("module", ["jinja2", "kubernetes", "scapy", "jwt", "cryptography"])
def test_the_daemon_does_not_load_what_it_was_not_asked_for(module):
    """Memory is for those who use it."""
    program = f"import sys, gitops_prefix.cli.run; sys.exit({module!r} in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(ROOT))
