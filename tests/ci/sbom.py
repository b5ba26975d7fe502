"""Whether an image holds what the lock says: `python -m tests.ci.sbom requirements.lock < SBOM`.

The SBOM is SPDX in JSON, as `docker buildx imagetools inspect --format '{{json .SBOM}}'` prints
it: one document, or one for each platform.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

NOT_LOCKED = {"gitops-prefix", "pip", "setuptools", "wheel"}
"""Ourselves, and what the base image brings for its own interpreter."""
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ \\;]+)(?: *; *([^\\]*))?", re.MULTILINE)
_PURL = re.compile(r"pkg:pypi/([^@?]+)@([^?#]+)")
# The image is Linux and CPython.
_ELSEWHERE = re.compile(r"sys_platform == 'win32'|platform_python_implementation == 'PyPy'")


def normal(name: str) -> str:
    """A name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(text: str) -> dict[str, str]:
    """Each package of a lock that the image needs, with its version."""
    return {
        normal(name): version
        for name, version, marker in _PINNED.findall(text)
        if not _ELSEWHERE.search(marker)
    }


def held(found: object) -> Iterator[tuple[str, str]]:
    """Each Python package of an SBOM, with its version."""
    if isinstance(found, dict):
        for value in found.values():
            yield from held(value)
    elif isinstance(found, list):
        for value in found:
            yield from held(value)
    elif isinstance(found, str) and (purl := _PURL.fullmatch(found.partition("?")[0])):
        yield normal(purl[1]), purl[2]


def differences(lock: str, sbom: object) -> list[str]:
    """What the image has and the lock has not, or otherwise, or the other way round."""
    wanted, packages = locked(lock), set(held(sbom))
    found = [
        f"{name} {version} is in the image, and the lock has {wanted.get(name, 'none')}"
        for name, version in sorted(packages)
        if name not in NOT_LOCKED and wanted.get(name) != version
    ]
    names = {name for name, _ in packages}
    return found + [
        f"{name} is locked, and not in the image" for name in sorted(wanted.keys() - names)
    ]


if __name__ == "__main__":
    wrong = differences(Path(sys.argv[1]).read_text(), json.load(sys.stdin))
    print("\n".join(wrong) or "the image holds what the lock says")
    sys.exit(bool(wrong))
