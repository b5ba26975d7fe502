"""The branch through a bare clone: what is read, and what a crash leaves behind."""

import os
import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.git import Git
from gitops_prefix.publish.managed_files import MOST_BYTES
from gitops_prefix.publish.push_report import Published
from gitops_prefix.publish.repository import Repository, Scope, UnreachableError
from tests.gitrepo import bare_clone, commit_all, git

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANAGED = b"# dynamic-prefix.io/name\n"


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A repository with everything that is to be skipped, and a little that is not."""
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    files = {
        "a.yaml": MANAGED,
        "sub/b.yml": MANAGED,
        "sub/with space and ü.yaml": MANAGED,
        'sub/quo"te\\.yaml': MANAGED,
        "plain.yaml": b"a: 1\n",
        "notes.md": MANAGED,
        "binary.yaml": b"\0" + MANAGED,
        "huge.yaml": MANAGED + b"#" * MOST_BYTES,
        "ignored/c.yaml": MANAGED,
        ".gitops-prefixignore": b"ignored/\n",
        "gitops-prefix.yaml": b"branch: main\n",
    }
    for path, content in files.items():
        (tree / path).parent.mkdir(exist_ok=True)
        (tree / path).write_bytes(content)
    (tree / "link.yaml").symlink_to("a.yaml")
    (tree / "sub" / "b.yml").chmod(0o755)
    commit_all(tree)
    return bare_clone(tree, tmp_path / "remote.git")


@contextmanager
def opened(clone: Path, url: object, **options):
    repository = Repository(clone, str(url), options.pop("branch", "main"), **options)
    repository.open()
    try:
        yield repository
    finally:
        repository.close()


def managed(remote: Path, tmp_path: Path, **options) -> list[str]:
    with opened(tmp_path / "clone", remote, **options) as repository:
        repository.fetch()
        return list(repository.managed_files(repository.tip))


def test_only_managed_files_are_read(tmp_path, remote):
    """No links, no binaries, nothing above 5 MiB, nothing ignored; the settings always."""
    assert managed(remote, tmp_path) == [
        "a.yaml", "gitops-prefix.yaml", "sub/b.yml", 'sub/quo"te\\.yaml', "sub/with space and ü.yaml",
    ]  # fmt: skip


def test_a_scope_narrows_it(tmp_path, remote):
    """--path and --exclude; the settings stay at the root."""
    found = managed(remote, tmp_path, scope=Scope("sub", ("*.yml",)))
    assert found == ["gitops-prefix.yaml", 'sub/quo"te\\.yaml', "sub/with space and ü.yaml"]


def test_file_urls_are_a_remote_too(tmp_path, remote):
    assert "a.yaml" in managed(f"file://{remote}", tmp_path)


def test_a_commit_keeps_modes_and_odd_names(tmp_path, remote):
    """The executable bit stays; a quote in a name is a quote in a name."""
    with opened(tmp_path / "clone", remote) as repository:
        repository.fetch()
        changed = {"sub/b.yml": b"new\n", 'sub/quo"te\\.yaml': b"new\n"}
        commit = repository.commit(repository.base, changed, "subject\n\nbody\n", NOON)
        assert repository.push() == Published(commit)
        assert repository.unpublished is None
        assert repository.tip == commit
    assert git(remote, "ls-tree", "main", "sub/b.yml").startswith("100755")
    names = git(remote, "show", "--format=", "--name-only", "-z", "main").strip("\0").split("\0")
    assert sorted(names) == sorted(changed)
    assert git(remote, "log", "-1", "--format=%an %ae %ad", "--date=iso-strict", "main").startswith(
        "gitops-prefix gitops-prefix@localhost 2026-11-24T12:00:00+00:00"
    )


def test_what_was_not_pushed_is_there_after_a_crash(tmp_path, remote):
    """And git's lock files of the dead process are not in the way."""
    with opened(tmp_path / "clone", remote) as repository:
        repository.fetch()
        commit = repository.commit(repository.base, {"a.yaml": b"new\n"}, "x\n", NOON)
    for name in ("HEAD.lock", "refs/gitops-prefix/unpublished.lock", "config.lock", "shallow.lock"):
        (tmp_path / "clone" / "repository.git" / name).touch()
    with opened(tmp_path / "clone", remote) as repository:
        assert repository.unpublished == commit
        assert not repository.stale
        assert repository.push() == Published(commit)


@pytest.mark.parametrize("damage", ["objects", "HEAD", "config"])
def test_a_damaged_clone_heals(tmp_path, remote, damage):
    """Whatever was destroyed on the disk, the next start works."""
    assert managed(remote, tmp_path)
    clone = tmp_path / "clone" / "repository.git"
    if damage == "objects":
        for path in [*clone.glob("objects/??/*"), *clone.glob("objects/pack/*.pack")]:
            path.chmod(0o644)
            path.write_bytes(b"rubbish")
    else:
        (clone / damage).write_bytes(b"rubbish")
    assert "a.yaml" in managed(remote, tmp_path)


def test_a_clone_has_one_owner(tmp_path, remote):
    """A second process is told, and does no harm; afterwards the clone is free."""
    with opened(tmp_path / "clone", remote):
        second = Repository(tmp_path / "clone", str(remote), "main")
        with pytest.raises(InputError, match="in use by another gitops-prefix"):
            second.open()
    with opened(tmp_path / "clone", remote):
        pass


def test_a_directory_with_something_else_in_it_is_not_taken(tmp_path, remote):
    """Nobody's files are removed to make room."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds something else"):
        Repository(tmp_path / "clone", str(remote), "main").open()
    assert (tmp_path / "clone" / "thesis.tex").read_text() == "years of work"


def test_a_branch_that_is_not_there_is_told_with_those_that_are(tmp_path, remote):
    with (
        opened(tmp_path / "clone", remote, branch="trunk") as repository,
        pytest.raises(InputError, match=r'no branch "trunk" \(it has: main\)'),
    ):
        repository.fetch()


def test_a_remote_that_is_away_is_unreachable(tmp_path):
    """Waiting may help."""
    with (
        opened(tmp_path / "clone", "http://127.0.0.1:9/x.git") as repository,
        pytest.raises(UnreachableError),
    ):
        repository.fetch()


def test_the_environment_of_git_is_not_ours(tmp_path, monkeypatch):
    """GIT_DIR and friends of the caller do not lead git elsewhere."""
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    subprocess.run(
        ["env", "-u", "GIT_DIR", "-u", "GIT_CONFIG_COUNT", "git", "init", "-q", str(tmp_path)],
        check=True,
    )
    assert Git(tmp_path).run("rev-parse", "--git-dir").word() == ".git"


def test_a_time_that_is_over_ends_the_whole_group(tmp_path):
    """Git, and what it started."""
    marker = f"gitops-prefix-sleeper-{os.getpid()}"
    script = tmp_path / marker
    script.write_text("#!/bin/sh\nsleep 300\n")
    script.chmod(0o755)
    git = Git(tmp_path, environment={"GIT_SSH": str(script), "GIT_SSH_VARIANT": "simple"})
    answer = git.ask("ls-remote", "ssh://host/x", seconds=0.5)
    assert (answer.status, answer.stderr) == (-1, "no answer within 0.5 s")
    left = [path for path in Path("/proc").glob("[0-9]*/cmdline") if _holds(path, marker)]
    assert not left


def _holds(path: Path, marker: str) -> bool:
    try:
        return marker.encode() in path.read_bytes().split(b"\0")[1:2] or marker in str(
            path.read_bytes()
        )
    except OSError:
        return False
