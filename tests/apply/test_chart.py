"""What the chart renders, as a real API server takes it: strictly, by its dry run."""

import json

import pytest

from tests.charts.rendering import rendered

VALUES = {
    "by default": {},
    "on each node": {"kind": "DaemonSet", "source": "kernel"},
    "with a claim": {"persistence": {"enabled": True, "storageClassName": "fast"}},
    "options and host keys": {
        "options": {"interval": "1m", "exclude": ["a"]},
        "auth": {"ssh": {"knownHosts": "host ssh-ed25519 AAAA"}},
    },
    "a token and a proxy": {
        "repo": "https://git.example.com/home.git",
        "auth": {"method": "token"},
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    },
    "static, with a policy and a Service": {
        "source": "static",
        "networkPolicy": {
            "enabled": True,
            "ingressFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}],
        },
        "metrics": {"service": {"enabled": True}},
    },
    "direct apply": {"apply": {"mode": "always"}},
    "requests and Events": {
        "requestReconcile": ["gitrepository:flux-system/a", "kustomization:flux-system/b"],
        "events": True,
    },
    "two, of which one publishes": {"replicas": 2, "leaderElection": {"enabled": True}},
    "placed, with volumes": {
        "replicas": 2,
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "system-cluster-critical",
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule",
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "gitops-prefix"}},
            }
        ],
        "podAnnotations": {"a": "b"},
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
    },
}


def answer(cluster, namespace, objects):
    for one in objects:
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
    words = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.ask(*words, stdin="\n---\n".join(map(json.dumps, objects)))


@pytest.mark.parametrize("name", VALUES)
def test_the_server_takes_every_object_as_it_is(cluster, namespace, name, tmp_path):
    objects = rendered(tmp_path, VALUES[name])
    said = answer(cluster, namespace, objects)
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("(server dry run)") == len(objects)
    # Nor a warning: of a field that is deprecated, or given twice.
    assert not said.stderr


def test_the_server_is_strict(cluster, namespace, tmp_path):
    objects = rendered(tmp_path, {"nodeSelector": {}})
    (workload,) = [one for one in objects if one["kind"] == "Deployment"]
    workload["spec"]["template"]["spec"]["nodeSelecter"] = {"a": "b"}
    assert (
        "nodeSelecter: field not declared in schema" in answer(cluster, namespace, objects).stderr
    )
