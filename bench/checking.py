"""`render --check` over 5,000 files, against `git grep -l` plus one parse of the managed ones."""

import subprocess
import sys
from pathlib import Path

from bench.home_repository import make
from bench.ratio import measure, show

FLOOR = """
import subprocess, sys
from ruamel.yaml import YAML
names = subprocess.run(["git", "grep", "-l", "-F", "dynamic-prefix.io/"], cwd=sys.argv[1],
                       capture_output=True, check=True, text=True).stdout.split()
for name in names:
    YAML(typ="safe", pure=False).compose(open(f"{sys.argv[1]}/{name}").read())
"""


def main(directory: Path) -> None:
    """Rendered once, so that nothing is left to change."""
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
