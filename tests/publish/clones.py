"""Repositories to clone in part, what a clone holds of them, and how to damage it."""

import subprocess
from pathlib import Path

from gitops_prefix.publish.repository import Scope
from tests.branch import MANAGED
from tests.gitrepo import git

APPS = Scope("apps")
FILES = {
    "apps/a.yaml": MANAGED,
    "apps/deep/b.yml": MANAGED,
    "apps/values.json": b'{"a": 1}\n',
    "apps/logo.png": b"\x89PNG\0" + bytes(range(256)),
    "other/c.yaml": MANAGED + b"other\n",
    "gitops-prefix.yaml": b"branch: main\n",
    ".gitops-prefixignore": b"*.yml\n",
    "README.md": b"# ours\n",
    **{f"src/{number}.go": b"package x // %d\n" % number for number in range(40)},
}
SEARCHED = {
    *("apps/a.yaml", "apps/deep/b.yml", "apps/values.json"),
    *("gitops-prefix.yaml", ".gitops-prefixignore"),
}


def generous(remote: Path) -> Path:
    git(remote, "config", "uploadpack.allowFilter", "true")
    git(remote, "config", "uploadpack.allowAnySHA1InWant", "true")
    return remote


def held(store: Path, commit: str = "refs/remotes/origin/tip") -> set[str]:
    """The files whose contents are in the clone."""
    listed = git(store, "ls-tree", "-r", "-z", commit).split("\0")[:-1]
    blobs = {line.partition("\t")[2]: line.split()[2] for line in listed}
    asked = subprocess.run(
        ["git", "-C", str(store), "cat-file", "--batch-check"],
        input="\n".join(blobs.values()), capture_output=True, text=True, check=True,
    )  # fmt: skip
    present = {line.split()[0] for line in asked.stdout.splitlines() if "missing" not in line}
    return {path for path, blob in blobs.items() if blob in present}


def drop(store: Path, name: str) -> None:
    """Take one object out of the clone."""
    gone = git(store, "rev-parse", name).strip()
    for pack in list(store.glob("objects/pack/*.pack")):
        content = pack.read_bytes()
        promised = pack.with_suffix(".promisor").exists()
        for part in store.glob(f"objects/pack/{pack.stem}.*"):
            part.unlink()
        subprocess.run(["git", "-C", str(store), "unpack-objects", "-q"], input=content, check=True)
    loose = [path.parent.name + path.name for path in store.glob("objects/??/*")]
    kept = "".join(f"{one}\n" for one in loose if one != gone)
    packed = subprocess.run(
        ["git", "-C", str(store), "pack-objects", "-q", str(store / "objects" / "pack" / "pack")],
        input=kept, text=True, capture_output=True, check=True,
    )  # fmt: skip
    (store / "objects" / "pack" / f"pack-{packed.stdout.strip()}.promisor").touch()
    for path in store.glob("objects/??/*"):
        path.unlink()
    assert promised


def remove_objects(store: Path) -> None:
    for path in [*store.glob("objects/??/*"), *store.glob("objects/pack/*")]:
        path.unlink()
