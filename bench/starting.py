"""`gitops-prefix --version` against `python -c pass`."""

import subprocess
import sys
from pathlib import Path

from bench.ratio import measure, show


def main() -> None:
    """The console script, as a user starts it."""
    script = Path(sys.executable).with_name("gitops-prefix")

    def ours() -> None:
        subprocess.run([script, "--version"], check=True, capture_output=True)

    def floor() -> None:
        subprocess.run([sys.executable, "-c", "pass"], check=True, capture_output=True)

    show("7 gitops-prefix --version, over python -c pass", measure(ours, floor, 30), "<= 3 x")
