"""`render --check` and `validate`, against `git grep -l` plus one parse of the managed files."""

import subprocess
import sys
from pathlib import Path

from bench.home_repository import PREFIX, make, write
from bench.ratio import measure, show

FLOOR = """
import subprocess, sys
from ruamel.yaml import YAML
names = subprocess.run(["git", "grep", "-l", "-F", "-e", "dynamic-prefix.io/", "-e", "$dynamicprefix"], cwd=sys.argv[1],
                       capture_output=True, check=True, text=True).stdout.split()
for name in names:
    YAML(typ="safe", pure=False).compose(open(f"{sys.argv[1]}/{name}").read())
"""


GROUP = """apiVersion: cilium.io/v2
kind: CiliumCIDRGroup
metadata:
  name: group-{number}
  annotations:
    dynamic-prefix.io/name: home-ipv6
    dynamic-prefix.io/address-range: loadbalancers
spec:
  externalCIDRs: []
"""
SERVICE = """apiVersion: v1
kind: Service
metadata:
  name: app-{number}
  namespace: default
  annotations:
    dynamic-prefix.io/name: home-ipv6
    dynamic-prefix.io/service-address-range: loadbalancers
    dynamic-prefix.io/ipv6-only: "true"
    external-dns.alpha.kubernetes.io/hostname: app-{number}.example.com
spec:
  type: LoadBalancer
"""
MARKED = """apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{number}
data:
  net: "2001:db8:1234::/64"  # {{"$dynamicprefix": "home-ipv6:prefix"}}
"""


def main(directory: Path) -> None:
    """Rendered once, so that nothing is left to change."""
    (directory / "mixed").mkdir()
    check_all(directory)
    validate(directory / "mixed")


def validate(directory: Path) -> None:
    """1,500 files with 250 managed fields of each kind: 90 groups, 40 pools, 60 Services, 60 marked.

    The coming prefixes are rehearsed, which the floor does not do. The floor searches for
    markers, too.
    """
    tree = directory / "tree"
    managed = write(tree, 1500, 220)
    (tree / "prefix.yaml").write_text(f"{PREFIX}    mode: ha\n")
    for number, path in enumerate(managed[40:]):
        template = GROUP if number < 90 else SERVICE if number < 120 else MARKED
        path.write_text(template.format(number=number))
    subprocess.run(["git", "-C", str(tree), "add", "-A"], check=True, capture_output=True)
    program = [sys.executable, "-m", "gitops_prefix"]
    observation = ["--prefix", "home-ipv6=2001:db8:1234::/64"]
    subprocess.run([*program, "render", str(tree), *observation], check=True, capture_output=True)

    def ours() -> None:
        subprocess.run([*program, "validate", str(tree)], check=True, capture_output=True)

    def floor() -> None:
        subprocess.run([sys.executable, "-c", FLOOR, str(tree)], check=True, capture_output=True)

    show("4a validate of 1,500 files, 250 fields, rehearsed", measure(ours, floor, 10), "<= 3 x")


def check_all(directory: Path) -> None:
    """`render --check` of 5,000 files."""
    tree, _ = make(directory, 5000, 50)
    program = [sys.executable, "-m", "gitops_prefix", "render", str(tree)]
    observation = ["--prefix", "home-ipv6=2001:db8:1234::/64"]
    subprocess.run([*program, *observation], check=True, capture_output=True)

    def ours() -> None:
        subprocess.run([*program, "--check"], check=True, capture_output=True)

    def floor() -> None:
        subprocess.run([sys.executable, "-c", FLOOR, str(tree)], check=True, capture_output=True)

    row = "4 render --check of 5,000 files, over grep and one parse"
    show(row, measure(ours, floor, 10), "<= 3 x")
