"""Flux: source-controller, kustomize-controller and notification-controller, and a stand-in for them.

A GitRepository is read every two seconds, and a Kustomization is reconciled when the artifact
changes or somebody asks.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from gitops_prefix.apply.kube import ApiError
from tests.apply.reconcilers import FLUX, RECONCILE, Flux
from tests.git_servers import free_port, start_here
from tests.neighbours.house import House, applied, checkout, kustomized
from tests.neighbours.load_balancers import Several, TrueProgram

REQUESTED = "reconcile.fluxcd.io/requestedAt"
GROUP = "kustomize.toolkit.fluxcd.io"
INTERVAL = "2s"


def kustomization_path(house: House, name: str = "") -> str:
    """In the API."""
    return f"/apis/{GROUP}/v1/namespaces/{house.namespace}/kustomizations/{name}".rstrip("/")


def set_up(house: House, names: Mapping[str, Mapping], interval: str = INTERVAL) -> None:
    """A GitRepository, and a Kustomization for each directory of the repository.

    Args:
        house: whose repository.
        names: of the directories, and what each Kustomization has in its spec besides.
        interval: of the GitRepository.
    """
    keys = house.server.credentials
    secret = {"identity": keys.key.read_text(), "known_hosts": keys.known_hosts.read_text()}
    metadata = {"namespace": house.namespace}
    source = {"kind": "GitRepository", "name": "home"}
    applied(
        house.cluster,
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "home", **metadata}, "stringData": secret},
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "home", **metadata},
            "spec": {
                "interval": interval,
                "url": house.server.url(house.remote),
                "ref": {"branch": "main"},
                "secretRef": {"name": "home"},
            },
        },
        *(
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "Kustomization",
                "metadata": {"name": name, **metadata},
                "spec": {"interval": "1h", "retryInterval": "5s", "path": f"./{name}", "prune": True, "sourceRef": source, **spec},
            }
            for name, spec in names.items()
        ),
    )  # fmt: skip


def ready_at(house: House, name: str, revision: str) -> bool:
    """Whether a Kustomization says that it applied a commit."""
    status = (house.find(kustomization_path(house, name)) or {}).get("status", {})
    return status.get("lastAppliedRevision", "").endswith(revision)


@contextmanager
def flux(house: House) -> Iterator[Several]:
    """Flux's own controllers."""
    programs = Path(os.environ["NEIGHBOURS"])
    directory = house.directory / "flux"
    (directory / "storage").mkdir(parents=True)
    port = free_port()
    storage = [f"--storage-path={directory / 'storage'}", f"--storage-addr=127.0.0.1:{port}"]
    storage += [f"--storage-adv-addr=127.0.0.1:{port}", "--requeue-dependency=2s"]
    common = ["--metrics-addr=0", "--log-level=debug"]
    environment = os.environ | {
        "KUBECONFIG": str(house.cluster.kubeconfig("admin")),
        "RUNTIME_NAMESPACE": house.namespace,
        "HOME": str(directory),
    }
    with ExitStack() as stack:
        running = []
        for name, own in {
            "source-controller": storage,
            "kustomize-controller": ["--health-addr=0", "--requeue-dependency=2s"],
        }.items():
            path = directory / f"{name}.log"
            log = stack.enter_context(path.open("w"))
            words = [str(programs / name), *common, *own]
            started = start_here(*words, stdout=log, stderr=log, env=environment, cwd=directory)
            running.append(TrueProgram(path, stack.enter_context(started)))
        yield Several(running)


@contextmanager
def notification_controller(house: House) -> Iterator[str]:
    """The address at which it serves its Receivers."""
    directory = house.directory / "receiver"
    directory.mkdir()
    address = f"127.0.0.1:{free_port()}"
    environment = os.environ | {"KUBECONFIG": str(house.cluster.kubeconfig("admin"))}
    words = ["--metrics-addr=0", f"--receiverAddr={address}"]
    program = str(Path(os.environ["NEIGHBOURS"]) / "notification-controller")
    with (
        (directory / "log").open("w") as log,
        start_here(program, *words, stdout=log, stderr=log, env=environment),
    ):
        yield f"http://{address}"


