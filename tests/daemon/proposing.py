"""A daemon that proposes, and the people who look at its branch, change it, and merge it."""

from pathlib import Path

from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.settings import Settings
from tests.daemon.house import House, Time, opened
from tests.gitrepo import git

OURS = "gitops-prefix/home-ipv6"


def daemon_of(
    clone: Path, remote: Path, pattern: str = "gitops-prefix/{name}", time: Time | None = None
) -> House:
    repository = opened(clone, remote)
    return House(repository, given=True, interval=1e6, push_branch=pattern, time=time)


def merge_base(remote: Path) -> str:
    """The branch that people merge to."""
    return git(remote, "rev-parse", "main").strip()


def heads(remote: Path) -> dict[str, str]:
    lines = git(remote, "for-each-ref", "--format=%(refname:short) %(objectname)", "refs/heads")
    return dict(line.split() for line in lines.splitlines())


def status_on(remote: Path, branch: str, name: str = "home-ipv6", path: str = "prefix.yaml"):
    files = {path: git(remote, "show", f"{branch}:{path}").encode()}
    return read_inventory(files, Settings()).dynamic_prefixes[name].status


def parents(remote: Path, branch: str) -> list[str]:
    return git(remote, "log", "-1", "--format=%P", branch).split()


def work(tree: Path, branch: str = "main") -> None:
    """The checkout of a person, on a branch as it is now."""
    git(tree, "fetch", "-q", "origin", f"+refs/heads/{branch}:refs/heads/work-{branch}")
    git(tree, "checkout", "-q", f"work-{branch}")


def somebody_pushes(tree: Path, branch: str = "main", name: str = "theirs.txt") -> str:
    work(tree, branch)
    (tree / name).write_text("theirs\n")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "theirs")
    git(tree, "push", "-q", "origin", f"HEAD:refs/heads/{branch}")
    git(tree, "checkout", "-q", "--detach")
    return git(tree, "rev-parse", "HEAD").strip()


def merge(tree: Path, how: str) -> None:
    """As a forge merges a request."""
    work(tree)
    git(tree, "fetch", "-q", "origin", f"+refs/heads/{OURS}:refs/remotes/origin/ours")
    if how == "merge":
        git(tree, "merge", "-q", "--no-ff", "-m", "Merge", "origin/ours")
    elif how == "squash":
        git(tree, "merge", "-q", "--squash", "origin/ours")
        git(tree, "commit", "-qm", "squashed")
    elif how == "rebase":
        git(tree, "cherry-pick", "origin/ours")
    else:
        git(tree, "merge", "-q", "--ff-only", "origin/ours")
    git(tree, "push", "-q", "origin", "HEAD:refs/heads/main")
    git(tree, "checkout", "-q", "--detach")
