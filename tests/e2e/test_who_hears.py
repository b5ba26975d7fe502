"""Two daemons of one repository: the leader hears no router, and the other, which does, publishes."""

import sys
from contextlib import ExitStack
from pathlib import Path

from tests import netns
from tests.apiserver import ADMIN, api_server
from tests.apply.manifests import PREFIX
from tests.branch import bare_repository
from tests.gitrepo import git
from tests.parts import require

LEASE = ("--leader-elect", "--lease-duration=6s", "--renew-deadline=4s", "--retry-period=0.2s")
NAMESPACE = {"dead0": "default", "quiet0": "kube-public"}


def test_a_leader_without_a_link_or_without_a_router_makes_way_for_one_that_hears(tmp_path):
    require("netns", "radvd", "cluster")
    with ExitStack() as stack:
        start = stack.enter_context
        world = start(netns.lab())
        node = world.node
        server = start(
            api_server(tmp_path / "server", start=node.start, prefix=tuple(node.command()))
        )
        node.run("ip", "link", "add", "quiet0", "type", "veth", "peer", "name", "quiet1")
        for link in ("quiet0", "quiet1"):
            node.run("ip", "link", "set", link, "up")
        netns.until(netns.Namespace(node.name, "quiet0").has_address, "a link-local address")

        def daemon(name: str, interface: str, lease: str, remote: Path) -> Path:
            log = tmp_path / f"{name}.log"
            words = [sys.executable, "-m", "gitops_prefix", "run", f"--repo={remote}", *LEASE]
            words += [f"--interface={interface}", f"--clone-dir={tmp_path / name}"]
            words += [f"--author-name={name}", f"--lease-namespace={NAMESPACE[lease]}"]
            words += [f"--kubeconfig={server.kubeconfig(ADMIN)}", "--interval=1s"]
            start(node.start(*words, stderr=start(log.open("w"))))
            return log

        remotes = {}
        for lease in NAMESPACE:
            directory = tmp_path / f"repository-{lease}"
            directory.mkdir()
            remotes[lease] = bare_repository(directory, {"prefix.yaml": PREFIX.encode()})
            log = daemon(f"deaf-{lease}", lease, lease, remotes[lease])
            netns.until(lambda log=log: "we lead" in log.read_text(), "the deaf leader")
        start(netns.Radvd(world, tmp_path).advertising("2001:db8:a::/64"))
        for lease, remote in remotes.items():
            daemon(f"hears-{lease}", "eth0", lease, remote)
        last = ("log", "-1", "--format=%an", "main")
        for lease, remote in remotes.items():
            netns.until(
                lambda remote=remote, lease=lease: git(remote, *last).strip() == f"hears-{lease}",
                f"the commit of the one that hears, beside {lease}",
            )
