"""init in a Git repository: its paths, its remote, and what it has already."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from gitops_prefix.cli.door import enter
from gitops_prefix.cli.kustomization import add_resources, missing_resources
from tests.cli.directories import snapshot

DIRECTORY = "kubernetes/network"


def git(directory: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(directory), *words], check=True, capture_output=True)


def test_a_kustomization_keeps_its_other_name(tmp_path, monkeypatch, capsys):
    """kustomize refuses a directory with two."""
    monkeypatch.chdir(tmp_path)
    for name in ("kustomization.yml", "Kustomization"):
        file = tmp_path / name / name
        file.parent.mkdir()
        file.write_text("resources:\n- web.yaml\n")
        assert enter(["init", name]) == 0
        said = capsys.readouterr()
        assert f"kept  {name}/{name}\n" in said.out
        assert "  - pool.yaml\n" in said.err
        assert not (file.parent / "kustomization.yaml").exists()
        assert enter(["init", "--edit", name]) == 0
        assert "- pool.yaml\n" in file.read_text()


def test_gits_own_directory_gets_no_manifests(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet", "--bare", "bare.git")
    git(tmp_path, "init", "--quiet", "tree")
    before = snapshot(tmp_path)
    for directory in ("bare.git", "bare.git/new", "tree/.git/new"):
        assert enter(["init", directory]) == 2
        assert "[inside-git]" in capsys.readouterr().err
    assert enter(["validate", "bare.git"]) == 2
    assert "name a clone with its files" in capsys.readouterr().err
    assert snapshot(tmp_path) == before


def test_a_work_tree_inside_its_bare_repository_is_a_work_tree(tmp_path, monkeypatch, capsys):
    """`git clone --bare URL home`, and `git -C home worktree add tree`: a usual layout."""
    git(tmp_path, "init", "--quiet", "-b", "main", "first")
    author = ("-c", "user.name=t", "-c", "user.email=t@t")
    git(tmp_path / "first", *author, "commit", "--quiet", "--allow-empty", "-m", "first")
    git(tmp_path, "clone", "--quiet", "--bare", "first", "home")
    git(tmp_path / "home", "worktree", "add", "--quiet", "tree", "main")
    monkeypatch.chdir(tmp_path / "home" / "tree")
    assert enter(["init", "apps"]) == 0
    assert (tmp_path / "home" / "tree" / "apps" / "kustomization.yaml").exists()
    assert enter(["validate", "."]) == 0
    assert "Git's own files" not in capsys.readouterr().err


def test_what_cannot_be_read_might_be_a_second_dynamic_prefix(repository, capsys):
    (repository / "home.yaml").write_text("<<<<<<< HEAD\nkind: DynamicPrefix\n=======\na: b\n")
    assert enter(["init", "new"]) == 2
    said = capsys.readouterr().err
    assert "home.yaml:1:1: error: does not parse" in said
    assert "`init` reads it" in said
    assert not (repository / "new").exists()


@pytest.fixture
def repository(tmp_path, monkeypatch) -> Path:
    """A repository with a branch of its own name, and this as the working directory."""
    git(tmp_path, "init", "--quiet", "--initial-branch=trunk")
    monkeypatch.chdir(tmp_path)
    for name in ("REPO", "BRANCH", "NAME", "OUTPUT", "CONFIG"):
        monkeypatch.delenv(f"GITOPS_PREFIX_{name}", raising=False)
    return tmp_path


def documents(file: Path) -> list[dict]:
    return list(YAML(typ="safe").load_all(file.read_text()))


def flux(directory: Path) -> tuple[dict, dict]:
    source, kustomization = documents(directory / "flux-sync.yaml")
    return source["spec"], kustomization["spec"]


def test_paths_are_from_the_root_of_the_repository(repository):
    assert enter(["init", DIRECTORY]) == 0
    source, kustomization = flux(repository / DIRECTORY)
    assert (kustomization["path"], kustomization["prune"]) == (f"./{DIRECTORY}", True)
    assert source["ref"]["branch"] == "trunk"
    assert enter(["init", "--for", "argocd", DIRECTORY]) == 0
    [application] = documents(repository / DIRECTORY / "application.yaml")
    assert application["spec"]["source"]["path"] == DIRECTORY


def test_the_source_of_flux_bootstrap_is_not_written_again(repository, capsys):
    """Two objects of one name stop the Kustomization that applies both: all of Flux."""
    sync = repository / "clusters" / "home" / "flux-system" / "gotk-sync.yaml"
    sync.parent.mkdir(parents=True)
    source = "apiVersion: source.toolkit.fluxcd.io/v1\nkind: GitRepository\nmetadata:\n  name: {}\n"
    other = source.format("other") + "---\nkind: Kustomization\nmetadata:\n  name: flux-system\n"
    sync.write_text(other)
    assert enter(["init", "first"]) == 0
    assert len(documents(repository / "first" / "flux-sync.yaml")) == 2
    sync.write_text(source.format("flux-system"))
    (repository / "first" / "flux-sync.yaml").unlink()
    assert enter(["init", DIRECTORY]) == 0
    [kustomization] = documents(repository / DIRECTORY / "flux-sync.yaml")
    assert kustomization["spec"]["sourceRef"] == {"kind": "GitRepository", "name": "flux-system"}
    skipped = "skip  GitRepository flux-system: clusters/home/flux-system/gotk-sync.yaml has it"
    assert skipped in capsys.readouterr().out


def test_from_inside_the_repository_it_is_the_same(repository, monkeypatch):
    (repository / "kubernetes").mkdir()
    monkeypatch.chdir(repository / "kubernetes")
    assert enter(["init", "network"]) == 0
    assert flux(repository / DIRECTORY)[1]["path"] == f"./{DIRECTORY}"


def test_the_root_of_a_repository_with_other_manifests_is_refused(repository, capsys):
    """A reconciler would apply, and prune, everything below it."""
    (repository / "apps").mkdir()
    (repository / "apps" / "web.yaml").write_text("kind: Deployment\n")
    before = snapshot(repository)
    assert enter(["init"]) == 2
    assert "apps/web.yaml" in (said := capsys.readouterr().err)
    assert "[root-of-repository]" in said
    assert snapshot(repository) == before


def test_the_root_of_a_new_repository_is_taken(repository):
    """What a forge reads (.github), and what Git ignores, is no manifest."""
    (repository / ".github").mkdir()
    (repository / ".github" / "ci.yaml").write_text("on: push\n")
    (repository / ".gitignore").write_text("out/\n")
    (repository / "out").mkdir()
    (repository / "out" / "x.yaml").write_text("a: b\n")
    assert enter(["init"]) == 0
    assert flux(repository)[1]["path"] == "./"
    before = snapshot(repository)
    assert enter(["init"]) == 0
    assert snapshot(repository) == before


REMOTES = {
    "what a forge's button copies": (
        "git@github.com:me/home.git", "ssh://git@github.com/me/home.git", "ssh-keyscan github.com",
    ),
    "ssh on another port": (
        "ssh://git@10.77.0.1:2222/home.git", "ssh://git@10.77.0.1:2222/home.git", "ssh-keyscan -p 2222 10.77.0.1",
    ),
    "an IPv6 address": (
        "git@[2001:db8::1]:me/home.git", "ssh://git@[2001:db8::1]/me/home.git", "ssh-keyscan 2001:db8::1",
    ),
    "an absolute path behind a host": (
        "host:/srv/home.git", "ssh://host/srv/home.git", "ssh-keyscan host",
    ),
    "https": (
        "https://github.com/me/home", "https://github.com/me/home", "ssh-keyscan github.com",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("remote", "url", "keyscan"), REMOTES.values(), ids=REMOTES)
@pytest.mark.parametrize("given", [False, True], ids=["origin", "--repo"])
def test_the_remote_is_written_as_reconcilers_take_it(repository, remote, url, keyscan, given):
    git(repository, "remote", "add", "origin", "ssh://git@other.example/x" if given else remote)
    assert enter(["init", DIRECTORY, *(["--repo", remote] if given else [])]) == 0
    assert flux(repository / DIRECTORY)[0]["url"] == url
    deployment = (repository / DIRECTORY / "gitops-prefix" / "deployment.yaml").read_text()
    assert f'value: "{url}"' in deployment
    assert f"#   {keyscan} > known_hosts " in deployment


NOTES = {
    "none": (None, "no remote origin"),
    "a path": ("/srv/home.git", "a path on this machine"),
    "https": ("https://git.example.com/me/home", "docs/auth.md"),
    "http": ("http://git.example.com/me/home", "and this is http:"),
    "git": ("git://git.example.com/me/home", "no reconciler takes git://"),
}


@pytest.mark.parametrize(("remote", "note"), NOTES.values(), ids=NOTES)
def test_what_stays_to_be_done_about_the_remote_is_said(repository, remote, note, capsys):
    if remote:
        git(repository, "remote", "add", "origin", remote)
    assert enter(["init", DIRECTORY]) == 0
    assert note in capsys.readouterr().err


@pytest.mark.parametrize(
    ("scheme", "note"),
    [
        ("https", "userinfo left out"),
        ("HTTPS", "userinfo left out"),
        ("ssh", "the password is left out"),
        ("ftp", "no reconciler takes ftp://"),
    ],
)
def test_a_token_in_the_remote_is_not_written(repository, capsys, scheme, note):
    git(repository, "remote", "add", "origin", f"{scheme}://me:s3cret@git.example.com/me/home")
    assert enter(["init", DIRECTORY]) == 0
    assert note in (said := "".join(capsys.readouterr()))
    assert "s3cret" not in said
    assert not any(
        b"s3cret" in text for path, text in snapshot(repository).items() if ".git/" not in path
    )


def test_no_second_pool_over_a_range_that_has_one(repository, capsys):
    """Nor a second DynamicPrefix or group: what another directory has is not written again."""
    assert enter(["init", "--name", "home", "network"]) == 0
    for name in ("kustomization.yaml", "flux-sync.yaml"):
        (repository / "network" / name).unlink()
    shutil.rmtree(repository / "network" / "gitops-prefix")
    capsys.readouterr()
    assert enter(["init", "daemon"]) == 0
    out = capsys.readouterr().out
    assert f"skip  {Path('daemon/pool.yaml')}: network/pool.yaml has what it would hold" in out
    [listed] = documents(repository / "daemon" / "kustomization.yaml")
    assert listed["resources"] == ["gitops-prefix", "reconcile.yaml"]
    names = {path.name for path in (repository / "daemon").iterdir()}
    assert names == {"flux-sync.yaml", "gitops-prefix", "kustomization.yaml", "reconcile.yaml"}
    assert enter(["validate"]) == 0


@pytest.mark.parametrize("reconciler", ["flux", "argocd"])
def test_a_second_directory_gets_no_second_daemon(repository, capsys, reconciler):
    """Two of one name would fight over one namespace, and over one DynamicPrefix."""
    assert enter(["init", "--for", reconciler, "network"]) == 0
    before = snapshot(repository)
    capsys.readouterr()
    assert enter(["init", "--for", reconciler, "other"]) == 0
    out, err = capsys.readouterr()
    assert "skip  other/gitops-prefix: network/gitops-prefix/deployment.yaml has" in out
    assert "nothing was written" in err
    assert snapshot(repository) == before
    assert enter(["init", "--for", reconciler, "--name", "office", "office"]) == 0
    assert (repository / "office" / "gitops-prefix" / "deployment.yaml").exists()


@pytest.mark.parametrize(
    ("reconciler", "sync"), [("flux", "flux-sync.yaml"), ("argocd", "application.yaml")]
)
def test_the_nearest_kustomization_above_gets_a_line(repository, capsys, reconciler, sync):
    """Else nothing of the new directory ever reaches the cluster."""
    above = repository / "kubernetes" / "kustomization.yml"
    above.parent.mkdir()
    above.write_text("resources:\n- apps  # keep\n")
    (repository / "kustomization.yaml").write_text("resources: []\n")
    words = ["init", "--for", reconciler, "kubernetes/infra/network"]
    assert enter(words) == 0
    said = capsys.readouterr().err
    assert "kubernetes/kustomization.yml does not list these" in said
    assert f"  - infra/network/{sync}\n" in said
    assert above.read_text() == "resources:\n- apps  # keep\n"
    assert enter([*words, "--edit"]) == 0
    assert "edited kubernetes/kustomization.yml" in capsys.readouterr().out
    assert above.read_text() == f"resources:\n- apps  # keep\n- infra/network/{sync}\n"
    before = snapshot(repository)
    assert enter([*words, "--edit"]) == 0
    assert "does not list" not in capsys.readouterr().err
    assert snapshot(repository) == before


def test_a_kustomization_above_that_lists_the_directory_gets_none(repository, capsys):
    (repository / "kustomization.yaml").write_text("resources: [./network/]\n")
    assert enter(["init", "network"]) == 0
    assert "does not list" not in capsys.readouterr().err


def test_a_kustomization_that_is_there_gets_its_lines_printed(repository, capsys):
    """And is not pruned: what it lists beside is somebody else's."""
    file = repository / DIRECTORY / "kustomization.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("# mine\nresources:\n- web.yaml  # keep\n\n# end\n")
    (file.parent / "web.yaml").write_text("kind: X\n")
    assert enter(["init", DIRECTORY]) == 0
    assert file.read_text() == "# mine\nresources:\n- web.yaml  # keep\n\n# end\n"
    said = capsys.readouterr().err
    for name in ("cidr-group.yaml", "gitops-prefix", "pool.yaml", "prefix.yaml"):
        assert f"  - {name}\n" in said
    assert flux(file.parent)[1]["prune"] is False
    assert enter(["init", "--edit", DIRECTORY]) == 0
    assert f"edited {Path(DIRECTORY)}/kustomization.yaml" in capsys.readouterr().out
    assert file.read_text() == (
        "# mine\nresources:\n- web.yaml  # keep\n- cidr-group.yaml\n- gitops-prefix\n- pool.yaml\n"
        "- prefix.yaml\n- reconcile.yaml\n\n# end\n"
    )
    before = snapshot(repository)
    assert enter(["init", "--edit", DIRECTORY]) == 0
    assert "does not list" not in capsys.readouterr().err
    assert snapshot(repository) == before


