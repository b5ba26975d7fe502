"""Who we are to the remote: which URLs go with what, and where a secret is kept."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.credentials import (
    Credentials,
    NoCredentials,
    SshKey,
    Token,
    check_url,
    local_path,
    token_from,
)
from gitops_prefix.publish.failure import Kind, Reason
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.loan import Loan
from tests.git_servers import new_key

NOBODY = NoCredentials()
KEY = SshKey(Path("key"), Path("known_hosts"))
TOKEN = Token(lambda: "s3cret")

GOOD = {
    "https with a token": ("https://git.example.com/home.git", TOKEN),
    "https for everybody": ("https://git.example.com/home.git", NOBODY),
    "http on this machine": ("http://127.0.0.1:8080/home.git", TOKEN),
    "http on this machine, by IPv6": ("http://[::1]:8080/home.git", TOKEN),
    "http without a token": ("http://git.example.com/home.git", NOBODY),
    "ssh": ("ssh://git@git.example.com/home.git", KEY),
    "ssh with a port": ("ssh://git@git.example.com:2222/home.git", KEY),
    "ssh as scp writes it": ("git@git.example.com:me/home.git", KEY),
    "scp's form with an address": ("git@[2001:db8::1]:me/home.git", KEY),
    "ssh with an address": ("ssh://git@[2001:db8::1]:2222/home.git", KEY),
    "a directory": ("/srv/git/home.git", NOBODY),
    "a directory beside us": ("../home.git", NOBODY),
    "a directory as a URL": ("file:///srv/git/home.git", NOBODY),
}
BAD = {
    "nothing": ("", NOBODY, "no URL"),
    "an option of git's": ("--upload-pack=touch /tmp/x", NOBODY, "no URL"),
    "git's own protocol": ("git://git.example.com/home.git", NOBODY, "https or ssh"),
    "ftp": ("ftp://git.example.com/home.git", NOBODY, "https or ssh"),
    "a protocol in capitals": ("HTTPS://git.example.com/home.git", NOBODY, "https or ssh"),
    "a program": ("ext::sh -c id", NOBODY, "https or ssh"),
    "a program's address": ("ext::sh -c id%S://x", KEY, "https or ssh"),
    "an option of ssh's": ("ssh://-oProxyCommand=id/home.git", KEY, "names no host"),
    "an option in scp's form": ("git@-oProxyCommand=id:home.git", KEY, "names no host"),
    "half an address": ("https://[2001:db8::1/home.git", NOBODY, "no URL"),
    "no port": ("https://git.example.com:port/home.git", NOBODY, "no URL"),
    "a password": ("https://me:hunter2@git.example.com/home.git", NOBODY, "--token-file"),
    "a token as a name": ("https://hunter2@git.example.com/home.git", TOKEN, "--token-file"),
    "a password for ssh": ("ssh://git:hunter2@git.example.com/home.git", KEY, "before an @"),
    "a token in the clear": ("http://git.example.com/home.git", TOKEN, "use https"),
    "ssh without a key": ("ssh://git@git.example.com/home.git", NOBODY, "--ssh-key"),
    "scp's form without a key": ("git@git.example.com:home.git", TOKEN, "--known-hosts"),
}


@pytest.mark.parametrize(("url", "credentials"), GOOD.values(), ids=GOOD)
def test_a_url_that_goes_with_its_credentials(url: str, credentials: Credentials):
    check_url(url, credentials)


@pytest.mark.parametrize(("url", "credentials", "words"), BAD.values(), ids=BAD)
def test_a_url_that_does_not(url: str, credentials: Credentials, words: str):
    """The message says what to give instead, and repeats no secret."""
    with pytest.raises(InputError) as error:
        check_url(url, credentials)
    assert words in str(error.value)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("/srv/home.git", "/srv/home.git"),
        ("../home.git", "../home.git"),
        ("file:///srv/home.git", "/srv/home.git"),
        ("file:///srv/a%20b?c#d", "/srv/a b?c#d"),
        ("git@host:home.git", None),
        ("ssh://host/home.git", None),
        ("https://host/home.git", None),
    ],
)
def test_which_urls_name_a_directory(url: str, path: str | None):
    """As git reads them."""
    assert local_path(url) == (None if path is None else Path(path))


def ssh_key(tmp_path: Path) -> SshKey:
    """As Kubernetes mounts a secret: the group may read it."""
    directory = tmp_path / "a secret's 100% place"
    directory.mkdir()
    new_key(directory / "key")
    (directory / "known_hosts").write_text("host ssh-ed25519 AAAA\n")
    for name in ("key", "known_hosts"):
        (directory / name).chmod(0o440)
    return SshKey(directory / "key", directory / "known_hosts")


def ssh_words(key: SshKey) -> tuple[list[str], bytes]:
    """The command line that git gives to ssh, and the key that it finds there."""
    with Loan() as loan:
        key.lend("ssh://host/x", loan)
        (descriptor,) = loan.descriptors
        assert os.fstat(descriptor).st_mode & 0o777 == 0o600
        command = loan.variables["GIT_SSH_COMMAND"]
        assert f'-i "/proc/$$/fd/{descriptor}" ' in command
        # Git runs it by a shell like this, and the shell is there until ssh ends.
        look = command.replace("ssh -F", f"cat /proc/$$/fd/{descriptor}; true -F", 1)
        shell = ["sh", "-c", f'{look} "$@"', "git", "host"]
        found = subprocess.run(shell, pass_fds=loan.descriptors, capture_output=True, check=True)
    return shlex.split(command), found.stdout


def test_a_key_is_copied_so_that_ssh_accepts_it(tmp_path):
    """ssh refuses one that the group may read; the copy is ours alone, and newer ones count."""
    key = ssh_key(tmp_path)
    assert ssh_words(key)[1] == key.key.read_bytes()
    new_key(tmp_path / "another")
    key.key.chmod(0o640)
    key.key.write_bytes((tmp_path / "another").read_bytes())
    assert ssh_words(key)[1] == (tmp_path / "another").read_bytes()


def test_ssh_believes_only_the_host_keys_that_were_named(tmp_path):
    """There is no insecure default, and nobody's own configuration."""
    words, _ = ssh_words(ssh_key(tmp_path))
    assert words[words.index("ssh") + 1 :][:2] == ["-F", "/dev/null"]
    assert {
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
        f'UserKnownHostsFile="{tmp_path}/a secret\'s 100%% place/known_hosts"',
    } <= set(words)


