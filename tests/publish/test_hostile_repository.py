"""A repository is untrusted input: whoever may merge to it gets an error, and nothing outside of the clone.

Trees are made by git's plumbing, which checks no name; a daemon's pass then runs in a child
process that tells of every file it opens and every program it starts (sys.addaudithook).
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.home_repository import POOL, PREFIX
from tests.gitrepo import ROOT, git

POOL_A = POOL.format(number=1).encode()
MARKED = b'cidr: "2001:db8::/64"  # {"$dynamicprefix": "home-ipv6:prefix"}\n'
LAUGHS = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 15)
)

# One pass, as the daemon makes it; what it opens and starts goes to stderr as JSON.
PASS = """
import json, os, sys
from datetime import datetime, timezone
from pathlib import Path
import logging.handlers, tempfile  # what is loaded late is not of the repository
from gitops_prefix.daemon.branch import BranchPublisher
from gitops_prefix.daemon.outcome import Ready, Seen, or_invalid
from gitops_prefix.plan.plan import plan, read_repository
from gitops_prefix.decide.transition import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.publish.repository import Repository, Scope

clone, url, below = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
seen = {"open": [], "exec": []}
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        seen["open"].append(os.fsdecode(arguments[0]))
    elif event == "subprocess.Popen":
        seen["exec"].append([os.fsdecode(word) for word in arguments[1]])
sys.addaudithook(watch)
repository = Repository(clone, url, "main", scope=Scope(below))
repository.open()
choice = Choice(Prefix.parse("2001:db8:9::/64"))
now = datetime(2026, 11, 24, tzinfo=timezone.utc)
publisher = BranchPublisher(repository)
outcome = publisher.look() or publisher.read()
if isinstance(outcome, Seen):
    inventory = read_repository(outcome.files)
    choices = dict.fromkeys(inventory.dynamic_prefixes, choice)
    outcome = publisher.commit(outcome, plan(inventory, choices, now, outcome.left), now)
if isinstance(outcome, Ready):
    outcome = or_invalid(publisher.push(outcome, None))
changes = outcome.decided.changes if outcome.decided else ()
print(json.dumps({"result": outcome.result, "words": outcome.failed.words if outcome.failed else "", "changed": sorted({one.path for one in changes}),
    "problems": [[one.code, str(one), one.severity] for one in outcome.problems], **seen}))
