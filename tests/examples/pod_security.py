"""The Pod Security Standards, as a list of what a pod breaks, without a cluster.

The words are those of the API server's admission, which tests/apply/test_pod_security.py
asks for a second opinion. https://kubernetes.io/docs/concepts/security/pod-security-standards/
"""

from tests.examples.repositories import Document

BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
    "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
RESTRICTED_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip


def baseline(pod: Document) -> set[str]:
    """What `baseline` forbids and the pod has."""
    containers = containers_of(pod)
    return {
        name
        for name, broken in {
            "host namespaces": any(pod.get(f"host{kind}") for kind in ("Network", "PID", "IPC")),
            "hostPort": any(_host_ports(pod, one) for one in containers),
            "probe or lifecycle host": any(_has_probe_host(one) for one in containers),
            "privileged": any(_security(one).get("privileged") for one in containers),
            "hostPath volumes": any("hostPath" in volume for volume in pod.get("volumes", ())),
            "non-default capabilities": any(_added(one) - BASELINE_CAPABILITIES for one in containers),
            "seccompProfile": _seccomp(pod) == "Unconfined",
        }.items()
        if broken
    }  # fmt: skip


def restricted(pod: Document) -> set[str]:
    """What `restricted` forbids and the pod has, baseline's included."""
    containers = containers_of(pod)
    security = pod.get("securityContext", {})
    volumes = {key for volume in pod.get("volumes", ()) for key in volume if key != "name"}
    here = {
        "allowPrivilegeEscalation != false": any(
            _security(one).get("allowPrivilegeEscalation") is not False for one in containers
        ),
        "unrestricted capabilities": any(
            "ALL" not in _security(one).get("capabilities", {}).get("drop", ())
            or _added(one) - {"NET_BIND_SERVICE"}
            for one in containers
        ),
        "restricted volume types": bool(volumes - RESTRICTED_VOLUMES),
        "runAsNonRoot != true": not security.get("runAsNonRoot"),
        "runAsUser=0": security.get("runAsUser") == 0,
        "seccompProfile": _seccomp(pod) not in {"RuntimeDefault", "Localhost"},
    }
    # What both forbid is told once, by restricted's words.
    return (baseline(pod) - {"non-default capabilities"}) | {
        name for name, broken in here.items() if broken
    }


def containers_of(pod: Document) -> list[Document]:
    """Those that start first, too."""
    return [*pod.get("initContainers", ()), *pod["containers"]]


def _host_ports(pod: Document, container: Document) -> list[int]:
    # With hostNetwork a port of the container is one of the node: the server sets it.
    ports = container.get("ports", ())
    return [port["containerPort"] for port in ports if pod.get("hostNetwork") or "hostPort" in port]


def _has_probe_host(container: Document) -> bool:
    # Since Kubernetes 1.34: who may make the kubelet ask another host.
    actions = [
        container.get(f"{name}Probe", {}) for name in ("liveness", "readiness", "startup")
    ] + [*container.get("lifecycle", {}).values()]
    return any(
        action.get(kind, {}).get("host") for action in actions for kind in ("httpGet", "tcpSocket")
    )


def _security(container: Document) -> Document:
    return container.get("securityContext") or {}


def _added(container: Document) -> set[str]:
    return set(_security(container).get("capabilities", {}).get("add", ()))


def _seccomp(pod: Document) -> str | None:
    return pod.get("securityContext", {}).get("seccompProfile", {}).get("type")
