"""A real API server on loopback, by the convention of envtest: etcd, kube-apiserver, kubectl.

Nothing but these two runs: no controller makes or deletes anything behind a test's
back, and a namespace that is deleted stays. All is gone with the session.

    cluster     the server, with our CRD and those of the neighbours; one a session
    namespace   a fresh namespace; what is cluster-wide is deleted after the test
"""

import http.client
import itertools
import json
import os
import ssl
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.custom_resources import collections, definitions, names
from tests.git_servers import Start, free_port, start_here
from tests.netns import run, until
from tests.parts import require

ADMIN = "admin"
STRANGER = "stranger"
"""Somebody whom the server knows, and who may do nothing."""
_TOKENS = {ADMIN: "token-of-the-admin", STRANGER: "token-of-a-stranger"}
_GROUPS = {ADMIN: "system:masters", STRANGER: "strangers"}
_AUDIT = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}],
}
"""What ServiceAccounts asked for is written down, and nothing of anybody else."""
_SECONDS = 240.0
"""A loaded machine takes its time."""
_numbers = itertools.count(1)


class Asked(NamedTuple):
    """A request of a ServiceAccount, and the status of the answer."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str
    status: int


@dataclass(frozen=True)
class ApiServer:
    """Where it is, and how a test talks to it.

    Attributes:
        directory: certificate, kubeconfigs and logs.
        prefix: what a command begins with that runs where the server is.
    """

    directory: Path
    url: str
    prefix: tuple[str, ...] = ()

    @property
    def authority(self) -> Path:
        """The certificate that a client must believe."""
        return self.directory / "certificate.pem"

    def kubeconfig(self, user: str, token: str | None = None) -> Path:
        """A file for one user; ADMIN and STRANGER are known."""
        path = self.directory / f"{user}.kubeconfig"
        if token is None and path.exists():
            return path
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token or _TOKENS[user]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
            "current-context": "test",
        }
        path.write_text(json.dumps(document))
        path.chmod(0o600)
        return path

    def command(self, *words: str, user: str = ADMIN) -> list[str]:
        """kubectl with its kubeconfig."""
        program = Path(os.environ["KUBEBUILDER_ASSETS"]) / "kubectl"
        return [*self.prefix, str(program), "--kubeconfig", str(self.kubeconfig(user)), *words]

    def ask(
        self, *words: str, stdin: str = "", user: str = ADMIN
    ) -> subprocess.CompletedProcess[str]:
        """kubectl, whatever it answers."""
        command = self.command(*words, user=user)
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        return subprocess.run(
            command,
            input=stdin,
            env=environment,
            text=True,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )

    def request(self, method: str, path: str, content: object = None) -> tuple[int, dict]:
        """Status and answer of one request of the admin's: kubectl takes a process for it.

        Only where no other network namespace is between us and the server.
        """
        context = ssl.create_default_context(cafile=self.authority)
        address = self.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, timeout=_SECONDS, context=context)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {_TOKENS[ADMIN]}", "Content-Type": kind}
        body = None if content is None else json.dumps(content)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def kubectl(self, *words: str, stdin: str = "", user: str = ADMIN) -> str:
        """What kubectl says; it must not fail."""
        answer = self.ask(*words, stdin=stdin, user=user)
        assert answer.returncode == 0, f"kubectl {' '.join(words)}: {answer.stderr}{answer.stdout}"
        return answer.stdout

    def apply(self, *objects: Mapping | str, manager: str = "kubectl", force: bool = False) -> None:
        """Server-side apply, as one manager or another: a reconciler's, a person's.

        Args:
            objects: documents, or YAML text.
            manager: "kustomize-controller", for example.
            force: take over fields of others.
        """
        texts = [one if isinstance(one, str) else json.dumps(one) for one in objects]
        words = ["apply", "--server-side", f"--field-manager={manager}", "-f", "-"]
        words += ["--force-conflicts"] if force else []
        self.kubectl(*words, stdin="\n---\n".join(texts))

    def get(self, kind: str, name: str, namespace: str = "") -> dict:
        """An object, with its managedFields.

        Args:
            kind: as kubectl takes it, as in "ciliumloadbalancerippools".
            name: of the object.
            namespace: of the object, if it has one.
        """
        words = ["get", kind, name, "-o", "json", "--show-managed-fields"]
        return json.loads(self.kubectl(*words, *(["-n", namespace] if namespace else [])))

    def managers(self, kind: str, name: str, namespace: str = "") -> dict[str, dict]:
        """Which manager owns what, as `fieldsV1`; of one that owns in several ways, the last."""
        entries = self.get(kind, name, namespace)["metadata"].get("managedFields", [])
        return {one["manager"]: one["fieldsV1"] for one in entries}

    @contextmanager
    def watch(self, kind: str, name: str, namespace: str = "") -> Iterator[list[dict]]:
        """Every state of an object from now on, as a list that grows, and is whole at the end.

        The end is marked by an annotation that the admin sets, so that no state is missed.
        """
        seen: list[dict] = []
        where = ["-n", namespace] if namespace else []
        words = ["get", kind, name, *where, "-o", "json", "--show-managed-fields", "--watch"]
        command = self.command(*words)
        path = self.directory / f"watch-{next(_numbers)}"
        with path.open("w") as out, start_here(*command, stdout=out):
            until(lambda: path.stat().st_size, "the first state")
            yield seen
            mark = f"tests/watched={next(_numbers)}"
            self.kubectl("annotate", kind, name, *where, mark, "--overwrite")
            key, _, number = mark.partition("=")
            wanted = f'"{key}": "{number}"'
            # kubectl prints a document in several writes.
            until(lambda: _holds(path.read_text(), wanted), "the last state")
        seen.extend(_documents(path.read_text()))

    def asked(self, name: str, namespace: str) -> Iterator[Asked]:
        """What a ServiceAccount asked for, from the server's audit log; discovery is left out."""
        user = f"system:serviceaccount:{namespace}:{name}"
        # Behind the last line's end another one is being written.
        whole, _, _ = (self.directory / "audit.log").read_text().rpartition("\n")
        for line in whole.splitlines():
            event = json.loads(line)
            of = event.get("objectRef")
            if of is not None and event["user"]["username"] == user:
                words = (of.get(key, "") for key in ("apiGroup", "resource", "namespace", "name"))
                yield Asked(event["verb"], *words, event["responseStatus"]["code"])

    def account(
        self, name: str, rules: Iterable[Mapping] = (), *, namespace: str = "default"
    ) -> str:
        """A ServiceAccount with exactly these rules in the whole cluster; the name to use as `user`.

        Its rules may also come from manifests that the test applies: then give none.
        """
        made = {"namespace": namespace, "name": name}
        user = f"{namespace}.{name}"
        documents: list[Mapping] = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": made}
        ]
        if rules:
            documents += bound_role(user, list(rules), subject={"kind": "ServiceAccount", **made})
        self.apply(*documents)
        token = self.kubectl("create", "token", name, "-n", namespace).strip()
        self.kubeconfig(user, token)
        return user


