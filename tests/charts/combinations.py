"""Random combinations of the chart's values: rendered by helm, taken by a real API server.

`python -m tests.charts.combinations [NUMBER] [SEED]` tries 100 of them, and as many upgrades between
random pairs; the suite tries a few. `draw` keeps to what the schema and the checks allow: what they
refuse has a test of its own.
"""

import json
import random
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.apiserver import ADMIN, ApiServer, api_server, install
from tests.charts.rendering import CHART, helm
from tests.examples.pod_security import baseline, restricted
from tests.examples.repositories import parse

REPOSITORIES = {
    "ssh": "ssh://git@git.example.com/home.git",
    "token": "https://git.example.com/home.git",
    "githubApp": "https://github.com/me/home.git",
    "none": "https://git.example.com/public.git",
}
FREE: dict[str, list[Any]] = {
    "branch": ["main", "prefix/now", "1e3"],
    "path": ["clusters/home"],
    "interface": ["eth0", "br-lan.10"],
    "events": [True],
    "messageTemplate": ["{{ subject }}\n"],
    "ca": [{"existingConfigMap": "on"}],
    "signing": [{"existingSecret": "123"}, {"existingSecret": "key", "passphraseKey": "pass"}],
    "options": [{"interval": "90s"}, {"exclude": ["*.tmpl.yaml"], "verbose": True}, {"settle": "0"}],
    "args": [["--verbose"], ["--interval=1m"]],
    "env": [[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]],
    "envFrom": [[{"secretRef": {"name": "proxy"}}]],
    "revisionHistoryLimit": [0, 3],
    "annotations": [{"reloader.stakater.com/auto": "true"}],
    "commonLabels": [{"team": "on"}],
    "commonAnnotations": [{"owner": "123"}],
    "podLabels": [{"app.kubernetes.io/version": "mine"}],
    "podAnnotations": [{"a": "b"}],
    "image": [{"digest": "sha256:" + "0" * 64}, {"tag": "1.2"}, {"pullPolicy": "Always"}],
    "imagePullSecrets": [[{"name": "registry"}]],
    "nameOverride": ["prefixes", "n"],
    "cloneSizeLimit": ["500Mi"],
    "serviceAccount": [{"create": False}, {"name": "own"}, {"annotations": {"a": "b"}}],
    "rbac": [{"create": False}, {"extraRules": [{"apiGroups": ["g"], "resources": ["r"], "verbs": ["get"]}]}],
    "resources": [{"limits": {"memory": "1Gi"}}, {"requests": {"cpu": "5m"}}],
    "nodeSelector": [{"link": "home"}],
    "tolerations": [[{"operator": "Exists"}]],
    "affinity": [{"nodeAffinity": {}}],
    "topologySpreadConstraints": [[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]],
    "priorityClassName": ["system-cluster-critical"],
    "runtimeClassName": ["gvisor"],
    "dnsPolicy": ["Default", "ClusterFirst"],
    "dnsConfig": [{"options": [{"name": "ndots", "value": "1"}]}],
    "hostAliases": [[{"ip": "2001:db8::1", "hostnames": ["git.example.com"]}]],
    "livenessProbe": [{"periodSeconds": 60}],
    "readinessProbe": [{"initialDelaySeconds": 5}],
    "startupProbe": [{"periodSeconds": 10, "failureThreshold": 60}],
    "podSecurityContext": [{"runAsUser": None, "runAsGroup": None, "fsGroup": None}, {"supplementalGroups": [7]}],
    "securityContext": [{"runAsUser": 1000}],
    "terminationGracePeriodSeconds": [60],
    "extraVolumes": [[{"name": "more", "emptyDir": {}}]],
    "initContainers": [[{"name": "wait", "image": "busybox"}]],
    "extraContainers": [[{"name": "sidecar", "image": "busybox"}]],
    "extraObjects": [[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}]],
    "tests": [{"enabled": False}],
}  # fmt: skip
"""Values that are taken whatever the others say."""


