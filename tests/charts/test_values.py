"""Values that are refused, each with a message that says which and why; and values that do."""

import pytest

from tests.charts.rendering import rendered, template
from tests.examples.pod_security import baseline, restricted
from tests.examples.repositories import of_kind

SECRET = "hunter2"
PRIVATE = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + SECRET

REFUSED = {
    "no repository": ({"repo": ""}, "repo: which repository?"),
    "a blank in the repository": ({"repo": "git@host: x"}, "at '/repo'"),
    "a password in the repository": ({"repo": f"https://me:{SECRET}@host/x"}, "repo: there is a password"),
    "an ssh key for https": ({"repo": "https://host/x"}, "auth.method: a repository over https"),
    "a token for ssh": ({"auth": {"method": "token"}}, "auth.method: token is for"),
    "an App for ssh": ({"auth": {"method": "githubApp", "githubApp": {"id": "1"}}}, "auth.method: githubApp is for"),
    "an App without its id": ({"repo": "https://host/x", "auth": {"method": "githubApp"}}, "auth.githubApp.id: which App?"),
    "a private key among host keys": ({"auth": {"ssh": {"knownHosts": PRIVATE}}}, "auth.ssh.knownHosts: that is a private key"),
    "a private key as a value": ({"auth": {"ssh": {"privateKey": "x"}}}, "additional properties 'privateKey'"),
    "a misspelt value": ({"brnach": "main"}, "additional properties 'brnach'"),
    "a misspelt option": ({"options": {"intervall": "1m"}}, "additional properties 'intervall'"),
    "an option that has a value of its own": ({"options": {"repo": "x"}}, "additional properties 'repo'"),
    "a variable that has a value of its own": ({"env": [{"name": "GITOPS_PREFIX_REPO", "value": "x"}]}, "env: GITOPS_PREFIX_REPO is set by another value"),
    "a source that is none": ({"source": "dhcp"}, "at '/source': value must be one of"),
    "a kind that is none": ({"kind": "StatefulSet"}, "at '/kind': value must be one of"),
    "a number of replicas in words": ({"replicas": "one"}, "at '/replicas': got string, want integer"),
    "a port below 1024, for which an ordinary user has no right": ({"http": {"port": 80}}, "at '/http/port': minimum"),
    "a digest that is cut": ({"image": {"digest": "sha256:abc"}}, "at '/image/digest'"),
    "a name with a blank": ({"auth": {"ssh": {"existingSecret": "a b"}}}, "at '/auth/ssh/existingSecret'"),
    "too short a time to leave": ({"terminationGracePeriodSeconds": 5}, "at '/terminationGracePeriodSeconds': minimum"),
    "a mode of direct apply that is none": ({"apply": {"mode": "sometimes"}}, "at '/apply/mode': value must be one of"),
    "a duration without a unit": ({"apply": {"after": "60"}}, "at '/apply/after'"),
    "a forge that is none": ({"pullRequest": {"forge": "sourcehut"}}, "at '/pullRequest/forge': value must be one of"),
    "a forge without a token": ({"pullRequest": {"forge": "github"}}, "pullRequest.existingSecret: the forge's API takes a token"),
    "a hook without its kind": ({"notify": {"hooks": ["https://host/hook"]}}, "at '/notify/hooks/0'"),
    "a hook for what others merge": ({"pushBranch": "b", "notify": {"hooks": ["flux=https://host/hook"]}}, "notify.hooks: with pushBranch"),
    "a request for what has no reconciler": ({"requestReconcile": ["deployment:a/b"]}, "at '/requestReconcile/0'"),
    "a request for what others merge": ({"pushBranch": "b", "requestReconcile": ["application:a/b"]}, "pushBranch, pullRequest: others decide"),
    "direct apply of what others merge": ({"pushBranch": "b", "apply": {"mode": "fallback"}}, "pushBranch, pullRequest: others decide"),
    "a claim for each node": ({"kind": "DaemonSet", "persistence": {"enabled": True}}, "persistence.enabled: a claim is one pod's"),
    "a claim for two": ({"replicas": 2, "persistence": {"enabled": True}}, "persistence.enabled: a claim is one pod's"),
    "a policy that would not hold": ({"networkPolicy": {"enabled": True}}, "networkPolicy.enabled: the pod is on the node's network"),
    "a monitor without its Service": ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metrics.serviceMonitor.enabled: it asks a Service"),
    "metrics that nobody reaches": ({"http": {"host": "127.0.0.1"}, "metrics": {"podMonitor": {"enabled": True}}}, "http.host: on 127.0.0.1"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_words_that_name_the_value(case, tmp_path):
    values, message = REFUSED[case]
    answer = template(tmp_path, values)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert not answer.stdout
    assert SECRET not in answer.stderr


def pod(objects):
    (workload,) = [one for one in objects if one["kind"] in {"Deployment", "DaemonSet"}]
    return workload["spec"]["template"]["spec"]


THE_LINK = {"host namespaces", "hostPort"}
SOURCES = {
    "routerAdvertisement": (
        THE_LINK | {"allowPrivilegeEscalation != false", "unrestricted capabilities"},
        THE_LINK | {"non-default capabilities"},
    ),
    "kernel": (THE_LINK, THE_LINK),
    "static": (set(), set()),
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_is_allowed_what_it_needs_and_no_more(source, tmp_path):
    found = pod(rendered(tmp_path, {"source": source}))
    assert (restricted(found), baseline(found)) == SOURCES[source]


def test_host_keys_are_public_and_stand_in_a_config_map(tmp_path):
    values = {"auth": {"ssh": {"knownHosts": "git.example.com ssh-ed25519 AAAA\n"}}}
    objects = rendered(tmp_path, values)
    (config,) = of_kind("ConfigMap", objects)
    assert config["data"] == {"known_hosts": "git.example.com ssh-ed25519 AAAA\n"}
    (container,) = pod(objects)["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_KNOWN_HOSTS"] == "/etc/gitops-prefix/config/known_hosts"
    assert environment["GITOPS_PREFIX_SSH_KEY"] == "/etc/gitops-prefix/ssh/identity"


TEXTS = [
    "one line",
    "two\nlines\n",
    "  indented\n",
    "\n\nlate {{ braces }}\n\n",
    "{% if x %}: '\"\n# no comment",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_template_of_the_message_arrives_as_it_is(text, tmp_path):
    objects = rendered(tmp_path, {"messageTemplate": text, "options": {"skip-ci": True}})
    (config,) = of_kind("ConfigMap", objects)
    assert config["data"]["message"] == text
    (container,) = pod(objects)["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_MESSAGE_TEMPLATE"] == "/etc/gitops-prefix/config/message"


FILES = {
    "an ssh key": ({}, ["GITOPS_PREFIX_SSH_KEY", "GITOPS_PREFIX_KNOWN_HOSTS"]),
    "a token": ({"repo": "https://host/x", "auth": {"method": "token"}}, ["GITOPS_PREFIX_TOKEN_FILE"]),
    "an App": ({"repo": "https://github.com/o/n", "auth": {"method": "githubApp", "githubApp": {"id": "1"}}}, ["GITOPS_PREFIX_GITHUB_APP_KEY_FILE"]),
    "an authority": ({"ca": {"existingConfigMap": "ca"}}, ["GITOPS_PREFIX_CA_FILE"]),
    "a signing key": ({"signing": {"existingSecret": "key"}}, ["GITOPS_PREFIX_SIGNING_KEY"]),
    "a signing key with a passphrase": ({"signing": {"existingSecret": "key", "passphraseKey": "passphrase"}}, ["GITOPS_PREFIX_SIGNING_KEY", "GITOPS_PREFIX_SIGNING_PASSPHRASE_FILE"]),
    "a forge's token": ({"pullRequest": {"forge": "auto", "existingSecret": "forge"}}, ["GITOPS_PREFIX_FORGE_TOKEN_FILE"]),
    "a token of those who ask": ({"http": {"existingSecret": "listen"}}, ["GITOPS_PREFIX_LISTEN_TOKEN_FILE"]),
    "what notices are signed with": ({"notify": {"hooks": ["flux=https://host/hook"], "existingSecret": "hook"}}, ["GITOPS_PREFIX_NOTIFY_SECRET_FILE"]),
    "host keys of their own": ({"auth": {"ssh": {"knownHosts": "x"}}}, ["GITOPS_PREFIX_KNOWN_HOSTS"]),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_each_file_that_an_option_names_is_on_a_volume_that_only_reads(case, tmp_path):
    values, variables = FILES[case]
    spec = pod(rendered(tmp_path, values))
    (container,) = spec["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    mounts = {one["mountPath"]: one for one in container["volumeMounts"]}
    assert {one["name"] for one in mounts.values()} == {one["name"] for one in spec["volumes"]}
    for variable in variables:
        mount = mounts[environment[variable].rpartition("/")[0]]
        assert mount["readOnly"] is True


def test_no_value_of_a_secret_is_ever_in_the_chart(tmp_path):
    for values in ({}, {"repo": "https://host/x", "auth": {"method": "token"}}):
        assert not of_kind("Secret", rendered(tmp_path, values))


def test_an_address_of_the_node_is_asked_where_it_listens(tmp_path):
    (container,) = pod(rendered(tmp_path, {"http": {"host": "::1", "port": 9090}}))["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_LISTEN"] == "[::1]:9090"
    for kind in ("liveness", "readiness"):
        assert container[f"{kind}Probe"]["httpGet"]["host"] == "::1"


@pytest.mark.parametrize(
    ("values", "listens", "host"),
    [
        ({}, "127.0.0.1:8080", "127.0.0.1"),
        ({"http": {"host": ""}}, ":8080", None),
        # The kubelet asks a pod with a network of its own from outside.
        ({"source": "static"}, ":8080", None),
        # Prometheus asks from another pod.
        ({"metrics": {"podMonitor": {"enabled": True}}}, ":8080", None),
        ({"metrics": {"service": {"enabled": True}}}, ":8080", None),
        ({"source": "kernel"}, "127.0.0.1:8080", "127.0.0.1"),
    ],
)
def test_it_listens_for_the_node_alone_unless_that_is_asked(values, listens, host, tmp_path):
    (container,) = pod(rendered(tmp_path, values))["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_LISTEN"] == listens
    for kind in ("liveness", "readiness"):
        assert container[f"{kind}Probe"]["httpGet"].get("host") == host


@pytest.mark.parametrize("number", [1234567, "1234567", 12345678901])
def test_an_id_is_a_number_or_a_text_and_arrives_as_it_is(number, tmp_path):
    app = {"id": number, "installationId": number}
    values = {"repo": "https://github.com/o/n", "auth": {"method": "githubApp", "githubApp": app}}
    (container,) = pod(rendered(tmp_path, values))["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_GITHUB_APP_ID"] == str(number)
    assert environment["GITOPS_PREFIX_GITHUB_APP_INSTALLATION_ID"] == str(number)


PLACED = {
    "nodeSelector": {"example.com/link": "home"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1}],
    "priorityClassName": "system-cluster-critical",
    "terminationGracePeriodSeconds": 60,
    "imagePullSecrets": [{"name": "registry"}],
}


@pytest.mark.parametrize("name", PLACED)
def test_where_a_pod_runs_is_the_users_to_say(name, tmp_path):
    given, found = PLACED[name], pod(rendered(tmp_path, {name: PLACED[name]}))[name]
    # Helm merges mappings: Linux it stays.
    also = {"kubernetes.io/os": "linux"} if name == "nodeSelector" else {}
    assert found == (given | also if isinstance(given, dict) else given)


@pytest.mark.parametrize(
    ("replicas", "strategy"),
    [
        (1, {"type": "Recreate"}),
        (2, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
    ],
)
def test_no_two_pods_ever_want_one_port_of_a_node(replicas, strategy, tmp_path):
    (deployment,) = of_kind("Deployment", rendered(tmp_path, {"replicas": replicas}))
    assert deployment["spec"]["strategy"] == strategy


def test_a_digest_counts_before_a_tag(tmp_path):
    digest = "sha256:" + "0" * 64
    (container,) = pod(rendered(tmp_path, {"image": {"digest": digest, "tag": "1"}}))["containers"]
    assert container["image"] == f"ghcr.io/gitops-prefix/gitops-prefix@{digest}"


@pytest.mark.parametrize(
    ("release", "name"),
    [("gitops-prefix", "gitops-prefix"), ("home", "home-gitops-prefix"), ("a" * 53, "a" * 52)],
)
def test_every_object_has_the_releases_name_and_names_fit_together(release, name, tmp_path):
    """Two releases in one namespace do not meet, and their pods are their own."""
    objects = rendered(
        tmp_path,
        {"persistence": {"enabled": True}, "metrics": {"service": {"enabled": True}}},
        release=release,
    )
    for one in objects:
        assert one["metadata"]["name"].removesuffix("-clone") == name
        assert one["metadata"]["namespace"] == "gitops-prefix"
    spec = pod(objects)
    (account,) = of_kind("ServiceAccount", objects)
    assert spec["serviceAccountName"] == account["metadata"]["name"]
    (service,) = of_kind("Service", objects)
    (deployment,) = of_kind("Deployment", objects)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert labels["app.kubernetes.io/instance"] == release
    (claim,) = of_kind("PersistentVolumeClaim", objects)
    (clone,) = [one for one in spec["volumes"] if one["name"] == "clone"]
    assert clone["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
