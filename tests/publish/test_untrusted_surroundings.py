"""Names and places that others choose start no program: URLs, branches, PATH, the environment, a remote's config."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError, OutsideError
from gitops_prefix.publish.credentials import NoCredentials, SshKey
from gitops_prefix.publish.failure import Published
from gitops_prefix.publish.repository import Repository
from tests.branch import MANAGED, bare_repository, commit_ours, fetched
from tests.git_servers import new_key
from tests.gitrepo import ROOT, git


def try_it(repository: Repository) -> None:
    try:
        repository.open()
        repository.fetch()
    finally:
        repository.close()


URLS = [
    "ext::sh -c touch% ran", "ext::sh -c 'touch ran'", "fd::17", "ssh-ext::x", "foo::x", "EXT::sh -c touch% ran",
    "--upload-pack=touch ran", "-u./ran", "--config=core.sshCommand=touch ran",
    "ssh://-oProxyCommand=touch ran/x", "ssh://-oProxyCommand=touch%20ran/x", "ssh://-oProxyCommand=touch ran@127.0.0.1/x",
    "ssh://git@-oProxyCommand=touch%20ran:22/x", "-oProxyCommand=touch ran:x", "git@-oProxyCommand=touch:x",
    "ssh://127.0.0.1:1/-oProxyCommand=touch ran", "ssh://127.0.0.1:1/--upload-pack=touch ran", "127.0.0.1:--upload-pack=touch ran",
    "ssh://127.0.0.1:1/x;touch ran", "ssh://127.0.0.1:1/$(touch ran)", "git://127.0.0.1:1/x", "ftp://127.0.0.1:1/x",
    "http://127.0.0.1:1/x?--upload-pack=touch ran", "file://$(touch ran)", "/nowhere\n--upload-pack=touch ran", "",
]  # fmt: skip


@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("with_key", [True, False])
def test_a_url_starts_no_program(tmp_path, monkeypatch, url: str, *, with_key: bool):
    """Refused by us, or by git; either way nothing ran."""
    monkeypatch.chdir(tmp_path)
    if with_key:
        (tmp_path / "known_hosts").write_text(f"x {new_key(tmp_path / 'key')}")
    credentials = (
        SshKey(tmp_path / "key", tmp_path / "known_hosts") if with_key else NoCredentials()
    )
    repository = Repository(tmp_path / "clone", url, "main", credentials=credentials)
    with pytest.raises((InputError, OutsideError)):
        try_it(repository)
    assert not list(tmp_path.rglob("ran*"))


@pytest.mark.parametrize("branch", ["--upload-pack=touch ran", "-oProxyCommand=touch ran", "--all", "-f", ":main",
                                    "main:other", "refs/heads/*", "a b", "main\n--force", "@{u}", "../../config", "\0"])  # fmt: skip
def test_a_branch_is_no_option_and_no_refspec(tmp_path, monkeypatch, branch: str):
    monkeypatch.chdir(tmp_path)
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    repository = Repository(tmp_path / "clone", str(remote), branch)
    with pytest.raises((InputError, OutsideError, ValueError)):
        repository.open()
    assert not list(tmp_path.rglob("ran*"))


FOUND_ELSEWHERE = """
import sys
from pathlib import Path
from tests.branch import fetched
with fetched(Path(sys.argv[1]), sys.argv[2]) as repository:
    print(repository.tip)
