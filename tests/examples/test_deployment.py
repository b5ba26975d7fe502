"""The daemon's deployment: what it may do, and that its parts fit each other."""

import re
from ipaddress import ip_address

import pytest
from click import Context

from gitops_prefix import __version__
from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.worktree import shipped
from tests.examples.repositories import (
    RECONCILERS,
    ROOT,
    build,
    documents,
    example,
    init,
    kustomizations,
    of_kind,
)

DEPLOYED = ("flux", "argocd")


@pytest.fixture(params=[*DEPLOYED, *(f"init --for {name}" for name in RECONCILERS)])
def objects(request, tmp_path):
    """Every object of a repository that deploys the daemon."""
    command, _, reconciler = request.param.partition(" --for ")
    words = ("--for", reconciler, "--no-request-reconcile")
    directory = init(tmp_path, *words) if reconciler else example(command)
    return [document for _, document in documents(directory)]


@pytest.fixture
def deployment(objects):
    (found,) = [
        document
        for document in of_kind("Deployment", objects)
        if document["metadata"]["name"] == "gitops-prefix"
    ]
    return found


@pytest.fixture
def pod(deployment):
    return deployment["spec"]["template"]["spec"]


@pytest.fixture
def container(pod):
    (found,) = pod["containers"]
    return found


def test_one_daemon_at_a_time(deployment):
    """The old pod holds the port of the node, so a rolling update would wait for ever."""
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_the_pod_is_on_the_nodes_link(pod):
    assert pod["hostNetwork"] is True
    assert pod["dnsPolicy"] == "ClusterFirstWithHostNet"
    assert not pod.get("hostPID")
    assert not pod.get("hostIPC")


def test_no_token_of_the_api_server(objects, pod):
    (account,) = of_kind("ServiceAccount", objects)
    assert account["automountServiceAccountToken"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == account["metadata"]["name"]
    assert not of_kind("ClusterRole", objects)
    assert not of_kind("Role", objects)


def test_an_ordinary_user_with_net_raw_and_nothing_else(pod, container):
    security = container["securityContext"]
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}
    assert security["privileged"] is False
    assert security["readOnlyRootFilesystem"] is True


def test_no_new_privs_is_off(container):
    """It would take the file capability away, and with it the raw socket."""
    assert container["securityContext"]["allowPrivilegeEscalation"] is True


def test_the_user_is_the_images_own(pod):
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert f"USER {pod['securityContext']['runAsUser']}:" in dockerfile
    assert "setcap cap_net_raw" in dockerfile


def test_the_namespace_admits_the_pod(objects, deployment):
    (namespace,) = [
        document
        for document in of_kind("Namespace", objects)
        if document["metadata"]["name"] == deployment["metadata"]["namespace"]
    ]
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"


def test_the_image_is_this_version(container):
    assert container["image"] == f"ghcr.io/gitops-prefix/gitops-prefix:{__version__}"


def test_each_file_that_is_named_is_on_a_volume_that_allows_it(pod, container):
    arguments = _options(container)
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert set(mounts) == set(volumes)
    key = mounts["deploy-key"]
    for option in ("--ssh-key", "--known-hosts"):
        assert arguments[option].startswith(f"{key['mountPath']}/")
    assert key["readOnly"] is True
    assert volumes["deploy-key"]["secret"]["defaultMode"] == 0o400
    assert "optional" not in volumes["deploy-key"]["secret"]
    # The volume's root belongs to root; a repository below it is the daemon's own.
    assert arguments["--clone-dir"].startswith(f"{mounts['clone']['mountPath']}/")


def test_the_probes_ask_where_it_listens_and_that_is_the_node_alone(container):
    host, _, port = _options(container)["--listen"].rpartition(":")
    assert ip_address(host).is_loopback
    (named,) = container["ports"]
    assert named["containerPort"] == int(port)
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("liveness", "readiness")]
    assert probes == [
        {"host": host, "path": "/healthz", "port": named["name"]},
        {"host": host, "path": "/readyz", "port": named["name"]},
    ]


def test_the_daemon_knows_each_option(container):
    known = {name for option in _parameters("run") for name in option.opts}
    assert _options(container).keys() <= known


@pytest.mark.parametrize("name", [*DEPLOYED, "kustomize"])
def test_an_example_deploys_the_daemon_as_init_writes_it(name, tmp_path):
    written = init(tmp_path, "--no-request-reconcile") / "gitops-prefix"
    (directory,) = [
        path for path in kustomizations(example(name)) if path.name in {"gitops-prefix", "base"}
    ]
    assert {path.name: path.read_text() for path in directory.iterdir()} == {
        path.name: path.read_text() for path in written.iterdir()
    }


@pytest.mark.parametrize("name", DEPLOYED)
def test_kustomize_keeps_the_deployment_whole(name):
    """The mode of the key is octal to kustomize too."""
    (directory,) = [path for path in kustomizations(example(name)) if path.name == "gitops-prefix"]
    (built,) = of_kind("Deployment", build(directory))
    volumes = {volume["name"]: volume for volume in built["spec"]["template"]["spec"]["volumes"]}
    assert volumes["deploy-key"]["secret"]["defaultMode"] == 0o400


def test_the_templates_hold_only_the_values_that_init_knows():
    found = {
        value
        for path in shipped("templates").rglob("*.yaml")
        for value in re.findall(r"\$\{(\w*)", path.read_text())
    }
    assert found == {
        *("name", "interface", "routers", "repo", "branch", "version"),
        *("directory", "flux_path", "keyscan", "prune"),
    }


def _parameters(name):
    command = cli.get_command(Context(cli), name)
    assert command is not None
    return command.params


def _options(container):
    """By the names of the command line; each stands as its environment variable."""
    assert container["args"] == ["run"]
    return {
        "--" + one["name"].removeprefix("GITOPS_PREFIX_").replace("_", "-").lower(): one["value"]
        for one in container["env"]
    }
