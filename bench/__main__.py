"""`make bench`: every row, each as a ratio."""

import tempfile
from pathlib import Path

from bench import (
    checking,
    codec,
    daemon_at_rest,
    endurance,
    flooding,
    growing,
    neighbours,
    on_the_wire,
    over_ssh,
    publishing,
    publishing_memory,
    repetition,
    replacing,
    replying,
    rewriting,
    starting,
)


def main() -> None:
    """Print the rows."""
    codec.main()
    repetition.main()
    rows = (
        on_the_wire,
        replying,
        publishing,
        over_ssh,
        publishing_memory,
        checking,
        replacing,
        rewriting,
        growing,
        daemon_at_rest,
        flooding,
        neighbours,
    )
    for row in (*rows, endurance):
        with tempfile.TemporaryDirectory(prefix="gitops-prefix-bench-") as directory:
            row.main(Path(directory))
    starting.main()


if __name__ == "__main__":
    main()
