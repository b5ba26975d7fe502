"""A whole outage with the roles of the chart: no request is refused, and no right is left unused.

The daemon runs with the variables of the chart's pod and the chart's own ServiceAccount. What it
asked for stands in the API server's audit log.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.apiserver import ApiServer, Asked
from tests.apply.live import BEFORE, RESOURCES
from tests.apply.manifests import EVERY_KIND, PREFIX, A, B
from tests.apply.three_daemons import Way
from tests.branch import bare_repository
from tests.charts.rendering import rendered as chart
from tests.examples.deployments import environment
from tests.examples.repositories import Document, parse
from tests.git_servers import TOKEN, USER, web_server
from tests.gitrepo import git
from tests.netns import until
from tests.parts import require

C = "2001:db8:c::/64"
RELEASE = "home"
SECONDS = 180.0
HOLD = "kustomize.toolkit.fluxcd.io/reconcile"
TRACKED = "argocd.argoproj.io/tracking-id"
BY_ARGOCD = {"group.yaml", "metallb.yaml"}
"""What Argo CD applies; the rest is Flux's."""
FILES = {path: text for path, text in EVERY_KIND.items() if path != "marked.yaml"}
"""What a marker binds may be of any kind: its rule is its author's to add."""


class House:
    """A repository, a cluster with both reconcilers, and a daemon with the chart's account."""

    def __init__(self, cluster: ApiServer, namespace: str, directory: Path) -> None:
        self.cluster, self.namespace, self.directory = cluster, namespace, directory
        self.prefix = directory / "source" / "prefix"
        self.log = directory / "log"
        objects = chart(directory, self.values, release=RELEASE, namespace=namespace)
        self.roles = [each for each in objects if "Role" in each["kind"]]
        self.variables = environment(objects)
        cluster.apply(*self.roles)
        (account,) = [each for each in objects if each["kind"] == "ServiceAccount"]
        self.user = cluster.account(account["metadata"]["name"], namespace=namespace)
        self.account = account["metadata"]["name"]

    @property
    def values(self) -> dict:
        where = [self.namespace]
        return {
            "source": "static",
            "leaderElection": {"enabled": True},
            "apply": {
                "mode": "fallback",
                "serviceNamespaces": where,
                "configMapNamespaces": where,
                "kustomizationNamespaces": where,
            },
            "requestReconcile": [
                f"gitrepository:{self.namespace}/flux-system",
                f"application:{self.namespace}/apps",
            ],
            "events": True,
        }

    def write(self, prefix: str) -> None:
        self.prefix.parent.mkdir(exist_ok=True)
        new = self.prefix.with_suffix(".new")
        new.write_text(f"{prefix}\n")
        new.replace(self.prefix)

    def branch(self, remote: Path) -> dict[str, str]:
        names = git(remote, "ls-tree", "--name-only", "-r", "main").splitlines()
        return {path: git(remote, "show", f"main:{path}") for path in names if path in FILES}

    def labelled(self, path: str, text: str) -> list[Document]:
        """The objects of a file, as their reconciler applies them."""
        documents = [*parse(text)]
        for document in documents:
            metadata = document["metadata"]
            if path in BY_ARGOCD:
                metadata["annotations"][TRACKED] = f"{self.namespace}_apps:x"
            else:
                group = "kustomize.toolkit.fluxcd.io"
                labels = {f"{group}/name": "apps", f"{group}/namespace": self.namespace}
                metadata.setdefault("labels", {}).update(labels)
        return documents

    def apply(self, files: dict[str, str]) -> None:
        for path, text in files.items():
            manager = "argocd-controller" if path in BY_ARGOCD else "kustomize-controller"
            self.cluster.apply(*self.labelled(path, text), manager=manager, force=True)

    def reconciled(self, commit: str) -> None:
        """What both reconcilers say that they have applied."""
        metadata = {"namespace": self.namespace, "name": "apps"}
        self.cluster.apply(
            {
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
                "metadata": {**metadata, "name": "flux-system"}, "spec": {},
            },
            {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                "metadata": metadata, "spec": {},
                "status": {"lastAppliedRevision": f"main@sha1:{commit}"},
            },
            {
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": metadata, "spec": {}, "status": {"sync": {"revision": commit}},
            },
        )  # fmt: skip

    def live(self) -> dict[str, Document]:
        """What the cluster holds, by the file that it is from."""
        kinds = ",".join(RESOURCES[path] for path in FILES)
        words = ["get", kinds, "-n", self.namespace, "-o", "json", "--show-managed-fields"]
        items = {_named(each): each for each in json.loads(self.cluster.kubectl(*words))["items"]}
        return {path: items[_named(*parse(text))] for path, text in FILES.items()}

    def held(self) -> int:
        """How many objects have a field of the daemon's."""
        entries = (each["metadata"]["managedFields"] for each in self.live().values())
        return sum(any(field["manager"] == "gitops-prefix" for field in found) for found in entries)

    def asked(self) -> Iterator[Asked]:
        return self.cluster.asked(self.account, self.namespace)

    @contextmanager
    def daemon(self, url: str) -> Iterator[subprocess.Popen]:
        words = [sys.executable, "-m", "gitops_prefix", "run", f"--repo={url}"]
        words += [f"--username={USER}", f"--clone-dir={self.directory / 'clone'}", "--listen="]
        words += [f"--source-dir={self.prefix.parent}", "--interval=1s", "--apply-after=1s"]
        words += [f"--kubeconfig={self.cluster.kubeconfig(self.user)}"]
        words += [f"--lease-namespace={self.namespace}"]
        given = {**self.variables, "GITOPS_PREFIX_TOKEN": TOKEN}
        # The chart's Secret is a file in the pod; here the same things are options.
        away = ("KNOWN_HOSTS", "SSH_KEY", "TOKEN_FILE")
        for name in away:
            given.pop(f"GITOPS_PREFIX_{name}", None)
        with self.log.open("w") as log:
            process = subprocess.Popen(words, stderr=log, env={**os.environ, **given})
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def granted(roles: list[Document], namespace: str) -> set[tuple[str, str, str, str]]:
    """Each verb on each resource, with its group and, of a Role, its namespace."""
    return {
        (verb, group, resource, role["metadata"].get("namespace", ""))
        for role in roles
        for rule in role.get("rules") or ()
        for verb in rule["verbs"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


def covers(right: tuple[str, str, str, str], asked: Asked) -> bool:
    verb, group, resource, namespace = right
    return (verb, group, resource) == asked[:3] and namespace in {"", asked.namespace}


def test_in_a_whole_outage_nothing_is_refused_and_no_right_is_unused(cluster, namespace, tmp_path):
    require("http")
    house = House(cluster, namespace, tmp_path)
    source = "    routerAdvertisement: {interface: eth0}"
    document = PREFIX.replace(source, f"    file: {{path: {house.prefix}}}")
    files = {
        path: text.replace("NAMESPACE", namespace)
        for path, text in {"prefix.yaml": document, **FILES}.items()
    }
    remote = bare_repository(tmp_path, {path: text.encode() for path, text in files.items()})
    first = git(remote, "rev-parse", "main").strip()

    def after(commit: str, what: str) -> str:
        tip = ("rev-parse", "main")
        return until(lambda: (now := git(remote, *tip).strip()) != commit and now, what, SECONDS)

    house.write(A)
    house.reconciled(first)
    with ExitStack() as stack:
        server = stack.enter_context(web_server(tmp_path / "httpd", tls=False))
        (server.repositories / "home.git").symlink_to(remote)
        way = Way(urlsplit(server.url).port or 0)
        way.open()
        stack.callback(way.close)
        process = stack.enter_context(house.daemon(f"http://127.0.0.1:{way.port}/home.git"))
        commit = after(first, "the first prefix")
        shown = house.branch(remote)
        # What does not change with the prefix is in the cluster as it was before the first one.
        shown |= {path: files[path] for path, before in BEFORE.items() if not before}
        house.apply({path: text for path, text in shown.items() if path in FILES})
        house.reconciled(commit)
        way.close()
        house.write(B)
        until(lambda: house.held() == len(FILES), "that all are held", SECONDS)
        way.open()
        commit = after(commit, "the second prefix")
        house.apply(
            {path: text for path, text in house.branch(remote).items() if path in BY_ARGOCD}
        )
        house.reconciled(commit)
        until(lambda: not house.held(), "that all are released", SECONDS)
        until(
            lambda: any(each.resource == "events" for each in house.asked()), "the Events", SECONDS
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0, house.log.read_text()
    asked = [*house.asked()]
    assert [each for each in asked if each.status in {401, 403}] == []
    unused = {
        right
        for right in granted(house.roles, namespace)
        if not any(covers(right, each) for each in asked)
    }
    assert not unused, asked
    live = house.live()
    for path, text in house.branch(remote).items():
        # Behind a pool of Calico's stand those of past prefixes, which the reconciler makes.
        document, *_ = house.labelled(path, text)
        for key in {"spec", "data"} & set(document):
            # A Service's is completed by the server.
            assert live[path][key].items() >= document[key].items() or path == "service.yaml"


def _named(document: Document) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]
