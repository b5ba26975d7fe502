"""Which files are worth parsing: a byte search, as `git grep` does it."""

import re

NEEDLES = (b"dynamic-prefix.io/", b"$dynamicprefix")
"""What every managed file contains: an annotation or apiVersion, or a marker."""

_ANY = re.compile(b"|".join(re.escape(needle) for needle in NEEDLES))


def looks_managed(content: bytes) -> bool:
    """Whether a file may hold something managed; no other is ever parsed."""
    return _ANY.search(content) is not None


def text_looks_managed(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]`, one document of a file, may hold something managed."""
    return any(text.find(needle.decode(), start, end) >= 0 for needle in NEEDLES)
