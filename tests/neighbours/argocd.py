"""Argo CD: its application-controller and repo-server, and a stand-in for them."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ruamel.yaml import YAML

from gitops_prefix.apply.kube import ApiError
from tests.apply.reconcilers import ARGOCD, ArgoCD
from tests.git_servers import free_port, start_here
from tests.neighbours.house import House, applied, checkout
from tests.neighbours.load_balancers import Several, TrueProgram

NAMESPACE = "argocd"
REFRESH = "argocd.argoproj.io/refresh"
APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
_HERE = "https://kubernetes.default.svc"
TRUSTS = {
    "ignoreDifferences": [{"group": "*", "kind": "*", "managedFieldsManagers": ["gitops-prefix"]}],
    "syncPolicy": {
        "automated": {"prune": True, "selfHeal": True},
        "retry": {"limit": 5, "refresh": True, "backoff": {"duration": "3s", "factor": 1, "maxDuration": "3s"}},
        "syncOptions": ["ServerSideApply=true", "ApplyOutOfSyncOnly=true", "RespectIgnoreDifferences=true"],
    },
}  # fmt: skip
"""As docs/direct-apply.md has it, with short retries."""


def set_up(house: House, names: Mapping[str, Mapping]) -> None:
    """An Application for each directory of the repository, with what its spec has besides."""
    keys = house.server.credentials
    url = house.server.url(house.remote)
    secret = {"url": url, "type": "git", "sshPrivateKey": keys.key.read_text()}
    label = {"argocd.argoproj.io/secret-type": "repository"}
    where = {"namespace": NAMESPACE}
    if house.find(f"/api/v1/namespaces/{NAMESPACE}") is None:
        house.cluster.kubectl("create", "namespace", NAMESPACE)
    part = {"app.kubernetes.io/part-of": "argocd"}
    hosts = {"ssh_known_hosts": keys.known_hosts.read_text()}
    maps = {
        "argocd-cm": {},
        "argocd-ssh-known-hosts-cm": hosts,
        "argocd-tls-certs-cm": {},
        "argocd-gpg-keys-cm": {},
    }
    anything = [{"group": "*", "kind": "*"}]
    project = {
        "sourceRepos": ["*"],
        "destinations": [{"namespace": "*", "server": "*"}],
        "clusterResourceWhitelist": anything,
    }
    source = {"repoURL": url, "targetRevision": "main"}
    applied(
        house.cluster,
        *({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": part, **where}, "data": held} for name, held in maps.items()),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret", "labels": part, **where}, "stringData": {"server.secretkey": "of-the-tests"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"repository-{house.namespace}", "labels": label, **where}, "stringData": secret},
        {"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default", **where}, "spec": project},
        *(
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "Application",
                "metadata": {"name": name, **where},
                "spec": {
                    "project": "default",
                    "source": {**source, "path": name},
                    "destination": {"server": _HERE, "namespace": house.namespace},
                    **TRUSTS,
                    **spec,
                },
            }
            for name, spec in names.items()
        ),
    )  # fmt: skip


def child(house: House, name: str) -> str:
    """An Application of a directory as a file, for an Application of Applications to apply."""
    source = {"repoURL": house.server.url(house.remote), "targetRevision": "main", "path": name}
    where = {"server": _HERE, "namespace": house.namespace}
    document = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"project": "default", "source": source, "destination": where, **TRUSTS},
    }
    return json.dumps(document)


def take_down(house: House) -> None:
    """No Application is left for the next scenario."""
    house.cluster.kubectl("delete", "applications", "--all", "-n", NAMESPACE)


def sync_by_hand(house: House, name: str) -> None:
    """A person presses the button."""
    options = TRUSTS["syncPolicy"]["syncOptions"]
    operation = {"sync": {"revision": house.head(), "syncOptions": options}}
    house.merge(f"{APPLICATIONS}/{name}", {"operation": operation})


def synced_at(house: House, name: str, revision: str) -> bool:
    """Whether an Application says that it is at a commit, in sync."""
    status = (house.find(f"{APPLICATIONS}/{name}") or {}).get("status", {}).get("sync", {})
    return status.get("revision") == revision and status.get("status") == "Synced"


@contextmanager
def argocd(house: House) -> Iterator[Several]:
    """Argo CD's own programs, and a redis."""
    directory = house.directory / "argocd"
    for name in ("bin", "ssh", "tls", "gpg"):
        (directory / name).mkdir(parents=True)
    program = Path(os.environ["NEIGHBOURS"]).resolve() / "argocd"
    known = house.server.credentials.known_hosts
    shutil.copy(known, directory / "ssh" / "ssh_known_hosts")
    redis, server, metrics, more = (free_port() for _ in range(4))
    environment = os.environ | {
        "KUBECONFIG": str(house.cluster.kubeconfig("admin")),
        "PATH": f"{program.parent}:{os.environ['PATH']}",
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "ARGOCD_SSH_DATA_PATH": str(directory / "ssh"),
        "ARGOCD_TLS_DATA_PATH": str(directory / "tls"),
        "ARGOCD_GNUPGHOME": str(directory / "gpg"),
        "ARGOCD_GPG_ENABLED": "false",
        # The cluster of the kubeconfig is the one that it runs in.
        "ARGOCD_FAKE_IN_CLUSTER": "true",
        "ARGOCD_EXEC_TIMEOUT": "60s",
    }
    at_redis = [f"--redis=127.0.0.1:{redis}"]
    kube = [f"--kubeconfig={house.cluster.kubeconfig('admin')}", f"--namespace={NAMESPACE}"]
    for name in ("argocd-application-controller", "argocd-repo-server"):
        (directory / "bin" / name).symlink_to(program)
    words = {
        "redis-server": ["redis-server", "--port", str(redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)],
        "repo-server": [
            str(directory / "bin" / "argocd-repo-server"), *at_redis, "--address=127.0.0.1", f"--port={server}",
            "--disable-tls", "--client-ca-path=", "--metrics-address=127.0.0.1", f"--metrics-port={metrics}",
        ],
        "application-controller": [
            str(directory / "bin" / "argocd-application-controller"), *kube, *at_redis,
            f"--repo-server=127.0.0.1:{server}", "--repo-server-plaintext", f"--metrics-port={more}",
        ],
    }  # fmt: skip
    with ExitStack() as stack:
        running = []
        for name, command in words.items():
            path = directory / f"{name}.log"
            log = stack.enter_context(path.open("w"))
            started = start_here(*command, stdout=log, stderr=log, env=environment, cwd=directory)
            running.append(TrueProgram(path, stack.enter_context(started)))
        yield Several(running)


