"""`helm test`, without a kubelet: the very command of its pod, with the pod's variables and account."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.apiserver import ADMIN, ApiServer
from tests.apply.manifests import POOL, STATIC_PREFIX
from tests.branch import bare_repository
from tests.charts.combinations import release
from tests.charts.rendering import helm
from tests.examples.repositories import parse
from tests.git_servers import TOKEN, USER, web_server
from tests.parts import require
from tests.pod import in_pod


def pod_of_the_test(cluster: ApiServer, namespace: str) -> dict[str, Any]:
    """The pod of `helm test`, of the release that is installed."""
    where = ("--namespace", namespace, "--kubeconfig", str(cluster.kubeconfig(ADMIN)))
    (pod,) = [one for one in parse(helm("get", "hooks", "home", *where).stdout) if one]
    return pod


def account(cluster: ApiServer, namespace: str, name: str, directory: Path) -> str:
    """What the kubelet mounts of a ServiceAccount."""
    directory.mkdir()
    token = cluster.kubectl("create", "token", name, "-n", namespace)
    (directory / "token").write_text(token.strip())
    (directory / "ca.crt").write_text(cluster.authority.read_text())
    (directory / "namespace").write_text(namespace)
    return str(directory)


def test_the_doctor_of_helm_test_says_that_the_release_works(cluster, namespace, tmp_path):
    """And which right is missing, once a role is gone."""
    require("netns")
    remote = bare_repository(
        tmp_path, {"home.yaml": STATIC_PREFIX.encode(), "pool.yaml": POOL.encode()}
    )
    values = {
        "repo": "https://git.example.com/home.git",
        "auth": {"method": "token", "token": {"username": USER}},
        "source": "static",
        "leaderElection": {"enabled": True},
        "apply": {
            "mode": "fallback",
            "serviceNamespaces": [namespace],
            "kustomizationNamespaces": [namespace],
        },
        "requestReconcile": [f"gitrepository:{namespace}/flux-system"],
        "events": True,
    }
    release(cluster, tmp_path, namespace, values)
    pod = pod_of_the_test(cluster, namespace)
    (container,) = pod["spec"]["containers"]
    files = account(cluster, namespace, pod["spec"]["serviceAccountName"], tmp_path / "account")
    (tmp_path / "token").mkdir()
    (tmp_path / "token" / "token").write_text(TOKEN)
    (tmp_path / "state").mkdir()
    with web_server(tmp_path / "web", tls=False) as server:
        (server.repositories / "home.git").symlink_to(remote)
        mounts = {
            "https://git.example.com": server.url,
            "/etc/gitops-prefix": str(tmp_path),
            "/var/lib/gitops-prefix": str(tmp_path / "state"),
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path / "state")}
        for variable in container["env"]:
            text = variable["value"]
            for path, here in mounts.items():
                text = text.replace(path, here)
            environment[variable["name"]] = text

        def doctor() -> tuple[int, list[str]]:
            words = [sys.executable, *container["command"][1:], *container["args"]]
            process = in_pod(
                cluster, files, *words, "--output=json", environment=environment,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
            out, err = process.communicate(timeout=300)
            assert "Traceback" not in err and TOKEN not in out + err
            checks = json.loads(out)["checks"]
            wrong = [json.dumps(check) for check in checks if check["answer"] != "ok"]
            return process.returncode, wrong

        code, wrong = doctor()
        assert (code, wrong) == (0, []), "\n".join(wrong)
        cluster.kubectl("delete", "clusterrolebinding", "-l", "app.kubernetes.io/instance=home")
        code, wrong = doctor()
        assert code == 1
        assert any("ciliumloadbalancerippools" in said for said in wrong), wrong