def test_a_file_of_that_name_with_something_else_is_named(repository, capsys):
    """It stays, so the range has no pool."""
    pool = repository / DIRECTORY / "pool.yaml"
    pool.parent.mkdir(parents=True)
    pool.write_text("kind: CiliumLoadBalancerIPPool\nspec: {blocks: [{cidr: 10.9.0.0/24}]}\n")
    assert enter(["init", DIRECTORY]) == 0
    said = capsys.readouterr().err
    assert f"note: {Path(DIRECTORY)}/pool.yaml has something else, so there is no pool of" in said
    pool.unlink()
    for _ in range(2):
        assert enter(["init", DIRECTORY]) == 0
        assert "something else" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reconciler", "asked"),
    [("flux", "gitrepository:flux-system/flux-system"), ("argocd", "application:argocd/")],
)
def test_the_daemon_asks_beside_a_kustomization_that_is_kept(repository, reconciler, asked):
    """What lets it ask is no part of the file that somebody else wrote."""
    file = repository / DIRECTORY / "kustomization.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("resources: []\n")
    assert enter(["init", "--for", reconciler, DIRECTORY]) == 0
    [daemon] = documents(file.parent / "gitops-prefix" / "kustomization.yaml")
    [patch] = daemon["patches"]
    assert f"value: {asked}" in patch["patch"]


