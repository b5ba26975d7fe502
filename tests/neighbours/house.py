"""A house: a repository behind an sshd that can go away, a daemon, persons, and a reconciler.

The daemon follows a file, so that no link is needed: to renumber is to write the file.
"""

import io
import itertools
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import DEVNULL, Popen
from typing import Any

from ruamel.yaml import YAML

from gitops_prefix.apply.kube import ApiError, Connection
from tests.apiserver import ApiServer
from tests.branch import bare_repository
from tests.git_servers import SshServer, ssh_server, start_here
from tests.gitrepo import git
from tests.netns import end, run, until

SECONDS = 120.0
A, B, C, D, E = (f"2001:db8:{letter}::/64" for letter in "abcde")
HOLD = "kustomize.toolkit.fluxcd.io/reconcile"
POOLS = "/apis/cilium.io/v2/ciliumloadbalancerippools"
_PREFIX = """\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
  annotations: {{config.kubernetes.io/local-config: "true", argocd.argoproj.io/hook: Skip}}
spec:
  acquisition:
    {source}
  addressRanges:
    - {{name: lan, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}}
  transition: {{mode: ha}}
"""
_POOL = """\
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: {name}
  annotations: {{dynamic-prefix.io/name: home, dynamic-prefix.io/address-range: lan}}
spec:
  blocks:
    - cidr: 192.168.{number}.0/24
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/service-address-range: lan
    dynamic-prefix.io/suffix: "::f000:0:0:10"
    lbipam.cilium.io/ips: 192.168.42.10
spec:
  type: LoadBalancer
  ports: [{{name: http, port: 80}}]
"""
_numbers = itertools.count(42)


def pool(name: str) -> str:
    """A pool that follows."""
    return _POOL.format(name=name, number=next(_numbers))


def service(namespace: str, name: str = "plex") -> str:
    """A Service that follows."""
    return _SERVICE.format(name=name, namespace=namespace)


@dataclass
class _Sshd:
    """An sshd that can be stopped, and started again with the same keys."""

    words: tuple[str, ...] = ()
    process: Popen[str] | None = None

    @contextmanager
    def start(self, *words: str, **options: Any) -> Iterator[Popen[str]]:
        """As `start_here`."""
        self.words = words
        with start_here(*words, **options) as self.process:
            try:
                yield self.process
            finally:
                # It may be another one by now.
                self.stop()

    def stop(self) -> None:
        """No answer at its port any more, also not on connections that are open."""
        end(self.process)

    def again(self) -> None:
        """As before."""
        self.process = Popen(self.words, stderr=DEVNULL, text=True, start_new_session=True)