@contextmanager
def argocd_stand_in(house: House) -> Iterator["Applications"]:
    """Ours."""
    yield Applications(house)


@dataclass
class Applications:
    """Argo CD 3.6.

    It sees a new commit when it is asked to look, and else compares with the commit that it saw
    last, at every event. A document that no kind of the cluster fits, or that the API server
    refuses, keeps all of its Application from being applied.
    """

    house: House
    seen: dict[str, str] = field(default_factory=dict)

    def turn(self) -> None:
        """Compare each Application, and sync what differs."""
        for made in self.house.connection.request("get", APPLICATIONS)["items"]:
            name = made["metadata"]["name"]
            asked = REFRESH in (made["metadata"].get("annotations") or {})
            if (asked or name not in self.seen) and self.house.reachable:
                self.seen[name] = self.house.head()
            if name not in self.seen:
                continue
            automated = "automated" in made["spec"]["syncPolicy"]
            if "operation" in made:
                self.seen[name] = made["operation"]["sync"]["revision"]
            if automated or "operation" in made:
                done = self._sync(name, made["spec"])
            else:
                done = self._agrees(name, made["spec"])
            status = {"revision": self.seen[name], "status": "Synced" if done else "OutOfSync"}
            patch: dict = {"status": {"sync": status}, "operation": None}
            if asked:
                patch["metadata"] = {"annotations": {REFRESH: None}}
            self.house.merge(f"{APPLICATIONS}/{name}", patch, ARGOCD)

    def _agrees(self, name: str, spec: Mapping) -> bool:
        reconciler = ArgoCD(self.house.cluster, spec)
        for document in self._documents(self.seen[name], spec["source"]["path"]):
            kind = self.house.connection.served(document["apiVersion"], document["kind"])
            metadata = document["metadata"]
            where = metadata.get("namespace", "")
            live = kind and self.house.connection.get(kind, metadata["name"], where)
            if live is None or reconciler.differs(document, live):
                return False
        return True

    def _sync(self, name: str, spec: Mapping) -> bool:
        documents = self._documents(self.seen[name], spec["source"]["path"])
        kinds = [self.house.connection.served(d["apiVersion"], d["kind"]) for d in documents]
        if None in kinds:
            return False
        try:
            for kind, document in zip(kinds, documents, strict=True):
                body = deepcopy(document)
                self.house.connection.apply(kind, body, force=True, dry_run=True, manager=ARGOCD)
        except ApiError:
            return False
        reconciler = ArgoCD(self.house.cluster, spec)
        for kind, document in zip(kinds, documents, strict=True):
            metadata = document["metadata"]
            where = metadata.get("namespace", "")
            track = f"{name}:{kind.group}/{kind.kind}:{where or self.house.namespace}/{metadata['name']}"
            metadata.setdefault("annotations", {})["argocd.argoproj.io/tracking-id"] = track
            live = self.house.connection.get(kind, metadata["name"], where)
            if live is not None and not reconciler.differs(document, live):
                continue
            body = reconciler.respected(document, live)
            if live is not None:
                # Not over what was written since the comparison.
                body["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            try:
                self.house.connection.apply(kind, body, force=True, dry_run=False, manager=ARGOCD)
            except ApiError:
                return False
        return True

    def _documents(self, revision: str, path: str) -> list[dict]:
        found = []
        with TemporaryDirectory() as directory:
            checkout(self.house, revision, Path(directory))
            for file in sorted((Path(directory) / path).glob("*.yaml")):
                loaded = YAML(typ="safe").load_all(file.read_text())
                found += [json.loads(json.dumps(document)) for document in loaded if document]
        hook = "argocd.argoproj.io/hook"
        return [
            document
            for document in found
            if (document["metadata"].get("annotations") or {}).get(hook) != "Skip"
        ]
