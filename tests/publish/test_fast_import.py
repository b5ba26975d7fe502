"""The stream that makes a commit: what git reads is what was meant, whatever it holds."""

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_prefix.publish.commit_maker import Identity, fast_import_stream
from tests.gitrepo import commit_all, git

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())


def stream(**changes) -> bytes:
    words = {
        "reference": "refs/x/ours",
        "base": "abc",
        "files": {"a.yaml": ("100644", b"a: 1\n")},
        "message": "one\n",
        "people": (Identity(), Identity()),
        "moment": NOON,
    }
    return fast_import_stream(**{**words, **changes})


def test_author_and_committer_may_be_two():
    people = (Identity("Ada", "ada@example.com"), Identity("Bot", "bot@example.com"))
    assert (
        f"author Ada <ada@example.com> {SECONDS} +0000\ncommitter Bot <bot@example.com> {SECONDS} +0000\n".encode()
        in stream(people=people)
    )


def test_the_whole_stream():
    """As git-fast-import(1) has it: lengths before contents, and nothing to escape in them."""
    who = f"gitops-prefix <gitops-prefix@localhost> {SECONDS} +0000"
    assert (
        stream(files={"b.yaml": ("100755", b""), "a.yaml": ("100644", b"a: 1\n")})
        == (
            "commit refs/x/ours\nmark :1\n"
            f"author {who}\ncommitter {who}\n"
            "data 4\none\n\n"
            "from abc\n"
            'M 100644 inline "a.yaml"\ndata 5\na: 1\n\n'
            'M 100755 inline "b.yaml"\ndata 0\n\n'
            "\nget-mark :1\ndone\n"
        ).encode()
    )


def test_the_order_of_files_and_the_time_zone_do_not_count():
    """The same change is the same commit."""
    files = {f"{name}.yaml": ("100644", name.encode()) for name in "cab"}
    turned = dict(reversed(files.items()))
    elsewhere = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert stream(files=files) == stream(files=turned, moment=elsewhere)


@pytest.mark.parametrize(
    ("identity", "text"),
    [
        (Identity("Ada", "ada@example.com"), "Ada <ada@example.com>"),
        (Identity("A <b> c\n", "x>\ncommitter <y"), "A b c <xcommitter y>"),
        (Identity("Jörg", "j@ü.example"), "Jörg <j@ü.example>"),
        (Identity("", ""), " <>"),
    ],
)
def test_an_identity_is_one_line(identity: Identity, text: str):
    """What would end it is left out."""
    assert str(identity) == text


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    tree = tmp_path_factory.mktemp("repository") / "tree"
    tree.mkdir()
    (tree / "kept.yaml").write_text("kept: true\n")
    commit_all(tree)
    return tree


def make(repository: Path, files: dict[str, tuple[str, bytes]], message: str = "x\n") -> str:
    """The commit that git makes of it."""
    answer = subprocess.run(
        ["git", "-C", str(repository), "fast-import", "--quiet", "--force", "--date-format=raw"],
        input=stream(base="main", files=files, message=message),
        capture_output=True,
        check=True,
    )
    return answer.stdout.decode().strip()


def content(repository: Path, name: str) -> bytes:
    return subprocess.run(
        ["git", "-C", str(repository), "cat-file", "-p", name], capture_output=True, check=True
    ).stdout


NAMES = ["a.yaml", "sub/b c.yaml", 'quo"te.yaml', "back\\slash.yaml", "line\nbreak.yaml",
         "ü.yaml", "raw-\udcff.yaml", " blank.yaml", "-dash.yaml", ":colon.yaml", "*.yaml"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_name(repository, name):
    """Whatever it is made of, git has exactly that file beside the others."""
    commit = make(repository, {name: ("100644", b"new\n")})
    listed = content_names(repository, commit)
    assert listed == sorted([name.encode(errors="surrogateescape"), b"kept.yaml"])


def content_names(repository: Path, commit: str) -> list[bytes]:
    words = ["git", "-C", str(repository), "ls-tree", "-r", "-z", "--name-only", commit]
    return sorted(subprocess.run(words, capture_output=True, check=True).stdout.split(b"\0")[:-1])


@given(
    contents=st.lists(st.binary(), min_size=1, max_size=3),
    words=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1),
)
def test_contents_and_messages_arrive_byte_for_byte(repository, contents, words):
    """With what looks like a command of the stream, too."""
    files = {f"{n}.yaml": ("100644", one + b"\ndone\n") for n, one in enumerate(contents)}
    commit = make(repository, files, words)
    for path, (_, expected) in files.items():
        assert content(repository, f"{commit}:{path}") == expected
    assert content(repository, commit).partition(b"\n\n")[2] == words.encode()


def test_the_commit_is_told_and_has_one_parent(repository):
    """The stream's answer is the commit's id."""
    commit = make(repository, {"a.yaml": ("100755", b"a\n")})
    assert git(repository, "rev-parse", "refs/x/ours").strip() == commit
    assert (
        git(repository, "rev-parse", f"{commit}^").strip()
        == git(repository, "rev-parse", "main").strip()
    )
    assert git(repository, "ls-tree", commit, "a.yaml").startswith("100755 blob")