@dataclass
class House:
    """What a test does to it, and what it sees.

    Attributes:
        cluster: the API server.
        namespace: of the Services, and of the reconciler's objects.
        directory: all files.
        server: the sshd.
        home: the file of the DynamicPrefix.
    """

    cluster: ApiServer
    namespace: str
    directory: Path
    server: SshServer
    sshd: _Sshd
    remote: Path
    log: Path
    home: str = "prefix.yaml"
    reachable: bool = True
    connection: Connection = field(init=False)

    def __post_init__(self) -> None:
        self.connection = Connection(str(self.cluster.kubeconfig("admin")))

    def renumber(self, prefix: str) -> None:
        """What the source says from now on."""
        told = self.directory / "source" / "prefix"
        told.with_suffix(".new").write_text(prefix)
        told.with_suffix(".new").replace(told)

    def git_goes_away(self) -> None:
        """Nobody reaches the remote."""
        self.reachable = False
        self.sshd.stop()

    def git_comes_back(self) -> None:
        """Everybody does."""
        self.sshd.again()
        self.reachable = True

    def refuse(self, words: str = "GH006: Protected branch update failed") -> None:
        """From now on a push over ssh is refused; a person's, who is on the machine, is not."""
        hook = self.remote / "hooks" / "pre-receive"
        hook.write_text(
            f'#!/bin/sh\n[ -z "$SSH_CONNECTION" ] || {{ echo "{words}" >&2; exit 1; }}\n'
        )
        hook.chmod(0o755)

    def accept(self) -> None:
        """As before."""
        (self.remote / "hooks" / "pre-receive").unlink()

    def edit(self, path: str, change: Callable[[str], str] | None) -> str:
        """A person's commit, pushed; None deletes the file. Returns its id."""
        tree = self.directory / "tree"
        git(tree, "pull", "-q", "--rebase", "origin", "main")
        if change is None:
            git(tree, "rm", "-q", path)
        else:
            before = (tree / path).read_text() if (tree / path).exists() else ""
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).write_text(change(before))
        git(tree, "add", "-A")
        git(tree, "commit", "-qm", f"a person changes {path}")
        git(tree, "push", "-q", "origin", "main")
        return self.head()

    def head(self) -> str:
        """The branch's commit."""
        return git(self.remote, "rev-parse", "main").strip()

    def in_git(self, path: str) -> str:
        """A file of the branch."""
        return git(self.remote, "show", f"main:{path}")

    def published(self, prefix: str) -> None:
        """Wait until the branch has it."""
        wanted = f'currentPrefix: "{prefix}"'
        self.sees(lambda: wanted in self.in_git(self.home), f"{prefix} on the branch")

    def find(self, path: str) -> dict | None:
        """An object by its path in the API."""
        try:
            return self.connection.request("get", path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def pool(self, name: str) -> dict | None:
        """A live pool."""
        return self.find(f"{POOLS}/{name}")

    def first(self, name: str) -> str:
        """The prefix of the first block of a live pool; empty without one."""
        live = self.pool(name) or {}
        for block in live.get("spec", {}).get("blocks", ()):
            if ":" in (start := block.get("start", "")):
                return start.removesuffix(":0:f000::") + "::/64"
        return ""

    def delete(self, *names: str) -> None:
        """Pools, by hand; one with a finalizer stays until that is gone."""
        self.cluster.kubectl("delete", "ciliumloadbalancerippools", *names, "--wait=false")

    def service(self, name: str = "plex") -> dict | None:
        """A live Service."""
        return self.find(f"/api/v1/namespaces/{self.namespace}/services/{name}")

    def held(self, live: Mapping | None) -> bool:
        """Whether an object carries our hold or our ownership."""
        metadata = (live or {}).get("metadata", {})
        hold = (metadata.get("annotations") or {}).get(HOLD) == "disabled"
        ours = any(m["manager"] == "gitops-prefix" for m in metadata.get("managedFields", ()))
        return hold or ours

    def agrees(self, prefix: str, *names: str) -> bool:
        """Whether these pools are as the branch has them, and nothing is held or ours."""
        live = [self.pool(name) for name in names]
        return all(self.first(name) == prefix for name in names) and not any(map(self.held, live))

    def annotate(self, path: str, key: str, value: str) -> None:
        """An annotation, as a person or a controller sets it."""
        body = {"metadata": {"annotations": {key: value}}}
        self.merge(path, body)

    def merge(self, path: str, body: Mapping, manager: str = "somebody") -> None:
        """A merge patch."""
        self.connection.request(
            "patch",
            path,
            body=body,
            content_type="application/merge-patch+json",
            field_manager=manager,
        )

    def sees(
        self,
        condition: Callable[[], object],
        what: str,
        turn: Callable[[], None] = lambda: None,
        seconds: float = SECONDS,
    ) -> None:
        """Wait for a condition; a stand-in has its turns meanwhile."""

        def looked() -> object:
            turn()
            return condition()

        try:
            until(looked, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text()[-4000:]}") from None

    @contextmanager
    def daemon(self, *words: str) -> Iterator[Popen[str]]:
        """`gitops-prefix run` with direct apply; it ends with the block."""
        options = {
            "repo": self.server.url(self.remote),
            "clone-dir": self.directory / "clone",
            "ssh-key": self.server.credentials.key,
            "known-hosts": self.server.credentials.known_hosts,
            "source-dir": self.directory / "source",
            "kubeconfig": self.cluster.kubeconfig("admin"),
            "apply": "fallback",
            "apply-after": "2s",
        }
        command = [sys.executable, "-m", "gitops_prefix", "run"]
        command += [f"--{name}={text}" for name, text in options.items()]
        environment = os.environ | {"HOME": str(self.directory)}
        with (
            self.log.open("a") as out,
            start_here(*command, *words, stderr=out, env=environment) as process,
        ):
            yield process

    def kill(self, daemon: Popen[str]) -> None:
        """SIGKILL for it and all that it started."""
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()


@contextmanager
def house(
    cluster: ApiServer,
    namespace: str,
    directory: Path,
    files: Mapping[str, str],
    *,
    home: str = "prefix.yaml",
    source: str = "",
) -> Iterator[House]:
    """A house whose repository has these files.

    Args:
        cluster: the API server.
        namespace: of the Services, and of the reconciler's objects.
        directory: for all files.
        files: of the repository.
        home: the file of the DynamicPrefix.
        source: of the prefix; without it, a file.
    """
    (directory / "source").mkdir()
    told = source or f"file: {{path: {directory / 'source' / 'prefix'}}}"
    texts = {home: _PREFIX.format(source=told), **files}
    remote = bare_repository(directory, {path: text.encode() for path, text in texts.items()})
    sshd = _Sshd()
    with ExitStack() as stack:
        server = stack.enter_context(ssh_server(directory / "ssh", start=sshd.start))
        made = House(cluster, namespace, directory, server, sshd, remote, directory / "log", home)
        made.log.touch()
        made.renumber(A)
        yield made


def applied(cluster: ApiServer, *documents: Mapping) -> None:
    """Objects of whoever sets the reconciler up."""
    cluster.apply(*documents, manager="admin", force=True)


def checkout(house: House, revision: str, directory: Path) -> None:
    """The files of a commit."""
    words = ["git", "-C", str(house.remote), "archive", revision]
    archive = subprocess.run(words, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        # Python before 3.11.4 has no filter; the archive is of our own repository.
        opened.extractall(directory)


def kustomized(directory: Path) -> list[dict]:
    """What kustomize makes of a directory."""
    program = Path(os.environ["KUBEBUILDER_ASSETS"]) / "kubectl"
    text = run(str(program), "kustomize", str(directory)).stdout
    return [document for document in YAML(typ="safe").load_all(text) if document]