repository.close()
"""


def commit(directory: Path, entries: dict[str, tuple[str, bytes]]) -> Path:
    """A bare repository whose tree holds exactly these names, whatever they are."""
    bare = directory / "remote.git"
    git(directory, "init", "-q", "--bare", "-b", "main", str(bare))

    def store(kind: str, content: bytes) -> str:
        words = ["git", "-C", str(bare), "hash-object", "-w", "--literally", "-t", kind, "--stdin"]
        return (
            subprocess.run(words, input=content, capture_output=True, check=True)
            .stdout.decode()
            .strip()
        )

    def tree(entries: dict[str, tuple[str, bytes]]) -> str:
        folders: dict[str, dict[str, tuple[str, bytes]]] = {}
        lines: list[tuple[bytes, bytes]] = []
        for path, (mode, content) in entries.items():
            head, slash, rest = path.partition("/")
            if slash:
                folders.setdefault(head, {})[rest] = (mode, content)
            else:
                name = os.fsencode(head)
                blob = "1" * 40 if mode == "160000" else store("blob", content)
                lines.append((name, mode.encode() + b" " + name + b"\0" + bytes.fromhex(blob)))
        for head, below in folders.items():
            name = os.fsencode(head)
            lines.append((name + b"/", b"40000 " + name + b"\0" + bytes.fromhex(tree(below))))
        return store("tree", b"".join(line for _, line in sorted(lines)))

    root = tree({"prefix.yaml": ("100644", PREFIX.encode()), **entries})
    made = git(bare, "commit-tree", "-m", "hostile", root).strip()
    git(bare, "update-ref", "refs/heads/main", made)
    return bare


def run_pass(directory: Path, bare: Path, below: str = "") -> dict[str, object]:
    """The result of a daemon's pass, what it opened and what it started."""
    directory.mkdir(exist_ok=True)
    canary = directory / "canary"
    canary.mkdir()
    (directory / "tmp").mkdir()
    answer = subprocess.run(
        [sys.executable, "-c", PASS, str(directory / "clone"), str(bare), below],
        capture_output=True, text=True, check=False, cwd=canary,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(directory / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr
    assert not list(canary.iterdir()), "nothing is written where it runs"
    told = json.loads(answer.stdout)
    assert not [path for path in told["open"] if is_outside(path, directory)]
    assert {Path(words[0]).name for words in told["exec"]} <= {"env", "git"}
    return told


def is_outside(path: str, directory: Path) -> bool:
    """Whether a file is neither the clone's, nor Python's own, nor /dev/null."""
    allowed = (
        str(directory / "clone"),
        str(directory / "tmp"),
        sys.prefix,
        sys.base_prefix,
        str(ROOT / "gitops_prefix"),
    )
    # What a git of ours that takes long has done (running.py): on a slow machine any does.
    if re.fullmatch(r"/proc/[0-9]+/(?:stat|io)", path):
        return False
    return not path.startswith(
        (*allowed, "/dev/null", "/proc/self/fd", "/etc/ssl", "/usr/lib/python3")
    )


NAMES = {
    "a leading dash": "-rf.yaml",
    "an option of git's": "--upload-pack=touch ran.yaml",
    "an option of ours": "--output-dir=x.yaml",
    "quotes and a dollar": "'\"`$(touch ran)`.yaml",
    "a colon, as if a revision": "HEAD:a.yaml",
    "a pathspec's magic": ":(exclude)*.yaml",
    "a star": "*.yaml",
    "what a terminal obeys": "\x1b[2Ja.yaml",
    "no UTF-8": "raw-\udcff\udcfe.yaml",
    "a carriage return": "a\rb.yaml",
    "a folder of dashes": "--/--/a.yaml",
    "as deep as a path gets": "/".join(["d" * 200] * 20) + "/a.yaml",
    "as long as a name gets": "n" * 250 + ".yaml",
    "a blank at its end": "a .yaml",
    "a name of git's that is none": ".gitx/a.yaml",
    "a question": "git~2/a.yaml",
}  # fmt: skip


def test_a_name_is_a_name(tmp_path):
    """The pool in each of them follows, and the file keeps its name to the byte."""
    pools = {
        name: ("100644", POOL.format(number=number).encode())
        for number, name in enumerate(NAMES.values())
    }
    bare = commit(tmp_path, pools)
    told = run_pass(tmp_path, bare)
    problems = {(code, severity) for code, _, severity in told["problems"]}
    assert (told["result"], told["words"]) == ("published", "")
    assert problems == {("pools-overlap", "warning")}, "all have one range, and nothing else is odd"
    words = ("git", "-C", str(bare))
    listed = subprocess.run(
        [*words, "ls-tree", "-r", "-z", "--name-only", "main"], capture_output=True, check=True
    ).stdout.split(b"\0")
    names = [os.fsencode(name) for name in NAMES.values()]
    names.append(b"prefix.yaml")
    assert sorted(listed) == sorted([b"", *names])
    found = subprocess.run(
        [*words, "grep", "-z", "-l", "-F", "2001:db8:9:0:f000::", "main"],
        capture_output=True,
        check=True,
    ).stdout.split(b"\0")
    assert sorted(found) == sorted([b"", *(b"main:" + name for name in names)])


LEFT_ALONE = {
    "a line break": {"a\nb.yaml": ("100644", POOL_A)},
    "git's own directory": {".git/a.yaml": ("100644", POOL_A), ".git/hooks/post-checkout": ("100755", b"#!/bin/sh\ntouch /ran\n")},
    "in capitals": {".GIT/a.yaml": ("100644", POOL_A)},
    "with a blank, as NTFS has it": {".git /a.yaml": ("100644", POOL_A), ".git./b.yaml": ("100644", POOL_A)},
    "by its short name": {"git~1/a.yaml": ("100644", POOL_A), "GIT~1/b.yaml": ("100644", POOL_A)},
    "with what HFS does not see": {".g\u200cit/a.yaml": ("100644", POOL_A)},
    "further down": {"apps/.Git/a.yaml": ("100644", POOL_A)},
    "dots further down": {"x/../../a.yaml": ("100644", POOL_A)},
    "a link to a file": {"a.yaml": ("120000", b"prefix.yaml")},
    "a link to a directory": {"a": ("120000", b"/etc"), "b.yaml": ("120000", b"..")},
    "a link to a secret": {"a.yaml": ("120000", b"/etc/passwd"), "b.yaml": ("120000", b"/proc/self/environ")},
    "a link that dangles, and says the word": {"a.yaml": ("120000", b"dynamic-prefix.io/name")},
    "links in a ring": {"a.yaml": ("120000", b"b.yaml"), "b.yaml": ("120000", b"a.yaml")},
    "settings that are links": {"gitops-prefix.yaml": ("120000", b"/etc/passwd"), ".gitops-prefixignore": ("120000", b"/dev/zero")},
    "submodules": {
        "a.yaml": ("160000", b""),
        ".gitmodules": ("100644", b'[submodule "a"]\n\tpath = a.yaml\n\turl = ext::sh -c touch% ran\n[submodule "-u"]\n\tpath = -u\n\turl = -u./x\n'),
    },
    "attributes": {".gitattributes": ("100644", b"* filter=x diff=x merge=x working-tree-encoding=UTF-16 ident export-subst\n")},
    "a pointer of LFS": {"a.yaml": ("100644", b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 9\n" % (b"0" * 64))},
    "100 MiB": {"a.yaml": ("100644", POOL_A + bytes(100 << 20)), "b.yaml": ("100644", POOL_A + b"#" * (6 << 20))},
    "options that a repository does not set": {
        "gitops-prefix.yaml": ("100644", b"repo: ext::sh -c touch% ran\nbranch: other\nclone-dir: /ran\nssh-key: /etc/shadow\n"
                               b"path: ..\nlisten: 0.0.0.0:1\nauthor-name: root\ntoken-file: /etc/passwd\n"),
    },
}  # fmt: skip


@pytest.mark.parametrize("entries", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_it_is_left_alone(tmp_path, entries):
    """The DynamicPrefix gets its status, and every other byte of the tree stays."""
    bare = commit(tmp_path, entries)
    before = git(bare, "ls-tree", "-r", "main").splitlines()
    told = run_pass(tmp_path, bare)
    assert (told["result"], told["words"], told["problems"]) == ("published", "", [])
    after = git(bare, "ls-tree", "-r", "main").splitlines()
    changed = [line for line in after if line not in before]
    assert [line.partition("\t")[2] for line in changed] == ["prefix.yaml"]
    assert len(after) == len(before)
    assert git(bare, "log", "-1", "--format=%an", "main").strip() == "gitops-prefix"
    assert not Path("/ran").exists()


HELD_BACK = {
    "a billion laughs": ({"a.yaml": LAUGHS + MARKED}, "not-yaml", "aliases repeat more than"),
    "laughs as a key": ({"a.yaml": LAUGHS + b"? *a14\n: x\n" + MARKED}, "not-yaml", "aliases repeat more than"),
    "deep brackets": ({"a.yaml": MARKED + b"b: " + b"[" * 10000}, "not-yaml", "nested deeper than 200"),
    "deep blocks": ({"a.yaml": MARKED + b"b:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 1000))}, "not-yaml", "nested deeper"),
    "deep lists": ({"a.yaml": MARKED + b"b:\n " + b"- " * 10000 + b"x"}, "not-yaml", "nested deeper"),
    "deep keys": ({"a.yaml": MARKED + b"b:\n " + b"? " * 10000 + b"x"}, "not-yaml", "nested deeper"),
    "deep behind an annotation": ({"a.yaml": POOL_A.replace(b"[]", b"[" * 10000)}, "not-yaml", "nested deeper"),
    "a deep marker": ({"a.yaml": b'a: x # {"$dynamicprefix": ' + b"[" * 100000 + b"}\n"}, "marker-not-json", "is not JSON"),
    "an annotation of a MiB": ({"a.yaml": POOL_A.replace(b"loadbalancers", b"l" * (1 << 20))}, "unknown-address-range", "[...]"),
    "an annotation that a terminal obeys": ({"a.yaml": POOL_A.replace(b"loadbalancers", b'"\\e[2J\\n::error::x"')}, "unknown-address-range", "\\x1b[2J\\n::error"),
    "UTF-16": ({"a.yaml": POOL_A.decode().encode("utf-16")}, "not-utf8", "is UTF-16"),
    "UTF-16 without its mark": ({"a.yml": POOL_A.decode().encode("utf-16-le")}, "not-utf8", "is UTF-16"),
    "a NUL": ({"a.yaml": POOL_A + b"\0"}, "not-yaml", "a character that YAML does not allow"),
    "a surrogate": ({"a.yaml": POOL_A + b"x: \xed\xa0\x80\n"}, "not-utf8", "is not UTF-8"),
    "a written surrogate": ({"a.yaml": POOL_A.replace(b"pool-1", b'"\\ud800"')}, "not-yaml", "invalid Unicode character"),
    "more values than anybody reads": ({"a.yaml": MARKED + b"b: [%s]" % (b"x," * 300000)}, "not-yaml", "more than 200000 values"),
}  # fmt: skip
STOPS_ALL = {
    "laughs in the settings": ({"gitops-prefix.yaml": LAUGHS}, "config-not-yaml", "aliases repeat more than"),
    "a deep status": ({"prefix.yaml": PREFIX.encode() + b"status: " + b"[" * 10000}, "not-yaml", "nested deeper"),
    "deep settings": ({"gitops-prefix.yaml": b"a: " + b"[" * 10000}, "config-not-yaml", "nested deeper"),
    "settings of another encoding": ({"gitops-prefix.yaml": "a: b".encode("utf-16")}, "config-not-yaml", "is not YAML"),
    "an ignore file of a MiB": ({".gitops-prefixignore": b"*a" * (1 << 19)}, "ignore-file-too-long", "64 KiB"),
}  # fmt: skip


def error_of(told: dict[str, object], files: dict[str, bytes], code: str, words: str) -> None:
    """The error is reported, short, with its place and all that is wrong."""
    [problem] = [one for one in told["problems"] if one[0] == code]
    assert words in problem[1]
    assert problem[1].startswith(next(iter(files)))
    assert problem[1].isprintable()
    assert len(problem[1]) < 3000
    assert problem[2] == "error"


@pytest.mark.parametrize(("files", "code", "words"), STOPS_ALL.values(), ids=STOPS_ALL)
def test_what_all_depends_on_is_an_error_with_its_place(tmp_path, files, code, words):
    """And no commit: a pass that never ended would end this test's patience."""
    bare = commit(tmp_path, {path: ("100644", content) for path, content in files.items()})
    before = git(bare, "rev-parse", "main")
    told = run_pass(tmp_path, bare)
    assert told["result"] == "invalid"
    error_of(told, files, code, words)
    assert git(bare, "rev-parse", "main") == before


@pytest.mark.parametrize(("files", "code", "words"), HELD_BACK.values(), ids=HELD_BACK)
def test_it_is_an_error_with_its_place(tmp_path, files, code, words):
    """Only the rest is published, once; the file stays to the byte, and the error is not forgotten."""
    bare = commit(tmp_path, {path: ("100644", content) for path, content in files.items()})
    before = git(bare, "rev-parse", "main").strip()
    told = run_pass(tmp_path, bare)
    assert (told["result"], told["changed"]) == ("published", ["prefix.yaml"])
    error_of(told, files, code, words)
    published = git(bare, "rev-parse", "main").strip()
    assert git(bare, "rev-parse", "main~1").strip() == before
    assert git(bare, "diff", "--name-only", before, "main").splitlines() == ["prefix.yaml"]
    told = run_pass(tmp_path / "again", bare)
    assert told["result"] == "invalid"
    error_of(told, files, code, words)
    assert git(bare, "rev-parse", "main").strip() == published


@pytest.mark.parametrize("name", ["../a.yaml", "./a.yaml"])
def test_a_tree_that_git_does_not_write_is_told_in_its_words(tmp_path, name):
    """Dots in a tree lead nowhere: there is no work tree, and no commit."""
    bare = commit(tmp_path, {name: ("100644", POOL_A)})
    before = git(bare, "rev-parse", "main")
    told = run_pass(tmp_path, bare)
    assert told["result"] != "published"
    assert told["words"].startswith("git ")
    assert git(bare, "rev-parse", "main") == before


def test_patterns_that_would_backtrack_for_ever_do_not(tmp_path):
    """What they are about is still passed over."""
    ignore = b"a*" * 60 + b"b.yaml\n" + b"**/a*/" * 60 + b"\n/" + b"a" * 200 + b".yaml\n"
    entries = {
        ".gitops-prefixignore": ("100644", ignore),
        "a" * 200 + ".yaml": ("100644", b"dynamic-prefix.io/name: ["),
    }
    told = run_pass(tmp_path, commit(tmp_path, entries))
    assert (told["result"], told["words"], told["problems"]) == ("published", "", [])
