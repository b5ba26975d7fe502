"""`adopt` against a real API server: what Services hold there is written down here."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gitops_prefix.apply.kube import Connection, list_services
from gitops_prefix.cli.commands import cli
from gitops_prefix.cli.door import enter
from tests.apiserver import ADMIN, ApiServer
from tests.dynamic_prefix import dynamic_prefix

HOME = dynamic_prefix(ranges=("lb",), more="  transition: {mode: simple}\n")
SERVICE = """\
# What the family watches.
apiVersion: v1
kind: Service
metadata:
  name: {name}
  namespace: {namespace}
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/service-address-range: lb
spec:
  type: LoadBalancer   # of Cilium
  ports: [{{port: 80}}]
"""
A = "2001:db8:a::/64"


@pytest.fixture
def repository(tmp_path: Path, namespace: str) -> Path:
    """In prefix A, and two Services."""
    (tmp_path / "home.yaml").write_text(HOME)
    for name in ("plex", "dns"):
        text = SERVICE.format(name=name, namespace=namespace)
        (tmp_path / f"{name}.yaml").write_text(text)
    assert enter(["render", str(tmp_path), "--prefix", f"home={A}"]) == 0
    return tmp_path


def give(cluster: ApiServer, namespace: str, name: str, *addresses: str) -> None:
    """A Service in the cluster, with what a load balancer wrote."""
    cluster.apply(SERVICE.format(name=name, namespace=namespace))
    status = {"status": {"loadBalancer": {"ingress": [{"ip": one} for one in addresses]}}}
    words = ["patch", "service", name, "-n", namespace, "--subresource=status", "--type=merge"]
    cluster.kubectl(*words, "-p", json.dumps(status))


def adopt(cluster: ApiServer, directory: Path, *options: str, user: str = ADMIN):
    words = ["adopt", str(directory), "--kubeconfig", str(cluster.kubeconfig(user)), *options]
    return CliRunner().invoke(cli, words, standalone_mode=False)


@pytest.fixture
def services(cluster, namespace):
    """plex and dns as in the repository, and mail, which nobody wrote down."""
    give(cluster, namespace, "plex", "192.0.2.7", "2001:db8:a:0:f000::10")
    give(cluster, namespace, "dns", "2001:db8:a:0:f000::53")
    give(cluster, namespace, "mail", "2001:db8:a:0:f000::25")


def test_every_address_is_kept_when_the_mode_becomes_ha(cluster, namespace, services, repository):
    answer = adopt(cluster, repository)
    assert answer.return_value == 0
    assert "dns.yaml: Service" in answer.stdout and "::f000:0:0:53" in answer.stdout
    assert f"Service {namespace}/mail has 2001:db8:a:0:f000::25" in answer.stderr
    home = repository / "home.yaml"
    home.write_text(home.read_text().replace("mode: simple", "mode: ha"))
    assert enter(["render", str(repository), "--prefix", "home=2001:db8:b::/64"]) == 0
    for name, host in (("plex", "10"), ("dns", "53")):
        both = f"2001:db8:b:0:f000::{host},2001:db8:a:0:f000::{host}"
        both += ",192.0.2.7" if name == "plex" else ""
        assert f'lbipam.cilium.io/ips: "{both}"' in (repository / f"{name}.yaml").read_text()
    assert adopt(cluster, repository, "--check").return_value == 0, "again changes nothing"


ADDED = {
    "dns": ['    dynamic-prefix.io/suffix: "::f000:0:0:53"\n'],
    "plex": [
        '    dynamic-prefix.io/suffix: "::f000:0:0:10"\n',
        '    lbipam.cilium.io/ips: "2001:db8:a:0:f000::10,192.0.2.7"\n',
    ],
}


@pytest.mark.parametrize(("name", "lines"), ADDED.items(), ids=ADDED)
def test_nothing_else_is_added(cluster, services, repository, name, lines):
    """An IPv4 address that a Service holds is kept as well."""
    path = repository / f"{name}.yaml"
    before = path.read_text().splitlines(keepends=True)
    adopt(cluster, repository)
    after = path.read_text().splitlines(keepends=True)
    assert [line for line in after if line not in before] == lines
    assert [line for line in after if line not in lines] == before


@pytest.mark.parametrize(("option", "code"), [("--check", 1), ("--diff", 0)])
def test_showing_writes_nothing(cluster, services, repository, option, code):
    before = {path: path.read_bytes() for path in repository.iterdir()}
    answer = adopt(cluster, repository, option)
    assert answer.return_value == code
    assert before == {path: path.read_bytes() for path in repository.iterdir()}
    assert ("\n+    dynamic-prefix.io/suffix:" in answer.stdout) is (option == "--diff")


def test_json_says_what_changed_and_what_was_told(cluster, namespace, services, repository):
    said = json.loads(adopt(cluster, repository, "--output", "json").stdout)
    assert [(one["name"], one["after"]) for one in said["changed"]] == [
        ("dns", "::f000:0:0:53"),
        ("plex", "::f000:0:0:10"),
        ("plex", "2001:db8:a:0:f000::10,192.0.2.7"),
    ]
    assert said["changed"][0]["field"] == "metadata.annotations.dynamic-prefix.io/suffix"
    assert {one["code"] for one in said["warnings"]} == {"not-in-repository"}


def test_who_may_not_list_services_is_told_so(cluster, repository):
    answer = adopt(cluster, repository, user="stranger")
    assert 'cannot list resource "services"' in str(answer.exception)
    rule = '{apiGroups: [""], resources: ["services"], verbs: ["list"]}'
    assert f"the ClusterRole needs this rule: {rule}" in str(answer.exception)


def test_one_right_is_enough(cluster, namespace, services, repository):
    rule = {"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}
    user = cluster.account("reader", [rule], namespace=namespace)
    assert adopt(cluster, repository, user=user).return_value == 0


@pytest.mark.parametrize("a_page", [1, 2, 3, 500])
def test_every_service_is_read_however_many_come_at_once(cluster, namespace, services, a_page):
    connection = Connection(str(cluster.kubeconfig(ADMIN)))
    listed = [one["metadata"] for one in list_services(connection, a_page=a_page)]
    ours = sorted(one["name"] for one in listed if one["namespace"] == namespace)
    assert ours == ["dns", "mail", "plex"]


WRONG = {
    "not there": None,
    "empty": "",
    "no YAML": "{",
    "something else": "a: b\n",
    "without a context": "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers: []\n",
    "a list": "- a\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_a_kubeconfig_that_is_none_is_an_error_that_names_it(tmp_path, capsys, text):
    path = tmp_path / "kubeconfig"
    if text is not None:
        path.write_text(text)
    (tmp_path / "repository").mkdir()
    assert enter(["adopt", str(tmp_path / "repository"), "--kubeconfig", str(path)]) == 2
    said = capsys.readouterr().err
    assert "[invalid-kubeconfig]" in said and str(path) in said


def test_an_api_server_that_is_away_is_the_outsides_fault(tmp_path, capsys):
    path = tmp_path / "kubeconfig"
    cluster = {"name": "a", "cluster": {"server": "http://127.0.0.1:9"}}
    context = {"name": "a", "context": {"cluster": "a", "user": "a"}}
    users = [{"name": "a", "user": {}}]
    kubeconfig = {"clusters": [cluster], "contexts": [context], "users": users}
    path.write_text(json.dumps(kubeconfig | {"current-context": "a"}))
    (tmp_path / "repository").mkdir()
    assert enter(["adopt", str(tmp_path / "repository"), "--kubeconfig", str(path)]) == 3
    assert "the API server did not answer" in capsys.readouterr().err
