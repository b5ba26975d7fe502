"""A repository like somebody's home: thousands of files, a few of them managed."""

import subprocess
from pathlib import Path

PREFIX = """apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home-ipv6
spec:
  acquisition:
    routerAdvertisement:
      interface: eth0
  addressRanges:
    - name: loadbalancers
      start: "::f000:0:0:0"
      end: "::ffff:ffff:ffff:ffff"
  transition:
    maxChangesPerHour: 1000
"""
POOL = """apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: pool-{number}
  annotations:
    dynamic-prefix.io/name: home-ipv6
    dynamic-prefix.io/address-range: loadbalancers
spec:
  blocks: []
"""
OTHER = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{number}
  namespace: default
spec:
  replicas: 1
  selector: {{matchLabels: {{app: app-{number}}}}}
  template:
    metadata:
      labels: {{app: app-{number}}}
    spec:
      containers:
        - name: app
          image: ghcr.io/example/app-{number}:1.0.{number}
"""


def make(directory: Path, files: int, managed: int) -> tuple[Path, Path]:
    """A checkout and its bare remote.

    Args:
        directory: where both go.
        files: YAML files in all.
        managed: how many of them are pools that follow the prefix.
    """
    tree, remote = directory / "tree", directory / "remote.git"
    write(tree, files, managed)
    git(tree, "commit", "-qm", "start")
    git(directory, "clone", "-q", "--bare", str(tree), str(remote))
    git(tree, "remote", "add", "origin", str(remote))
    git(tree, "fetch", "-q", "origin")
    return tree, remote


def write(tree: Path, files: int, managed: int) -> list[Path]:
    """A checkout whose files Git knows, which is all that `git grep` needs.

    Returns:
        The pools.
    """
    tree.mkdir()
    (tree / "prefix.yaml").write_text(PREFIX)
    paths = [
        tree / "apps" / f"group-{number % 97}" / f"app-{number}.yaml" for number in range(files - 1)
    ]
    for folder in {path.parent for path in paths}:
        folder.mkdir(parents=True)
    for number, path in enumerate(paths):
        template = POOL if number < managed else OTHER
        path.write_text(template.format(number=number))
    git(tree, "init", "-q", "-b", "main")
    git(tree, "-c", "core.looseCompression=0", "-c", "core.fsync=none", "add", "-A")
    return paths[:managed]


def git(directory: Path, *words: str, stdin: bytes = b"") -> str:
    """Plain git, as anybody would call it."""
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "gc.auto=0")
    return subprocess.run(
        ["git", "-C", str(directory), *identity, *words],
        check=True,
        capture_output=True,
        input=stdin,
    ).stdout.decode()
