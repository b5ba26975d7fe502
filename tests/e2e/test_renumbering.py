"""From a real router's advertisement to a commit on a real remote, over ssh."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests import netns
from tests.git_servers import SshServer, ssh_server
from tests.gitrepo import example, git
from tests.parts import require

PROGRAM = [sys.executable, "-m", "gitops_prefix"]
A, B = "2001:db8:1234::/64", "2001:db8:5678::/64"
READ_METRICS = (
    "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())"
)


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    """A bare repository that holds examples/flux."""
    return example("flux", tmp_path)


def daemon(remote: Path, server: SshServer, clone: Path) -> list[str]:
    return [
        *PROGRAM,
        "run",
        "--repo",
        server.url(remote),
        "--clone-dir",
        str(clone),
        "--ssh-key",
        str(server.credentials.key),
        "--known-hosts",
        str(server.credentials.known_hosts),
        "--interface",
        "eth0",
        "--listen",
        "127.0.0.1:8080",
    ]


def commits(remote: Path) -> list[str]:
    return git(remote, "log", "--format=%H", "main").split()


def advertisements(node: netns.Namespace) -> int:
    answer = node.run(sys.executable, "-c", READ_METRICS, "http://127.0.0.1:8080/metrics")
    lines = [
        line
        for line in answer.stdout.splitlines()
        if line.startswith("gitops_prefix_router_advertisements_total")
    ]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def test_a_renumbering_is_one_commit_that_touches_only_what_follows_the_prefix(remote, tmp_path):
    """radvd renumbers; the remote has exactly one more commit; repetitions and restarts make none."""
    require("netns", "radvd", "ssh")
    with (
        netns.lab() as lab,
        ssh_server(tmp_path / "ssh", port=2222, start=lab.node.start) as server,
    ):
        words = daemon(remote, server, tmp_path / "clone")
        radvd = netns.Radvd(lab, tmp_path)
        log = (tmp_path / "log").open("w")
        with log, radvd.advertising(A):
            with lab.node.start(*words, stderr=log, cwd=tmp_path) as process:
                netns.until(lambda: len(commits(remote)) == 2, "the commit for A")
                observer = lab.node.command(
                    *PROGRAM,
                    "observe",
                    "--interface",
                    "eth0",
                    "--output",
                    "json",
                    "--timeout",
                    "100s",
                )
                with subprocess.Popen(observer, stdout=subprocess.PIPE, text=True) as observing:
                    observing.stdout.readline()
                    radvd.advertise(B)
                    for line in observing.stdout:
                        if B in line:
                            break
                    netns.until(lambda: len(commits(remote)) == 3, "the commit for B")
                    heard = datetime.fromisoformat(json.loads(line)["time"])
                    seconds = (datetime.now(UTC) - heard).total_seconds()
                    observing.terminate()
                print(f"from the first RA with {B} to the commit on the remote: {seconds:.3f} s")

                names = git(remote, "show", "--format=", "--name-only", "main").split()
                network = "infrastructure/network"
                assert names == [
                    f"{network}/cidr-group.yaml",
                    f"{network}/pool.yaml",
                    f"{network}/prefix.yaml",
                    f"{network}/variables.yaml",
                ]
                message = git(remote, "log", "-1", "--format=%B", "main")
                assert message.startswith(f"prefix(home-ipv6): {A} -> {B}\n")
                for trailer in (
                    "Dynamic-Prefix: home-ipv6",
                    f"Previous-Prefix: {A}",
                    f"Current-Prefix: {B}",
                    "Prefix-Source: router-advertisement",
                ):
                    assert trailer in message.splitlines()
                pool = git(remote, "show", f"main:{network}/pool.yaml")
                assert pool.index("2001:db8:5678:0:f000::") < pool.index("2001:db8:1234:0:f000::")
                assert pool.count("start:") == 2
                group = git(remote, "show", f"main:{network}/cidr-group.yaml")
                assert group.index("2001:db8:5678::") < group.index("2001:db8:1234::")

                already = advertisements(lab.node)
                netns.until(lambda: advertisements(lab.node) >= already + 20, "20 further RAs")
                assert len(commits(remote)) == 3
            assert process.returncode == 0, "SIGTERM is exit code 0"

            before = commits(remote)
            with (
                (tmp_path / "log2").open("w") as log2,
                lab.node.start(*words, stderr=log2, cwd=tmp_path),
            ):
                netns.until(
                    lambda: _answers(lab.node) and advertisements(lab.node) >= 5,
                    "five RAs after a restart",
                )
                assert commits(remote) == before


def _answers(node: netns.Namespace) -> bool:
    probe = node.command(sys.executable, "-c", READ_METRICS, "http://127.0.0.1:8080/readyz")
    return subprocess.run(probe, check=False, capture_output=True).returncode == 0
