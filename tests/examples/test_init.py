"""`init`: a directory that is complete at once, and never a file lost."""

import pytest

from gitops_prefix.cli.door import enter
from tests.examples.repositories import RECONCILERS, build, documents, init, of_kind

THERE = {
    "prefix.yaml": "# mine\n",
    "kustomization.yaml": "resources: []\n",
    "gitops-prefix/deployment.yaml": "",
}


def _files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_text()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("reconciler", RECONCILERS)
def test_what_it_writes_builds_at_once(tmp_path, reconciler):
    built = build(init(tmp_path, "--for", reconciler))
    assert [document["kind"] for document in built] == [
        "Namespace",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Deployment",
        "CiliumCIDRGroup",
        "CiliumLoadBalancerIPPool",
    ]


@pytest.mark.parametrize("reconciler", RECONCILERS)
def test_the_daemon_asks_for_what_init_writes_and_may_do_so(tmp_path, reconciler):
    directory = init(tmp_path, "--for", reconciler)
    written, built = [document for _, document in documents(directory)], build(directory)
    (deployment,), (role,) = of_kind("Deployment", built), of_kind("Role", written)
    pod = deployment["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is True
    variables = {one["name"]: one.get("value") for one in pod["containers"][0]["env"]}
    kind, _, name = variables["GITOPS_PREFIX_REQUEST_RECONCILE"].partition(":")
    (asked,) = [one for one in written if one["kind"].lower() == kind]
    assert name == f"{asked['metadata']['namespace']}/{asked['metadata']['name']}"
    (rule,) = role["rules"]
    assert role["metadata"]["namespace"] == asked["metadata"]["namespace"]
    assert rule["resourceNames"] == [asked["metadata"]["name"]] and "patch" in rule["verbs"]


@pytest.mark.parametrize("reconciler", RECONCILERS)
def test_who_wants_no_role_says_so(tmp_path, reconciler):
    directory = init(tmp_path, "--for", reconciler, "--no-request-reconcile")
    assert not of_kind("Role", [document for _, document in documents(directory)])
    (deployment,) = of_kind("Deployment", build(directory))
    assert deployment["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


@pytest.mark.parametrize("reconciler", RECONCILERS)
def test_no_file_that_is_there_is_touched(tmp_path, reconciler, capsys):
    for path, text in THERE.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    init(tmp_path, "--for", reconciler)
    output = capsys.readouterr().out.splitlines()
    assert THERE.items() <= _files(tmp_path).items()
    for path in THERE:
        assert f"kept  {tmp_path / path}" in output
    assert f"wrote {tmp_path / 'pool.yaml'}" in output


def test_a_second_time_changes_nothing(tmp_path):
    first = _files(init(tmp_path))
    assert _files(init(tmp_path, "--name", "other", "--branch", "other")) == first


def test_both_reconcilers_differ_only_in_what_tells_them(tmp_path):
    flux, argocd = (_files(init(tmp_path / name, "--for", name)) for name in RECONCILERS)
    assert flux.keys() - argocd.keys() == {"flux-sync.yaml"}
    assert argocd.keys() - flux.keys() == {"application.yaml"}
    asking = {"kustomization.yaml", "reconcile.yaml", "gitops-prefix/kustomization.yaml"}
    common = flux.keys() & argocd.keys() - asking
    assert {path: flux[path] for path in common}.items() <= argocd.items()


@pytest.mark.parametrize("reconciler", RECONCILERS)
def test_every_value_arrives_as_the_string_it_is(tmp_path, reconciler):
    """A name or branch that YAML would take for a number or a boolean is one case; what
    looks like a placeholder, or a comment, is another."""
    init(
        tmp_path,
        "--for",
        reconciler,
        *("--name", "1234"),
        *("--interface", "0x10"),
        *("--repo", "ssh://git@git.example.com/$branch/${name}.git"),
        *("--branch", "on"),
    )
    found = [document for _, document in documents(tmp_path)]
    (prefix,) = of_kind("DynamicPrefix", found)
    (pool,) = of_kind("CiliumLoadBalancerIPPool", found)
    (deployment,) = of_kind("Deployment", found)
    assert prefix["metadata"]["name"] == "1234"
    assert prefix["spec"]["acquisition"]["routerAdvertisement"]["interface"] == "0x10"
    assert pool["metadata"]["annotations"]["dynamic-prefix.io/name"] == "1234"
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["env"][:2] == [
        {
            "name": "GITOPS_PREFIX_REPO",
            "value": "ssh://git@git.example.com/$branch/${name}.git",
        },
        {"name": "GITOPS_PREFIX_BRANCH", "value": "on"},
    ]
    followed = [
        (document["spec"].get("url"), document["spec"]["ref"]["branch"])
        if document["kind"] == "GitRepository"
        else (
            document["spec"]["source"]["repoURL"],
            document["spec"]["source"]["targetRevision"],
        )
        for document in found
        if document["kind"] in {"GitRepository", "Application"}
    ]
    assert followed == [("ssh://git@git.example.com/$branch/${name}.git", "on")]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("--name", 'x"\n', id="a name that ends its string"),
        pytest.param("--name", "Home", id="a name that Kubernetes refuses"),
        pytest.param("--interface", "eth0 ", id="an interface with a blank"),
        pytest.param("--repo", 'a"b', id="a repository that ends its string"),
        pytest.param("--repo", "a\\b", id="a repository with an escape"),
        pytest.param("--branch", "", id="no branch"),
    ],
)
def test_a_value_that_would_break_the_manifests_is_refused_and_nothing_written(
    tmp_path, option, value, capsys
):
    assert enter(["init", option, value, str(tmp_path)]) == 2
    wrong = "no URL and no path" if option == "--repo" else "not a valid"
    said = '{} "{}" is {}'.format(option, value.replace("\n", "\\n"), wrong)
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