def bound_role(name: str, rules: list[Mapping], *, subject: Mapping) -> list[Mapping]:
    """A ClusterRole, and what binds it to somebody."""
    group = "rbac.authorization.k8s.io"
    role = {"apiGroup": group, "kind": "ClusterRole", "name": name}
    return [
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
            "rules": rules,
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role,
            "subjects": [subject],
        },
    ]


@contextmanager
def api_server(
    directory: Path, *, start: Start = start_here, prefix: tuple[str, ...] = ()
) -> Iterator[ApiServer]:
    """etcd and kube-apiserver, without any custom resource.

    Args:
        directory: for all its files; it is made.
        start: starts a process; `Namespace.start` elsewhere.
        prefix: begins a command that runs elsewhere, as in `Namespace.command()`.
    """
    require("cluster")
    assets = Path(os.environ["KUBEBUILDER_ASSETS"])
    directory.mkdir(parents=True)
    server = ApiServer(directory, f"https://127.0.0.1:{free_port()}", prefix)
    _make_keys(server)
    (directory / "audit.json").write_text(json.dumps(_AUDIT))
    etcd = f"http://127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        for name, options in {
            "etcd": _etcd(directory, etcd),
            "kube-apiserver": {"etcd-servers": etcd, **_api(server)},
        }.items():
            words = [f"--{key}={text}" for key, text in options.items()]
            log = stack.enter_context((directory / f"{name}.log").open("w"))
            process = start(str(assets / name), *words, stdout=log, stderr=log)
            started = stack.enter_context(process)

        def ready() -> bool:
            assert started.poll() is None, log_of(server)
            return server.ask("get", "--raw", "/readyz").returncode == 0

        until(ready, "the API server")
        yield server


