"""Our side of a branch, opened for a test and closed after it; and remotes to open it on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from gitops_prefix.publish.repository import Repository
from tests.gitrepo import bare_clone, commit_all, git

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
MANAGED = b"# dynamic-prefix.io/name\n"


@contextmanager
def opened(clone: Path, url: object, *, branch: str = "main", **options) -> Iterator[Repository]:
    repository = Repository(clone, str(url), branch, **options)
    repository.open()
    try:
        yield repository
    finally:
        repository.close()


@contextmanager
def fetched(clone: Path, url: object, **options) -> Iterator[Repository]:
    with opened(clone, url, **options) as repository:
        repository.fetch()
        yield repository


def bare_repository(directory: Path, files: dict[str, bytes]) -> Path:
    """A bare repository with one commit; its checkout is `directory/tree`."""
    tree = directory / "tree"
    for path, content in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
    commit_all(tree)
    return bare_clone(tree, directory / "remote.git")


def commit_ours(repository: Repository, files: dict[str, bytes], message: str = "ours\n") -> str:
    return repository.commit(repository.base, files, message, NOON)


def somebody_pushes(directory: Path, name: str = "theirs.yaml") -> str:
    """Another commit on the branch, from the checkout beside it; its id."""
    tree = directory / "tree"
    git(tree, "pull", "-q", "--rebase", "origin", "main")
    (tree / name).write_bytes(MANAGED)
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    git(tree, "push", "-q", "origin", "main")
    return git(tree, "rev-parse", "HEAD").strip()