EDITS = {
    "indented": ("resources:\n  - a\n", "resources:\n  - a\n  - x\n  - y\n"),
    "not indented, and something behind": (
        "resources:\n- a # b\n\nimages: []\n", "resources:\n- a # b\n- x\n- y\n\nimages: []\n",
    ),
    "without a last line end": ("resources:\n- a", "resources:\n- a\n- x\n- y\n"),
    "Windows": ("resources:\r\n- a\r\n", "resources:\r\n- a\r\n- x\r\n- y\r\n"),
    "no list yet": ("kind: Kustomization\n", "kind: Kustomization\nresources:\n  - x\n  - y\n"),
    "empty": ("", "resources:\n  - x\n  - y\n"),
    "in brackets": ("resources: [a]\n", None),
    "an empty list": ("resources: []\n", None),
    "quoted": ('resources:\n  - "a"\n', 'resources:\n  - "a"\n  - x\n  - y\n'),
    "a block scalar": ("resources:\n  - |-\n    a\n", "resources:\n  - |-\n    a\n  - x\n  - y\n"),
    "a mapping as the last": ("resources:\n  - a: b\n", None),
    "a list": ("- a\n", None),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), EDITS.values(), ids=EDITS)
def test_resources_are_added_as_lines_or_not_at_all(before, after):
    assert add_resources(before, ["x", "y"]) == after


LISTED = {
    "some": ("resources: [./x, z/]\n", ["y"]),
    "none": ("kind: Kustomization\n", ["x", "y", "z"]),
    "an empty file": ("", ["x", "y", "z"]),
    "no YAML": ("a: [\n", None),
    "a list": ("- x\n", None),
    "another shape": ("resources: {x: y}\n", None),
}


@pytest.mark.parametrize(("text", "missing"), LISTED.values(), ids=LISTED)
def test_what_a_kustomization_does_not_list(text, missing):
    assert missing_resources(text, ["x", "y", "z"]) == missing