def draw(chance: random.Random) -> dict[str, Any]:
    """Values that the schema and the checks allow."""
    some = chance.random()
    values = {name: chance.choice(each) for name, each in FREE.items() if chance.random() < some}
    method = chance.choice([*REPOSITORIES])
    values["repo"], values["auth"] = REPOSITORIES[method], {"method": method}
    if method == "githubApp":
        values["auth"]["githubApp"] = {"id": chance.choice([1234567, "12"])}
    if method == "ssh" and chance.random() < 0.5:
        values["auth"]["ssh"] = {"knownHosts": "host ssh-ed25519 AAAA", "existingSecret": "y"}
    values["source"] = chance.choice(["routerAdvertisement", "kernel", "static"])
    values["kind"] = chance.choice(["Deployment", "Deployment", "DaemonSet"])
    values["replicas"] = replicas = chance.choice([0, 1, 1, 2, 3])
    many = values["kind"] == "DaemonSet" or replicas > 1
    values["leaderElection"] = {"enabled": chance.random() < 0.5}
    values["podDisruptionBudget"] = {"enabled": chance.random() < 0.5}
    if not many and chance.random() < 0.5:
        values["persistence"] = {"enabled": True} | chance.choice(
            [{}, {"existingClaim": "mine"}, {"keep": False, "annotations": {"a": "b"}}]
        )
    if chance.random() < 0.3:
        values["pushBranch"] = "prefix/{name}"
        forge = {"forge": chance.choice(["", "auto", "gitea"]), "existingSecret": "forge"}
        values["pullRequest"] = forge | {"autoMerge": chance.choice(["", "squash"])}
    else:
        values["apply"] = {"mode": chance.choice(["never", "fallback", "always"])}
        for kind in ("service", "configMap", "kustomization"):
            values["apply"][f"{kind}Namespaces"] = chance.choice([[], ["on"], ["argocd", "1e3"]])
        values["requestReconcile"] = chance.choice(
            [[], ["gitrepository:flux-system/a"], ["application:argocd/b", "kustomization:f/1e3"]]
        )
        values["notify"] = {"hooks": chance.choice([[], ["flux=https://host/hook"]])}
    asks = chance.choice(["", "podMonitor", "service", "serviceMonitor"])
    values["metrics"] = {asks: {"enabled": True}} if asks else {}
    if asks == "serviceMonitor":
        values["metrics"]["service"] = {"enabled": True}
    values["metrics"]["prometheusRule"] = {"enabled": chance.random() < 0.3}
    if not asks and chance.random() < 0.3:
        # The pod of a static prefix has a network of its own, which probes enter from outside.
        hosts = [""] if values["source"] == "static" else ["", "127.0.0.1", "::1"]
        values["http"] = {"host": chance.choice(hosts), "port": 9090}
    if chance.random() < 0.4:
        tls, service = chance.choice(["", "tls"]), not many and chance.random() < 0.5
        values["webhook"] = {"enabled": True, "tls": {"existingSecret": tls}}
        values["webhook"]["service"] = {"enabled": service, "type": "NodePort"}
    if values["source"] == "static" and chance.random() < 0.5:
        values["networkPolicy"] = {"enabled": True, "ingressFrom": [{"podSelector": {}}]}
    return values


def release(
    cluster: ApiServer, directory: Path, namespace: str, values: dict[str, Any]
) -> list[dict[str, Any]]:
    """`helm upgrade --install` in a real cluster, and what it then says that is there."""
    file = directory / "values.json"
    file.write_text(json.dumps(values))
    where = ("--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig(ADMIN)))
    answer = helm(
        "upgrade", "--install", "home", str(CHART), "--values", str(file), *where, "--history-max=2"
    )
    assert answer.returncode == 0, f"{answer.stderr}\n{json.dumps(values)}"
    # A warning of the API server: a field that is deprecated, or given twice.
    assert "warn" not in answer.stderr.lower(), f"{answer.stderr}\n{json.dumps(values)}"
    manifest = helm("get", "manifest", "home", *where)
    return list(parse(manifest.stdout))


def admitted(objects: list[dict[str, Any]], values: dict[str, Any]) -> None:
    """The pod breaks no other rule of Pod Security than its source must (docs/deploy.md)."""
    (found,) = [one for one in objects if one["kind"] in {"Deployment", "DaemonSet"}]
    pod = found["spec"]["template"]["spec"]
    # Containers of the user's own are the user's.
    pod = pod | {"containers": pod["containers"][:1], "initContainers": []}
    if values["source"] == "static":
        assert not restricted(pod) and not baseline(pod), json.dumps(values)
    else:
        assert baseline(pod), json.dumps(values)


def walk(cluster: ApiServer, directory: Path, namespace: str, number: int, seed: object) -> None:
    """Install a random combination, then upgrade it to another, and so on."""
    for name in ("1e3", "argocd", "f", "flux-system", "on"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    chance = random.Random(str(seed))
    drawn = [draw(chance) for _ in range(number)]
    for index, (before, after) in enumerate(pairwise([drawn[0], *drawn])):
        if before.get("nameOverride") != after.get("nameOverride") or (
            before["kind"] == after["kind"] and index % 10 == 0
        ):
            # What finds the pods never changes: another release.
            where = ("--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig(ADMIN)))
            helm("uninstall", "home", *where)
        admitted(release(cluster, directory, namespace, after), after)


def main() -> None:
    """Try as many as the command line says."""
    number, seed = int(sys.argv[1]) if sys.argv[1:] else 100, (sys.argv[2:] or ["1"])[0]
    with tempfile.TemporaryDirectory() as name, api_server(Path(name) / "api") as cluster:
        install(cluster)
        cluster.kubectl("create", "namespace", "home")
        walk(cluster, Path(name), "home", number, seed)
        print(f"{number} combinations and upgrades were taken; seed {seed}")


if __name__ == "__main__":
    main()
