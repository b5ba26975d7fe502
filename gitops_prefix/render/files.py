"""Which files are worth parsing: a byte search, as `git grep` does it."""

MARKER = "$dynamicprefix"
NEEDLES = (b"dynamic-prefix.io/", MARKER.encode())
"""What every managed file contains: an annotation or apiVersion, or a marker."""


def looks_managed(content: bytes) -> bool:
    """Whether a file may hold something managed; no other is ever parsed."""
    return any(needle in content for needle in NEEDLES)


def text_looks_managed(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]`, one document of a file, may hold something managed."""
    return any(text.find(needle.decode(), start, end) >= 0 for needle in NEEDLES)


def is_gits_own(name: str) -> bool:
    """Whether a directory is git's on some file system (is_ntfs_dotgit, is_hfs_dotgit of git).

    Git refuses to make files in it, but a tree may name them; so it may `.` and `..`.
    """
    # What does not print is no part of a name to HFS+.
    name = name if name.isprintable() else "".join(filter(str.isprintable, name))
    return name.casefold().rstrip(" .") in {"", ".git", "git~1"}
