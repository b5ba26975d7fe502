"""Which files of the branch are read: those that a byte search finds, and no others."""

from pathlib import Path

import pytest

from gitops_prefix.errors import InputError
from gitops_prefix.publish.managed_files import MOST_BYTES
from gitops_prefix.publish.repository import Repository, Scope
from tests.branch import MANAGED, bare_repository, fetched, somebody_pushes
from tests.gitrepo import bare_clone, commit_all, git

ALL = Scope()


def names(tmp_path: Path, files: dict[str, bytes], scope: Scope = ALL) -> list[str]:
    remote = bare_repository(tmp_path, files)
    with fetched(tmp_path / "clone", remote, scope=scope) as repository:
        return list(repository.managed_files(repository.tip))


READ = {
    "an annotation": ("a.yaml", b"metadata: {annotations: {dynamic-prefix.io/name: home}}\n"),
    "a marker": ("a.yaml", b'a: x # {"$dynamicprefix": "home:prefix"}\n'),
    "the shorter suffix": ("a.yml", MANAGED),
    "a byte order mark": ("a.yaml", b"\xef\xbb\xbf" + MANAGED),
    "a NUL": ("a.yaml", MANAGED + b"\0"),
    "UTF-16": ("wide.YAML", MANAGED.decode().encode("utf-16")),
    "UTF-16 of the other order, without its mark": ("a.yml", MANAGED.decode().encode("utf-16-be")),
    "bytes that are no UTF-8": ("a.yaml", b"# \xff\n" + MANAGED),
    "no line break at the end": ("a.yaml", MANAGED.rstrip()),
    "exactly 5 MiB": ("a.yaml", MANAGED.ljust(MOST_BYTES, b"#")),
    "a directory": ("one/two/three.yaml", MANAGED),
    "a blank": ("with blank.yaml", MANAGED),
    "two blanks and a colon": ("a: b  c.yaml", MANAGED),
    "no ASCII": ("ü/日本.yaml", MANAGED),
    "no UTF-8": ("raw-\udcff.yaml", MANAGED),
    "a quote and a backslash": ('quo"te\\.yaml', MANAGED),
    "what a shell or git would expand": ("*?[a].yaml", MANAGED),
    "a tab": ("a\tb.yaml", MANAGED),
    "a dash": ("-a.yaml", MANAGED),
    "a hidden directory": (".github/a.yaml", MANAGED),
    "git's word for what is not there": ("it is missing.yaml", MANAGED),
}
LEFT = {
    "nothing managed": ("a.yaml", b"a: 1\n"),
    "an empty file": ("a.yaml", b""),
    "another suffix": ("a.md", MANAGED),
    "a template's suffix": ("a.yaml.tpl", MANAGED),
    "UTF-16, and nothing managed": ("a.yaml", "dynamics: 1\n".encode("utf-16")),
    "more than 5 MiB": ("a.yaml", MANAGED.ljust(MOST_BYTES + 1, b"#")),
    "a name of two lines": ("a\nb.yaml", MANAGED),
}


def below(table: dict[str, tuple[str, bytes]]) -> dict[str, bytes]:
    """The files of a table, each in a directory of its own."""
    return {f"{number}/{name}": content for number, (name, content) in enumerate(table.values())}


def test_they_are_read_and_no_others(tmp_path):
    """Byte for byte."""
    files = below(READ)
    others = {f"left/{name}": content for name, content in below(LEFT).items()}
    remote = bare_repository(tmp_path, {**files, **others})
    with fetched(tmp_path / "clone", remote) as repository:
        found = repository.managed_files(repository.tip)
    assert sorted(found) == sorted(files), "the names, before all their bytes"
    assert found == files


def test_links_are_not_followed(tmp_path):
    """Neither to a file, nor to a directory, nor out of the repository; nor are the settings."""
    tree = tmp_path / "tree"
    (tree / "real").mkdir(parents=True)
    (tree / "real" / "a.yaml").write_bytes(MANAGED)
    (tree / "settings").write_bytes(b"branch: main\n")
    for link, target in {
        "link.yaml": "real/a.yaml",
        "directory": "real",
        "outside.yaml": "/etc/passwd",
        "names-it.yaml": "dynamic-prefix.io/name",
        "gitops-prefix.yaml": "settings",
        ".gitops-prefixignore": "settings",
    }.items():
        (tree / link).symlink_to(target)
    commit_all(tree)
    remote = bare_clone(tree, tmp_path / "remote.git")
    with fetched(tmp_path / "clone", remote) as repository:
        assert list(repository.managed_files(repository.tip)) == ["real/a.yaml"]


FILES = {
    "a.yaml": MANAGED,
    "apps/b.yaml": MANAGED,
    "apps/deep/c.yml": MANAGED,
    "apps-other/d.yaml": MANAGED,
    "gitops-prefix.yaml": b"branch: main\n",
    "apps/gitops-prefix.yaml": b"branch: other\n",
}
EVERY = {"a.yaml", "apps/b.yaml", "apps/deep/c.yml", "apps-other/d.yaml"}
SCOPES = {
    "all": (ALL, EVERY),
    "a dot": (Scope("."), EVERY),
    "below": (Scope("apps"), {"apps/b.yaml", "apps/deep/c.yml"}),
    "below, as a shell completes it": (Scope("./apps/"), {"apps/b.yaml", "apps/deep/c.yml"}),
    "deeper": (Scope("apps/deep"), {"apps/deep/c.yml"}),
    "without": (Scope("", ("apps/",)), {"a.yaml", "apps-other/d.yaml"}),
    "without a pattern": (Scope("", ("*.yml",)), {"a.yaml", "apps/b.yaml", "apps-other/d.yaml"}),
    "without, and yet": (Scope("", ("apps*", "!apps-other")), {"a.yaml", "apps-other/d.yaml"}),
    "both": (Scope("apps", ("deep/",)), {"apps/b.yaml"}),
    "nothing there": (Scope("nowhere"), set()),
}


