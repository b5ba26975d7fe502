"""A repository with marked files of any kind, and which of them are read."""

from gitops_prefix.render.files import IGNORED, TOO_LONG
from tests.branch import MANAGED

MARKED = b'2001:db8:a::1 # {"$dynamicprefix": "home:rewrite"}\n'
LONG = b"x" * (5 * 1024 * 1024) + MARKED
FILES = {
    "pool.yaml": MANAGED,
    "Corefile": MARKED,
    "x/a.j2": b"\xff" + MARKED,
    "x/binary": b"\0" + MARKED,
    "x/marked.bin": b"\0" + MARKED,
    "x/plain.conf": b"2001:db8:a::1\n",
    "x/annotated.conf": b"dynamic-prefix.io/name\n",
    "x/named.json": b"{}\n",
    "x/named.bin": b"\0",
    "x/list.txt": b"",
    "y/list.txt": b"",
    "long.txt": LONG,
    "long.json": b"x" * len(LONG),
    "plain-long.txt": b"x" * len(LONG),
    "ignored/a.conf": MARKED,
    "ignored/pool.yaml": MANAGED,
    "ignored/named.json": b"{}",
    "picture.png": MARKED,
    ".gitops-prefixignore": b"ignored/\n",
    "gitops-prefix.yaml": (
        b'rewrite:\n- {path: "*.json", dynamicPrefix: home}\n- {path: x/n*.bin, dynamicPrefix: home}\n'
        b"lists: [{path: x/list.txt, dynamicPrefix: home}]\n"
    ),
}
READ = {
    "pool.yaml",
    "Corefile",
    "x/a.j2",
    "x/binary",
    "x/marked.bin",
    "x/named.json",
    "x/named.bin",
    "x/list.txt",
}
SKIPPED = {
    ("long.txt", TOO_LONG),
    ("long.json", TOO_LONG),
    ("ignored/a.conf", IGNORED),
    ("ignored/named.json", IGNORED),
}
