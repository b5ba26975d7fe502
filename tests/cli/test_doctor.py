"""doctor: each thing that `run` needs, right and wrong, with real parts."""

import json
import os
import subprocess
import sys

import pytest

from gitops_prefix.cli.door import enter
from gitops_prefix.publish.signing import SshSigning
from tests.apply import kubeconfigs
from tests.branch import bare_repository, commit_ours, fetched
from tests.cli.directories import snapshot
from tests.dynamic_prefix import STATIC as STATIC_SOURCE
from tests.dynamic_prefix import dynamic_prefix
from tests.git_servers import new_key, ssh_server
from tests.gitrepo import commit_all, git
from tests.netns import Radvd, lab
from tests.parts import require

STATIC = dynamic_prefix(STATIC_SOURCE, ranges=("lb",)).encode()
HEARD = dynamic_prefix(ranges=("lb",)).encode()
POOL = b"""apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: p
  annotations: {dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lb}
spec: {blocks: []}
"""


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("GITOPS_PREFIX_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def answers(capsys, *words: str, code: int) -> dict[str, tuple[str, str]]:
    """What doctor says of each thing, as JSON has it."""
    assert enter(["doctor", "--output", "json", *words]) == code
    found: dict[str, tuple[str, str]] = {}
    for check in json.loads(capsys.readouterr().out)["checks"]:
        assert list(check) == ["name", "answer", "words", "remedy"]
        said = f"{found.get(check['name'], ('', ''))[1]} {check['words']} {check['remedy']}"
        found[check["name"]] = (check["answer"], said)
    return found


def test_where_all_is_right_it_says_so_and_changes_nothing(tmp_path, capsys):
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    before = snapshot(tmp_path)
    found = answers(capsys, "--repo", str(remote), code=0)
    assert {name: answer for name, (answer, _) in found.items()} == dict.fromkeys(
        ["git", "options", "remote", "push", "home"], "ok"
    )
    assert "static 2001:db8:1::/64; 1 field follows it" in found["home"][1]
    assert snapshot(tmp_path) == before


def test_the_text_has_a_line_each_and_the_sum(tmp_path, capsys):
    remote = bare_repository(tmp_path, {"p.yaml": STATIC})
    assert enter(["doctor", "--repo", str(remote)]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[-2] == "wrong   home           static 2001:db8:1::/64; nothing follows it"
    assert "docs/annotations.md" in lines[-1]
    assert err == "5 checks, 1 wrong\n"


WRONG = {
    "options": (["--trailer", "x", "--ssh-key", "k"], "options", "[no-known-hosts]"),
    "a remote without a host": (["--repo", "https://"], "options", "names no host"),
    "no such branch": (["--branch", "nope"], "remote", 'no branch "nope"'),
    "a host that does not answer": (
        ["--repo", "http://127.0.0.1:1/home.git"],
        "remote",
        "look at the network",
    ),
    "a path without any": (["--path", "nope"], "manifests", "no DynamicPrefix"),
    "a path that is not there": (["--path", "nope"], "path", "is not a directory on main"),
    "a key that signs nothing": (["--signing-key", "gone"], "options", "--signing-key gone"),
}


def test_what_run_could_not_open_is_named(tmp_path, capsys):
    """doctor itself makes its clone elsewhere, and listens nowhere."""
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    (tmp_path / "file").touch()
    words = ["--clone-dir", str(tmp_path / "file" / "clone"), "--listen", "192.0.2.1:8080"]
    before = snapshot(tmp_path)
    found = answers(capsys, "--repo", str(remote), *words, code=1)
    assert found["clone"][0] == found["listen"][0] == "wrong"
    assert "file is no directory" in found["clone"][1]
    assert snapshot(tmp_path) == before


def test_a_branch_that_is_checked_out_there_takes_no_push(tmp_path, capsys):
    """git's dry run does not ask for that (receive.denyCurrentBranch)."""
    tree = tmp_path / "home"
    tree.mkdir()
    (tree / "p.yaml").write_bytes(STATIC + b"---\n" + POOL)
    commit_all(tree)
    words = ["--repo", str(tree), "--clone-dir", str(tree)]
    found = answers(capsys, *words, code=1)
    assert found["push"][0] == found["clone"][0] == "wrong"
    assert "a bare repository" in found["push"][1]
    assert "holds something else" in found["clone"][1]
    git(tree, "config", "receive.denyCurrentBranch", "updateInstead")
    assert answers(capsys, *words[:2], code=0)["push"][0] == "ok"


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
@pytest.mark.parametrize("closed", ["objects", "refs/heads"])
def test_a_repository_here_that_may_not_be_written_takes_no_push(tmp_path, capsys, closed):
    """git's dry run writes nothing, so it does not find out."""
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    (remote / closed).chmod(0o555)
    answer, said = answers(capsys, "--repo", str(remote), code=1)["push"]
    (remote / closed).chmod(0o755)
    assert answer == "wrong"
    assert f"{remote / closed} cannot be written by uid {os.geteuid()}" in said
    assert answers(capsys, "--repo", str(remote), code=0)["push"][0] == "ok"


def test_without_git_that_is_what_is_wrong(tmp_path, capsys, monkeypatch):
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    monkeypatch.setenv("PATH", str(tmp_path))
    found = answers(capsys, "--repo", str(remote), code=1)
    assert {name: answer for name, (answer, _) in found.items()} == {
        "git": "wrong",
        "manifests": "skipped",
    }


@pytest.mark.parametrize(("words", "name", "part"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_remedy(words, name, part, tmp_path, capsys):
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    answer, said = answers(capsys, "--repo", str(remote), *words, code=1)[name]
    assert answer == "wrong"
    assert part in said


@pytest.mark.parametrize(
    ("content", "part"),
    [
        pytest.param(dynamic_prefix("{}", ranges=("lb",)).encode(), "no source", id="no source"),
        pytest.param(HEARD.replace(b"eth0", b"nope0"), "there is no link nope0", id="no such link"),
    ],
)
def test_a_prefix_that_can_never_come_is_wrong(content, part, tmp_path, capsys):
    remote = bare_repository(tmp_path, {"p.yaml": content, "pool.yaml": POOL})
    found = answers(capsys, "--repo", str(remote), "--wait", "1s", code=1)
    assert any(answer == "wrong" and part in said for answer, said in found.values())


def test_without_a_repository_the_manifests_are_those_of_the_directory(tmp_path, capsys):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "p.yaml").write_bytes(STATIC + b"---\n" + POOL)
    found = answers(capsys, "home", code=0)
    assert found["remote"][0] == "skipped"
    assert found["home"][0] == "ok"


def test_a_path_that_is_not_in_the_directory_is_wrong(tmp_path, capsys):
    (tmp_path / "p.yaml").write_bytes(STATIC + b"---\n" + POOL)
    found = answers(capsys, "--path", "nope", code=1)
    assert found["manifests"][0] == "skipped"
    assert '--path "nope" is no directory below' in found["manifests"][1]


def test_a_key_that_may_only_read_is_found_before_the_first_renumbering(tmp_path, capsys):
    """The remote is read, and its refusal of a push stands there in its own words."""
    with ssh_server(tmp_path / "sshd") as server:
        repository = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
        words = [
            "--repo",
            server.url(repository),
            "--known-hosts",
            str(server.credentials.known_hosts),
        ]
        found = answers(capsys, *words, "--ssh-key", str(server.directory / "reader"), code=1)
        assert (found["remote"][0], found["push"][0]) == ("ok", "wrong")
        assert "marked as read only" in found["push"][1]
        assert (
            answers(capsys, *words, "--ssh-key", str(server.directory / "deploy"), code=0)["push"][
                0
            ]
            == "ok"
        )
        found = answers(capsys, *words, "--ssh-key", str(server.directory / "stranger"), code=1)
        assert found["remote"][0] == "wrong"
        assert found["manifests"][0] == "skipped"


def test_a_router_is_heard_on_the_link_or_not(tmp_path):
    """In a network namespace with a real router, then without it."""
    require("netns", "radvd")
    remote = bare_repository(tmp_path, {"p.yaml": HEARD, "pool.yaml": POOL})
    command = [
        sys.executable,
        "-m",
        "gitops_prefix",
        "doctor",
        "--output",
        "json",
        "--repo",
        str(remote),
    ]
    with lab() as made:
        silent = subprocess.run(
            made.node.command(*command, "--wait", "1s"), check=False, capture_output=True, text=True
        )
        assert silent.returncode == 1
        assert "no Router Advertisement within 1 s" in silent.stdout
        with Radvd(made, tmp_path).advertising("2001:db8:1::/64"):
            heard = subprocess.run(
                made.node.command(*command), check=False, capture_output=True, text=True
            )
        assert heard.returncode == 0, heard.stdout
        assert "advertises there" in heard.stdout


def test_rights_are_asked_of_the_api_server(tmp_path, capsys):
    """Without one, that is what is wrong."""
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "users: [{name: x, user: {}}]\ncontexts: [{name: x, context: {cluster: x, user: x}}]\n"
    )
    words = ["--repo", str(remote), "--kubeconfig", str(kubeconfig), "--events"]
    answer, said = answers(capsys, *words, code=1)["API server"]
    assert answer == "wrong"
    assert "did not answer" in said


def test_a_tip_that_nobody_signed_is_found_before_the_first_renumbering(tmp_path, capsys):
    require("ssh")
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    new_key(tmp_path / "bot")
    (tmp_path / "signers").write_text(f"bot@example.com {(tmp_path / 'bot.pub').read_text()}")
    words = ["--repo", str(remote), "--signing-key", str(tmp_path / "bot")]
    words += ["--require-signed-parent", str(tmp_path / "signers")]
    assert answers(capsys, *words, code=1)["signed parent"][0] == "wrong"
    with fetched(tmp_path / "clone", remote, signing=SshSigning(tmp_path / "bot")) as repository:
        commit_ours(repository, {"p.yaml": STATIC + b"# signed\n"})
        repository.push()
    assert answers(capsys, *words, code=0)["signed parent"][0] == "ok"


def test_a_file_without_a_directory_for_it(tmp_path, capsys):
    of_file = dynamic_prefix("file: {path: /run/prefix.txt}", ranges=("lb",)).encode()
    remote = bare_repository(tmp_path, {"p.yaml": of_file, "pool.yaml": POOL})
    answer, said = answers(capsys, "--repo", str(remote), code=1)["/run/prefix.txt"]
    assert (answer, said.endswith("give --source-dir DIR")) == ("wrong", True)


def test_the_settings_of_the_repository_count(tmp_path, capsys):
    """What is wrong in them is found, as the daemon would find it."""
    files = {"p.yaml": STATIC, "pool.yaml": POOL, "gitops-prefix.yaml": b"externalDNS: 5\n"}
    remote = bare_repository(tmp_path, files)
    answer, said = answers(capsys, "--repo", str(remote), code=1)["manifests"]
    assert answer == "wrong"
    assert "gitops-prefix.yaml" in said


def test_what_the_next_prefix_would_be_refused_for_is_wrong(tmp_path, capsys):
    odd = 'n: []  # {"$dynamicprefix": "home:lb:cidrs"}\nx: "a\u2028b"\n'
    remote = bare_repository(tmp_path, {"p.yaml": HEARD, "odd.yaml": odd.encode()})
    assert (
        "[edit-refused]"
        in answers(capsys, "--repo", str(remote), "--wait", "1s", code=1)["manifests"][1]
    )


@pytest.mark.parametrize("case", [*kubeconfigs.BROKEN, *kubeconfigs.WRONG])
def test_a_kubeconfig_that_cannot_be_used_is_one_line(tmp_path, capsys, case):
    """And nothing of it is repeated."""
    remote = bare_repository(tmp_path, {"p.yaml": STATIC, "pool.yaml": POOL})
    path = tmp_path / "config"
    if case in kubeconfigs.BROKEN:
        path.write_text(kubeconfigs.BROKEN[case])
    else:
        user, cluster, more, _ = kubeconfigs.WRONG[case]
        kubeconfigs.kubeconfig(path, user, cluster, **more)
    words = ["doctor", f"--repo={remote}", f"--kubeconfig={path}", "--events", "--leader-elect"]
    assert enter(words) == 1
    out, err = capsys.readouterr()
    [line] = [line for line in out.splitlines() if "API server" in line]
    assert line.startswith("wrong") and str(path) in line
    assert kubeconfigs.TOKEN not in out + err and "Traceback" not in out + err
