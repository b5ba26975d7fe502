"""Keeps a Git repository of Kubernetes manifests true to the current IPv6 prefix.

The packages, from the top: `cli`, `daemon` and `lab`, `apply`, `watch` and `publish` and
`simulate`, `plan`, `render`, `decide`, `errors`. A package imports only what is below it;
docs/architecture.md draws the layers.
"""

import os

__version__ = "0.1.0"


def version(package: str = os.path.dirname(__file__)) -> str:  # noqa: PTH120  pathlib is slow
    """Return the version, with the commit where it is known: `0.1.0 (1a2b3c4d5e6f)`.

    Args:
        package: the directory of this package.
    """
    commit = _read(f"{package}/COMMIT") or head_of(f"{package}/../.git")
    return f"{__version__} ({commit[:12]})" if commit else __version__


def head_of(directory: str) -> str:
    """Return the commit that is checked out; no process, for scripts ask often."""
    common = directory
    if pointer := _read(directory).removeprefix("gitdir: "):
        # A work tree beside the first one.
        directory = os.path.join(os.path.dirname(directory), pointer)  # noqa: PTH118, PTH120
        common = os.path.join(directory, _read(f"{directory}/commondir"))  # noqa: PTH118
    head = _read(f"{directory}/HEAD")
    name = head.removeprefix("ref: ")
    if name == head:
        return head
    packed = _read(f"{common}/packed-refs").splitlines()
    return _read(f"{common}/{name}") or next(
        (line[:40] for line in packed if line.endswith(f" {name}")), ""
    )


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123  as above
            return file.read().strip()
    except (OSError, ValueError):
        return ""