"""


@pytest.mark.parametrize("path", [".:{}", ":{}", "{}:", "programs:{}", "./programs:{}"])
def test_a_git_where_we_are_started_is_not_ours(tmp_path, path: str):
    """Of PATH, the absolute directories count; also for what GitPython runs when it is imported."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    for folder in (tmp_path, tmp_path / "programs"):
        folder.mkdir(exist_ok=True)
        for name in ("git", "env", "ssh", "sh"):
            (folder / name).write_text(
                f'#!/bin/bash\ntouch {tmp_path}/ran\nexec /usr/bin/{name} "$@"\n'
            )
            (folder / name).chmod(0o755)
    answer = subprocess.run(
        [sys.executable, "-c", FOUND_ELSEWHERE, str(tmp_path / "clone"), str(remote)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "PATH": path.format(os.environ["PATH"]), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.strip() == git(remote, "rev-parse", "main").strip()
    assert not (tmp_path / "ran").exists()


VARIABLES = {
    "GIT_SSH_COMMAND": "touch {}/ran", "GIT_SSH": "{}/spy", "GIT_ASKPASS": "{}/spy", "GIT_EXTERNAL_DIFF": "{}/spy",
    "GIT_PROXY_COMMAND": "{}/spy", "GIT_EDITOR": "{}/spy", "GIT_PAGER": "{}/spy", "PAGER": "{}/spy", "GIT_TEMPLATE_DIR": "{}",
    "GIT_EXEC_PATH": "{}", "GIT_DIR": "{}", "GIT_WORK_TREE": "{}", "GIT_INDEX_FILE": "{}/index",
    "GIT_OBJECT_DIRECTORY": "{}", "GIT_ALTERNATE_OBJECT_DIRECTORIES": "{}", "GIT_NAMESPACE": "x",
    "GIT_CONFIG_GLOBAL": "{}/config", "GIT_CONFIG_PARAMETERS": "'core.fsmonitor={}/spy'", "GIT_TRACE": "{}/ran",
    "GIT_TRACE2": "{}/ran", "GIT_REDIRECT_STDERR": "{}/ran", "LD_PRELOAD_X": "x", "XDG_CONFIG_HOME": "{}", "HOME": "{}",
}  # fmt: skip


def test_no_variable_of_the_environment_leads_git_elsewhere(tmp_path, monkeypatch):
    """All of them at once: a whole publication works as if none was there."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    spy(tmp_path)
    (tmp_path / "config").write_text(
        f'[core]\n\tfsmonitor = {tmp_path}/spy\n\thooksPath = {tmp_path}\n[url "x"]\n\tinsteadOf = /\n'
    )
    with monkeypatch.context() as patch:
        for name, text in VARIABLES.items():
            patch.setenv(name, text.format(tmp_path))
        with fetched(tmp_path / "clone", remote) as repository:
            commit = commit_ours(repository, {"a.yaml": b"new\n"})
            assert repository.push() == Published(commit)
    assert git(remote, "show", "main:a.yaml") == "new\n"
    assert not (tmp_path / "ran").exists()


def test_the_config_of_a_remote_that_is_a_directory_starts_nothing(tmp_path):
    """Nor do hooks of our side; those of the receiving side are the server's, and its to run."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED})
    spy(tmp_path)
    for name, text in {
        "core.fsmonitor": "{}/spy", "core.sshCommand": "{}/spy", "core.gitProxy": "{}/spy", "core.hooksPath": "{}/none",
        "uploadpack.packObjectsHook": "{}/spy", "core.pager": "{}/spy", "alias.fetch": "!{}/spy", "diff.external": "{}/spy",
        "credential.helper": "{}/spy", "filter.lfs.smudge": "{}/spy", "core.alternateRefsCommand": "true",
    }.items():  # fmt: skip
        git(remote, "config", name, text.format(tmp_path))
    with fetched(tmp_path / "clone", remote) as repository:
        assert list(repository.managed_files(repository.tip)) == ["a.yaml"]
        commit = commit_ours(repository, {"a.yaml": b"new\n"})
        assert repository.push() == Published(commit)
        store = tmp_path / "clone" / "repository.git"
        assert not (store / "objects" / "info" / "alternates").exists()
        assert not list(store.glob("hooks/*"))
    assert not (tmp_path / "ran").exists()


def spy(directory: Path) -> None:
    path = directory / "spy"
    path.write_text(f"#!/bin/sh\ntouch {directory}/ran\n")
    path.chmod(0o755)