@pytest.mark.parametrize("name", ["key", "known_hosts"])
def test_a_file_that_is_gone_is_named(tmp_path, name):
    key = ssh_key(tmp_path)
    getattr(key, name).unlink()
    with (
        Loan() as loan,
        pytest.raises(InputError, match=f"--(ssh-key|known-hosts) .*/{name}: No such file"),
    ):
        key.lend("ssh://host/x", loan)


@pytest.mark.parametrize("text", ["", "\n", "# git.example.com:22 SSH-2.0-OpenSSH_9.2\n"])
def test_a_file_without_a_host_key_is_told(tmp_path, text):
    """As ssh-keyscan leaves it when the host did not answer."""
    key = ssh_key(tmp_path)
    key.known_hosts.chmod(0o600)
    key.known_hosts.write_text(text)
    with (
        Loan() as loan,
        pytest.raises(InputError, match="known_hosts holds no host key: `ssh-keyscan"),
    ):
        key.lend("ssh://host/x", loan)


def ask(git_url: str, asked: str, tmp_path: Path) -> str:
    """What git believes a password to be."""
    protocol, _, host = asked.partition("://")
    wanted = f"protocol={protocol}\nhost={host}\n\n"
    with Loan() as loan:
        TOKEN.lend(git_url, loan)
        assert "s3cret" not in "".join([*loan.environment, *loan.environment.values()])
        return (
            Git(tmp_path, loan=loan)
            .ask("credential", "fill", stdin=wanted.encode())
            .stdout.decode()
        )


@pytest.mark.parametrize("host", ["git.example.com", "git.example.com:8443", "[2001:db8::1]:8443"])
def test_a_token_answers_for_its_host(tmp_path, host):
    """Through a credential helper: the token is in no variable, and in no file with a name."""
    answer = ask(f"https://{host}/me/home.git", f"https://{host}", tmp_path)
    assert "username=x-access-token\npassword=s3cret\n" in answer


@pytest.mark.parametrize(
    "other",
    ["https://example.com", "https://evil.git.example.com", "http://git.example.com",
     "https://git.example.com:8443", "https://git.example.com.evil.example"],
)  # fmt: skip
def test_a_token_answers_for_no_other_host(tmp_path, other):
    """Wherever a redirection leads."""
    assert "s3cret" not in ask("https://git.example.com/me/home.git", other, tmp_path)


def lent_by(token: Token) -> bytes:
    with Loan() as loan:
        token.lend("https://host/x", loan)
        (descriptor,) = loan.descriptors
        return Path(f"/proc/self/fd/{descriptor}").read_bytes()


def test_a_token_is_read_anew_each_time(tmp_path):
    """A rotated one counts without a restart, and blanks around it do not."""
    file = tmp_path / "token"
    file.write_text("  one \n")
    token = token_from(file)
    for text in ("one", "two"):
        file.write_text(f"  {text} \n\n")
        assert lent_by(token).endswith(f"password={text}\n".encode())


@pytest.mark.parametrize("text", ["", " \n", "one\ntwo\n", "one\rhost=evil\n", "one\0two"])
def test_a_file_that_holds_no_token_is_told(tmp_path, text):
    """A line more would be an answer more to git's question."""
    (tmp_path / "token").write_text(text)
    with pytest.raises(InputError, match=r"must be one line: .*--token-file"):
        lent_by(token_from(tmp_path / "token"))


@pytest.mark.parametrize("user", ["", "me\npassword=theirs"])
def test_a_user_is_one_line_too(user):
    with pytest.raises(InputError, match="--username must be one line"):
        lent_by(Token(lambda: "s3cret", user))


def test_a_token_file_that_is_not_there_is_named_at_once(tmp_path):
    """Before anything is asked over the network."""
    with pytest.raises(InputError, match=r"--token-file .*nowhere: No such file"):
        token_from(tmp_path / "nowhere")


WITHOUT_DESCRIPTORS = """
import resource, sys
from pathlib import Path
from gitops_prefix.errors import OutsideError
from gitops_prefix.publish.credentials import read_secret
from gitops_prefix.publish.failure import failed_by
from gitops_prefix.publish.stages import Stage

_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
try:
    read_secret(Path(sys.argv[1]), "--token-file")
except OutsideError as error:
    failed = failed_by(error, Stage.LOOK)
    print(failed.reason, failed.kind, error)
"""


def test_a_machine_without_descriptors_is_no_fault_of_the_file(tmp_path):
    """A person could change nothing about it; it passes.

    In a process of its own: the threads of other tests need descriptors meanwhile.
    """
    (tmp_path / "token").write_text("t0ken")
    words = [sys.executable, "-c", WITHOUT_DESCRIPTORS, str(tmp_path / "token")]
    answer = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    assert answer.stdout.startswith(f"{Reason.LOCAL} {Kind.AWAY} ")
    assert "cannot be read now: Too many open files" in answer.stdout
