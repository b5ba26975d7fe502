"""Git goes away, the prefix changes, and the cluster follows; Git comes back, and all agree.

A real router, a real remote over ssh, a real API server with Cilium's definitions, and a
daemon that may do what direct apply needs, and no more. Flux is played by kubectl.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

from tests import netns
from tests.apiserver import ApiServer, api_server, install
from tests.apply.manifests import GROUP, POOL, PREFIX, SERVICE
from tests.branch import bare_repository
from tests.git_servers import SshServer, ssh_server
from tests.gitrepo import git
from tests.parts import require

A, B, C = "2001:db8:a::/64", "2001:db8:b::/64", "2001:db8:c::/64"
POOLS, GROUPS = "ciliumloadbalancerippools", "ciliumcidrgroups"
FLUX = "kustomize-controller"
HOLD = "kustomize.toolkit.fluxcd.io/reconcile"
KUSTOMIZATION = """
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [prefix.yaml, pool.yaml, group.yaml, service.yaml]
labels:  # as Flux puts them on what it applies
  - pairs: {kustomize.toolkit.fluxcd.io/name: home, kustomize.toolkit.fluxcd.io/namespace: flux-system}
"""
RULES = [
    {"apiGroups": ["cilium.io"], "resources": [POOLS, GROUPS], "verbs": ["get", "patch"]},
    {"apiGroups": [""], "resources": ["services"], "verbs": ["get", "patch"]},
]
SECONDS = 60.0
"""A machine that is busy with other things takes its time; what it took is printed."""


@dataclass
class Sshd:
    """An sshd that can be stopped, and started again with the same keys."""

    namespace: netns.Namespace
    words: tuple[str, ...] = ()
    process: Popen | None = field(default=None)

    @contextmanager
    def start(self, *words: str, **options) -> Iterator[Popen]:
        self.words = words
        with self.namespace.start(*words, **options) as self.process:
            yield self.process

    def stop(self) -> None:
        netns.end(self.process)

    def again(self):
        return self.namespace.start(*self.words, stderr=DEVNULL)


def daemon(remote: Path, server: SshServer, kubeconfig: Path, clone: Path) -> list[str]:
    options = {
        "repo": server.url(remote),
        "clone-dir": clone,
        "ssh-key": server.credentials.key,
        "known-hosts": server.credentials.known_hosts,
        "interface": "eth0",
        "kubeconfig": kubeconfig,
        "apply": "fallback",
        "apply-after": "3s",
    }
    words = [f"--{name}={text}" for name, text in options.items()]
    return [sys.executable, "-m", "gitops_prefix", "run", *words]


class World:
    """The repository and the cluster, as somebody sees them who looks from outside."""

    def __init__(self, remote: Path, cluster: ApiServer, checkout: Path) -> None:
        self.remote, self.cluster, self.checkout = remote, cluster, checkout

    def commits(self) -> int:
        return len(git(self.remote, "log", "--format=%H", "main").split())

    def reconcile(self, *words: str) -> None:
        """As Flux does: apply what the branch holds, by force."""
        self._pull()
        options = ("--server-side", f"--field-manager={FLUX}", "--force-conflicts", *words)
        self.cluster.kubectl("apply", "-k", str(self.checkout), *options)

    def diff(self) -> str:
        self._pull()
        answer = self.cluster.ask("diff", "-k", str(self.checkout))
        assert answer.returncode in {0, 1}, answer.stderr
        return answer.stdout

    def _pull(self) -> None:
        git(self.checkout, "pull", "-q", "--rebase", "origin", "main")

    def starts(self) -> list[str]:
        return starts(self.cluster.get(POOLS, "lan"))

    def held_by_us(self) -> bool:
        objects = ((POOLS, "lan", ""), (GROUPS, "lan", ""), ("services", "plex", "default"))
        return any("gitops-prefix" in self.cluster.managers(*one) for one in objects)


def starts(pool: dict) -> list[str]:
    return [one.get("start") or one["cidr"] for one in pool["spec"]["blocks"]]


def owners(live: dict) -> set[str]:
    return {one["manager"] for one in live["metadata"]["managedFields"]}


def foreign(live: dict) -> dict:
    """A pool without what we manage, and what the server counts."""
    metadata = live["metadata"]
    counted = {"managedFields", "resourceVersion", "generation"}
    annotations = {key: one for key, one in metadata["annotations"].items() if key != HOLD}
    rest = {key: one for key, one in metadata.items() if key not in counted}
    spec = {key: one for key, one in live["spec"].items() if key != "blocks"}
    return live | {"metadata": rest | {"annotations": annotations}, "spec": spec}


@pytest.mark.parametrize("killed", [False, True], ids=["running", "killed"])
def test_the_cluster_follows_while_git_is_away_and_git_catches_up(tmp_path, killed):
    """A daemon that is killed in the outage leaves nothing that the next one does not give back."""
    require("netns", "radvd", "ssh", "cluster")
    files = {
        "prefix.yaml": PREFIX,
        "pool.yaml": POOL,
        "group.yaml": GROUP,
        "service.yaml": SERVICE.replace("NAMESPACE", "default"),
        "kustomization.yaml": KUSTOMIZATION,
    }
    remote = bare_repository(tmp_path, {path: text.encode() for path, text in files.items()})
    with ExitStack() as stack:
        lab = stack.enter_context(netns.lab())
        node = lab.node
        cluster = stack.enter_context(
            api_server(tmp_path / "api", start=node.start, prefix=tuple(node.command()))
        )
        install(cluster)
        user = cluster.account("gitops-prefix", RULES)
        sshd = Sshd(node)
        server = stack.enter_context(ssh_server(tmp_path / "ssh", port=2222, start=sshd.start))
        world = World(remote, cluster, tmp_path / "tree")
        world.reconcile()
        log = stack.enter_context((tmp_path / "log").open("w"))
        radvd = stack.enter_context(netns.Radvd(lab, tmp_path).advertising(A))
        words = daemon(remote, server, cluster.kubeconfig(user), tmp_path / "clone")
        process = stack.enter_context(node.start(*words, stderr=log, cwd=tmp_path))
        netns.until(lambda: world.commits() == 2, "the commit for A", SECONDS)
        world.reconcile()

        # (a) Git is there: the commit lands, and the cluster is Flux's alone.
        with cluster.watch(POOLS, "lan") as seen:
            radvd.advertise(B)
            netns.until(lambda: world.commits() == 3, "the commit for B", SECONDS)
            world.reconcile()
        assert all("gitops-prefix" not in owners(one) for one in seen)
        assert world.starts()[0] == "2001:db8:b:0:f000::"

        # (b) Git goes away: the pool follows all the same, and only that.
        before = cluster.get(POOLS, "lan")
        sshd.stop()
        began = time.monotonic()
        radvd.advertise(C)
        netns.until(lambda: world.starts()[0] == "2001:db8:c:0:f000::", "the new blocks", SECONDS)
        print(f"from the renumbering to the pool in the cluster: {time.monotonic() - began:.2f} s")
        after = cluster.get(POOLS, "lan")
        assert world.starts() == [
            "2001:db8:c:0:f000::",
            "2001:db8:b:0:f000::",
            "2001:db8:a:0:f000::",
            "192.168.42.0/24",
        ]
        assert "f:blocks" in cluster.managers(POOLS, "lan")["gitops-prefix"]["f:spec"]
        assert after["metadata"]["annotations"][HOLD] == "disabled"
        assert foreign(after) == foreign(before)
        assert world.commits() == 3

        # (d) The Service in mode ha holds the addresses of every prefix, the new one first.
        def addresses() -> list[str]:
            annotations = cluster.get("services", "plex", "default")["metadata"]["annotations"]
            return annotations["lbipam.cilium.io/ips"].split(",")

        netns.until(lambda: addresses()[0] == "2001:db8:c:0:f000::10", "the address", SECONDS)
        assert addresses()[1] == "2001:db8:b:0:f000::10"

        if killed:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert world.held_by_us()

        # (c) Git comes back: the commit lands, all is given back, and nothing is ever empty.
        with cluster.watch(POOLS, "lan") as seen:
            stack.enter_context(sshd.again())
            if killed:
                stack.enter_context(node.start(*words, stderr=log, cwd=tmp_path))
            netns.until(lambda: world.commits() == 4, "the commit for C", SECONDS)
            netns.until(lambda: not world.held_by_us(), "that all is given back", SECONDS)
        assert {tuple(starts(one)) for one in seen} == {tuple(starts(after))}
        assert HOLD not in seen[-1]["metadata"]["annotations"]
        assert world.diff() == ""
        other = POOL.replace("192.168.42.0/24", "192.168.43.0/24")
        options = ("--server-side", f"--field-manager={FLUX}", "--dry-run=server", "-f", "-")
        cluster.kubectl("apply", *options, stdin=other)
        world.reconcile()
        assert starts(cluster.get(POOLS, "lan")) == starts(after)