@contextmanager
def flux_stand_in(house: House) -> Iterator["Stand"]:
    """Ours."""
    yield Stand(house)


@dataclass
class Stand:
    """source-controller 1.9 and kustomize-controller 1.9.

    An object that it skips counts as applied. An object whose dry run shows no drift is not
    applied, so nobody becomes its manager. What left the repository is deleted, unless it is held.
    """

    house: House
    revision: str = ""
    inventories: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def turn(self) -> None:
        """Fetch, and reconcile each Kustomization that has a reason."""
        if self.house.reachable:
            self.revision = self.house.head()
        if not self.revision:
            return
        for made in self.house.connection.request("get", kustomization_path(self.house))["items"]:
            spec, status = made["spec"], made.get("status", {})
            asked = (made["metadata"].get("annotations") or {}).get(REQUESTED, "")
            applied_there = status.get("lastAppliedRevision", "").endswith(self.revision)
            if spec.get("suspend") or (
                applied_there and asked == status.get("lastHandledReconcileAt", "")
            ):
                continue
            self._reconcile(made["metadata"]["name"], spec)
            self._report(made["metadata"]["name"], asked)

    def _reconcile(self, name: str, spec: Mapping) -> None:
        with TemporaryDirectory() as directory:
            where = Path(directory)
            checkout(self.house, self.revision, where)
            desired = kustomized(where / spec["path"])
        paths = [self._apply(document, name) for document in desired]
        self._prune(paths, self.inventories.get(name, ()))
        self.inventories[name] = paths

    def _apply(self, document: dict, name: str) -> tuple[str, str]:
        desired = deepcopy(document)
        labels = desired["metadata"].setdefault("labels", {})
        labels |= {f"{GROUP}/name": name, f"{GROUP}/namespace": self.house.namespace}
        connection = self.house.connection
        served = connection.served(desired["apiVersion"], desired["kind"])
        metadata = desired["metadata"]
        live = connection.get(served, metadata["name"], metadata.get("namespace", ""))
        path = _path(served, metadata)
        if Flux.skips(desired, live):
            return path
        tried = connection.apply(served, desired, force=True, dry_run=True, manager=FLUX)
        if live is None or _compared(tried) != _compared(live):
            connection.apply(served, desired, force=True, dry_run=False, manager=FLUX)
        return path

    def _prune(self, paths: Iterable[tuple[str, str]], before: Iterable[tuple[str, str]]) -> None:
        for _, path in set(before) - set(paths):
            live = self.house.find(path)
            annotations = (live or {}).get("metadata", {}).get("annotations") or {}
            if live is not None and annotations.get(RECONCILE) != "disabled":
                self.house.connection.request("delete", path)

    def _report(self, name: str, asked: str) -> None:
        status = {
            "lastAppliedRevision": f"main@sha1:{self.revision}",
            "lastHandledReconcileAt": asked,
        }
        path = kustomization_path(self.house, name)
        try:
            self.house.merge(f"{path}/status", {"status": status}, FLUX)
        except ApiError as error:
            if error.status != 404:
                raise
            # A small definition serves no status of its own.
            self.house.merge(path, {"status": status}, FLUX)


def _path(served, metadata: Mapping) -> tuple[str, str]:
    root = "apis" if served.group else "api"
    where = f"/namespaces/{metadata['namespace']}" if served.namespaced else ""
    return served.kind, f"/{root}/{served.api_version}{where}/{served.plural}/{metadata['name']}"


def _compared(live: Mapping) -> dict:
    metadata = {
        key: value
        for key, value in live["metadata"].items()
        if key not in {"managedFields", "resourceVersion", "generation"}
    }
    return {**live, "metadata": metadata}