@pytest.mark.parametrize(("scope", "expected"), SCOPES.values(), ids=SCOPES)
def test_a_scope_narrows_it(tmp_path, scope, expected):
    """--path and --exclude; the settings are those at the root, and always read."""
    assert set(names(tmp_path, FILES, scope)) == expected | {"gitops-prefix.yaml"}


@pytest.mark.parametrize("below", ["/apps", "..", "apps/../../x"])
def test_a_scope_does_not_lead_out_of_the_repository(tmp_path, below):
    remote = bare_repository(tmp_path, FILES)
    with pytest.raises(InputError, match="leads out of the repository"):
        Repository(tmp_path / "clone", str(remote), "main", scope=Scope(below)).open()


def test_the_repository_may_exclude_files_itself(tmp_path):
    """In gitignore's syntax; what is excluded on the command line comes after it."""
    ignore = b"# none of these\n\napps/\n!/apps/\n*.yml\n"
    found = names(tmp_path, {**FILES, ".gitops-prefixignore": ignore}, Scope("", ("/a.yaml",)))
    assert found == ["apps-other/d.yaml", "apps/b.yaml", "gitops-prefix.yaml"]


@pytest.mark.parametrize("line", ["!", "\\", "[z-a]"])
def test_a_line_that_is_no_pattern_takes_no_daemon_down(tmp_path, line):
    """The other lines count."""
    ignore = f"{line}\napps/\n".encode()
    assert "a.yaml" in names(tmp_path, {**FILES, ".gitops-prefixignore": ignore})


def test_they_come_in_the_order_of_their_names(tmp_path):
    """The same repository is the same rendering."""
    found = names(tmp_path, FILES)
    assert found == sorted(found)


def test_a_commit_that_was_read_is_remembered(tmp_path):
    """The next pass reads nothing; another commit is read anew."""
    remote = bare_repository(tmp_path, {"a.yaml": MANAGED, "b.yaml": MANAGED})
    with fetched(tmp_path / "clone", remote) as repository:
        before = repository.managed_files(repository.tip)
        assert repository.managed_files(repository.tip) is before
        for n in range(6):
            somebody_pushes(tmp_path, f"{n}.yaml")
            repository.fetch()
            assert len(repository.managed_files(repository.tip)) == 3 + n


def pushed(tree: Path) -> None:
    commit_all(tree)
    git(tree, "push", "-q", "origin", "HEAD:main")


def link(tree: Path) -> None:
    (tree / "a.yaml").unlink()
    (tree / "a.yaml").symlink_to("z.yaml")


def in_place_of_a_file(tree: Path) -> None:
    (tree / "a.yaml").unlink()
    (tree / "a.yaml").mkdir()
    (tree / "a.yaml" / "b.yaml").write_bytes(MANAGED)


CHANGES = {
    "nothing that is searched": lambda tree: (tree / "README.md").write_text("new\n"),
    "another content": lambda tree: (tree / "a.yaml").write_bytes(MANAGED + b"new: 1\n"),
    "managed no more": lambda tree: (tree / "a.yaml").write_text("a: 1\n"),
    "managed since": lambda tree: (tree / "plain.yaml").write_bytes(MANAGED),
    "gone": lambda tree: (tree / "a.yaml").unlink(),
    "another name": lambda tree: (tree / "a.yaml").rename(tree / "b.yaml"),
    "a link": link,
    "a directory in its place": in_place_of_a_file,
    "ignored": lambda tree: (tree / ".gitops-prefixignore").write_text("a.yaml\n"),
    "new, and ignored before": lambda tree: (tree / "out.tmp.yaml").write_bytes(MANAGED),
    "the settings": lambda tree: (tree / "gitops-prefix.yaml").write_text("schedule: 1\n"),
    "another mode": lambda tree: (tree / "a.yaml").chmod(0o755),
    "more than is read one by one": lambda tree: [
        (tree / f"{number}.yaml").write_bytes(MANAGED) for number in range(1001)
    ],
    "all that is read or left": lambda tree: [
        write(tree / name, content) for name, content in below({**READ, **LEFT}).items()
    ],
}


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_is_read_as_a_fresh_clone_reads_everything(tmp_path, change):
    """Of a large repository only the difference is read, when the branch moves."""
    files = {"a.yaml": MANAGED, "z.yaml": MANAGED, "plain.yaml": b"a: 1\n"}
    remote = bare_repository(tmp_path, {**files, ".gitops-prefixignore": b"*.tmp.yaml\n"})
    with fetched(tmp_path / "clone", remote) as repository:
        repository.managed_files(repository.tip)
        change(tmp_path / "tree")
        pushed(tmp_path / "tree")
        assert repository.fetch()
        found = repository.managed_files(repository.tip)
        with fetched(tmp_path / "fresh", remote) as fresh:
            assert fresh.managed_files(fresh.tip) == found
            assert list(fresh.managed_files(fresh.tip)) == list(found)