def log_of(server: ApiServer) -> str:
    """The end of what the API server said."""
    return (server.directory / "kube-apiserver.log").read_text()[-2000:]


def install(server: ApiServer) -> None:
    """Every custom resource, and wait until each is served."""
    server.kubectl("apply", "--server-side", "-f", "-", stdin="\n---\n".join(definitions()))
    crds = [f"crd/{name}" for name in names()]
    server.kubectl("wait", "--for=condition=Established", "--timeout=240s", *crds)


def _etcd(directory: Path, url: str) -> dict[str, object]:
    # Nobody joins it; it is told to listen for others on loopback all the same.
    peer = f"http://127.0.0.1:{free_port()}"
    return {
        "data-dir": directory / "etcd",
        "listen-client-urls": url,
        "advertise-client-urls": url,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "unsafe-no-fsync": "true",
    }


def _api(server: ApiServer) -> dict[str, object]:
    directory = server.directory
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": server.url.rpartition(":")[2],
        "cert-dir": directory,
        "tls-cert-file": server.authority,
        "tls-private-key-file": directory / "key.pem",
        "token-auth-file": directory / "tokens.csv",
        "authorization-mode": "RBAC",
        "service-account-issuer": "https://kubernetes.test",
        "service-account-key-file": server.authority,
        "service-account-signing-key-file": directory / "key.pem",
        "service-cluster-ip-range": "10.0.0.0/24,fd00:10::/112",
        # No controller makes the accounts that it would ask for, nor keeps the endpoints.
        "disable-admission-plugins": "ServiceAccount",
        "endpoint-reconciler-type": "none",
        "audit-policy-file": directory / "audit.json",
        "audit-log-path": directory / "audit.log",
    }


def _make_keys(server: ApiServer) -> None:
    key = server.directory / "key.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-keyout", str(key), "-out", str(server.authority), "-days", "2"]
    run(*words, "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    lines = (f'{token},{user},{user},"{_GROUPS[user]}"' for user, token in _TOKENS.items())
    (server.directory / "tokens.csv").write_text("\n".join(lines) + "\n")


def _holds(text: str, wanted: str) -> bool:
    """Whether what kubectl printed has this text, and ends with a whole document."""
    return wanted in text and text.endswith("\n}\n")


def _documents(text: str) -> Iterator[dict]:
    """JSON documents, one after the other."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


@pytest.fixture(scope="session", name="cluster")
def _cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    require("cluster")
    with api_server(tmp_path_factory.mktemp("cluster") / "server") as server:
        install(server)
        yield server


@pytest.fixture(name="namespace")
def _namespace(cluster: ApiServer) -> Iterator[str]:
    name = f"test-{next(_numbers)}"
    status, answer = cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert status == 201, answer
    yield name
    for path in collections(scope="Cluster"):
        status, answer = cluster.request("DELETE", path)
        assert status == 200, answer


fixtures = (_cluster, _namespace)
