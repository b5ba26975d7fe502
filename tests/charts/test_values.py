"""Values that are refused, each with a message that says which and why; and values that do."""

from hashlib import sha256

import pytest

from gitops_prefix.apply.election import Durations
from gitops_prefix.decide.fields import parse_duration
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
    "probes that reach nobody": ({"source": "static", "http": {"host": "::1"}}, "http.host: with source: static"),
    "metrics that nobody reaches": ({"http": {"host": "127.0.0.1"}, "metrics": {"podMonitor": {"enabled": True}}}, "http.host: on 127.0.0.1"),
    "a flag that needs a role": ({"args": ["--leader-elect"]}, "args: --leader-elect needs a role, which the chart adds for a value: set leaderElection.enabled"),
    "a flag with its value that needs a role": ({"args": ["--apply=fallback"]}, "args: --apply=fallback needs a role"),
    "a variable that needs a role": ({"env": [{"name": "GITOPS_PREFIX_EVENTS", "value": "true"}]}, "env: GITOPS_PREFIX_EVENTS needs a role"),
    "a flag that has a value of its own": ({"args": ["--branch", "x"]}, "args: --branch is set by another value"),
    "an option that is no duration": ({"options": {"interval": "abc"}}, "at '/options/interval'"),
    "a label that finds the pods": ({"podLabels": {"app.kubernetes.io/name": "x"}}, "podLabels: app.kubernetes.io/name is what the workload finds its pods by"),
    "a label of all that finds the pods": ({"commonLabels": {"app.kubernetes.io/instance": "x"}}, "commonLabels: app.kubernetes.io/instance is"),
    "an object that is none": ({"extraObjects": [{"a": "b"}]}, "at '/extraObjects/0'"),
    "a label that no label can be": ({"podLabels": {"a": "@x"}}, "at '/podLabels/a'"),
    "a label of all that no label can be": ({"commonLabels": {"a": "{{ }}"}}, "at '/commonLabels/a'"),
    "a volume that is the chart's": ({"extraVolumes": [{"name": "clone", "emptyDir": {}}]}, "extraVolumes: clone is a volume of this chart"),
    "a mount where the chart has one": ({"extraVolumeMounts": [{"name": "a", "mountPath": "/tmp/"}]}, "extraVolumeMounts: this chart mounts /tmp itself"),
    "a container that is the daemon's": ({"extraContainers": [{"name": "gitops-prefix", "image": "x"}]}, "extraContainers: gitops-prefix is"),
    "one port for two": ({"webhook": {"enabled": True, "port": 8080}}, "webhook.port: 8080 is the port of http, too"),
    "a Service before two daemons": ({"replicas": 2, "webhook": {"enabled": True, "service": {"enabled": True}}}, "webhook.service.enabled: a Service hands each update to one pod"),
    "a Service before a daemon on each node": ({"kind": "DaemonSet", "webhook": {"enabled": True, "service": {"enabled": True}}}, "webhook.service.enabled: a Service hands each"),
    "a Service of updates whose name begins with a digit": ({"fullnameOverride": "1a", "webhook": {"enabled": True, "service": {"enabled": True}}}, "webhook.service.enabled: the name of a Service"),
    "updates without credentials": ({"webhook": {"enabled": True, "existingSecret": ""}}, "at '/webhook/existingSecret'"),
    "two monitors": ({"metrics": {"podMonitor": {"enabled": True}, "service": {"enabled": True}, "serviceMonitor": {"enabled": True}}}, "each pod would be asked twice"),
    "a name that is too long": ({"fullnameOverride": "a" * 53}, "at '/fullnameOverride': maxLength"),
    "a name with a dot": ({"fullnameOverride": "a.b"}, "at '/fullnameOverride'"),
    "a Service whose name begins with a digit": ({"fullnameOverride": "1a", "metrics": {"service": {"enabled": True}}}, "metrics.service.enabled: the name of a Service begins with a letter"),
    "times of the Lease that client-go refuses": ({"leaderElection": {"enabled": True}, "options": {"retry-period": "9.9s"}}, "options: lease-duration 15s must be longer than renew-deadline 10s, and that longer than 1.2 times retry-period 9.9s"),
    "a time of the Lease, as a flag": ({"leaderElection": {"enabled": True}, "args": ["--lease-duration=9s"]}, "lease-duration 9s must be longer than renew-deadline 10s"),
    "a time of the Lease, as a flag and its value": ({"leaderElection": {"enabled": True}, "args": ["--lease-duration", "9s"]}, "lease-duration 9s must be longer than renew-deadline 10s"),
    "a time of the Lease, as a variable": ({"leaderElection": {"enabled": True}, "env": [{"name": "GITOPS_PREFIX_RENEW_DEADLINE", "value": "2.3s"}]}, "1.2 times retry-period 2s"),
    "a probe's time that is none": ({"livenessProbe": {"period": 3}}, "at '/livenessProbe'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_words_that_name_the_value(case, tmp_path):
    values, message = REFUSED[case]
    answer = template(tmp_path, values)
    assert answer.returncode != 0
    assert message in answer.stderr
    assert not answer.stdout
    assert SECRET not in answer.stderr


TIMES = [
    ("15s", "10s", "2s"),
    ("15s", "10s", "9.9s"),
    ("15s", "10s", "8s"),
    ("15s", "10s", "0"),
    ("10s", "10s", "2s"),
    ("1m30s", "89s", "1s"),
    ("1m30s", "1m30s500ms", "1s"),
    ("1h", "59m", "40m"),
    ("0.5s", "400ms", "0.1s"),
    ("1d", "23h", "20h"),
]


@pytest.mark.parametrize("times", TIMES, ids=" ".join)
def test_the_times_of_the_lease_are_taken_where_the_daemon_takes_them(times, tmp_path):
    names = ("lease-duration", "renew-deadline", "retry-period")
    options = dict(zip(names, times, strict=True))
    values = {"leaderElection": {"enabled": True}, "options": options}
    try:
        Durations(*(parse_duration(text).total_seconds() for text in times))
        taken = True
    except ValueError:
        taken = False
    assert (template(tmp_path, values).returncode == 0) is taken
    without = {**values, "leaderElection": {"enabled": False}}
    assert template(tmp_path, without).returncode == 0


def pod(objects):
    (workload,) = [one for one in objects if one["kind"] in {"Deployment", "DaemonSet"}]
    return workload["spec"]["template"]["spec"]


THE_LINK = {"host namespaces", "hostPort", "probe or lifecycle host"}
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
    "who may send updates": ({"webhook": {"enabled": True}}, ["GITOPS_PREFIX_WEBHOOK_CREDENTIALS"]),
    "the certificate of updates": ({"webhook": {"enabled": True, "tls": {"existingSecret": "tls"}}}, ["GITOPS_PREFIX_WEBHOOK_CERT", "GITOPS_PREFIX_WEBHOOK_KEY"]),
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
    "topologySpreadConstraints": [{"maxSkew": 1, "labelSelector": {}}],
    "runtimeClassName": "gvisor",
    "dnsPolicy": "Default",
    "dnsConfig": {"nameservers": ["2001:db8::53"]},
    "hostAliases": [{"ip": "2001:db8::1", "hostnames": ["git.example.com"]}],
    "initContainers": [{"name": "wait", "image": "busybox"}],
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


LONG = "a" * 43 + "-" + sha256(("a" * 53 + "-gitops-prefix").encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("release", "name"),
    [("gitops-prefix", "gitops-prefix"), ("home", "home-gitops-prefix"), ("a" * 53, LONG)],
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


def test_texts_that_yaml_takes_for_something_else_stay_texts(tmp_path):
    """ "on" is a boolean to YAML 1.1, and "123" a number to every one."""
    values = {
        "fullnameOverride": "123",
        "nameOverride": "1e3",
        "serviceAccount": {"name": "123"},
        "auth": {"ssh": {"existingSecret": "on"}},
        "signing": {"existingSecret": "n"},
        "ca": {"existingConfigMap": "y"},
        "notify": {"hooks": ["flux=https://host/hook"], "existingSecret": "null"},
        "persistence": {"enabled": True, "existingClaim": "0x1"},
        "priorityClassName": "off",
        "apply": {"mode": "fallback", "serviceNamespaces": ["on"], "configMapNamespaces": ["1e3"]},
        "requestReconcile": ["gitrepository:1e3/on"],
        "leaderElection": {"enabled": True},
        "options": {"lease-namespace": "1e3"},
    }
    objects = rendered(tmp_path, values, release="123", namespace="456", tests=True)

    def texts(found):
        if isinstance(found, dict):
            for key, each in found.items():
                named = key.endswith("ame") or key in {"namespace", "value", "resourceNames"}
                yield from [each] if named and not isinstance(each, dict | list) else texts(each)
        elif isinstance(found, list):
            yield from (each for item in found for each in texts(item))

    assert {type(text) for one in objects for text in texts(one)} == {str}
    labels = [one["metadata"]["labels"] for one in objects]
    assert {type(text) for each in labels for text in each.values()} == {str}


def test_a_lease_elsewhere_has_its_role_there_and_a_name_that_no_other_release_has(tmp_path):
    values = {"leaderElection": {"enabled": True}, "options": {"lease-namespace": "leases"}}
    objects = rendered(tmp_path, values)
    (role,), (binding,) = of_kind("Role", objects), of_kind("RoleBinding", objects)
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "leases"
    (container,) = pod(objects)["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_LEASE_NAME"] == "gitops-prefix.gitops-prefix"
    assert role["rules"][1]["resourceNames"] == ["gitops-prefix.gitops-prefix"]


def test_no_two_releases_have_one_cluster_role(tmp_path):
    """Namespace `a` with release `b-c`, and namespace `a-b` with release `c`."""
    values = {"apply": {"mode": "fallback"}, "events": True}
    names = [
        {one["metadata"]["name"] for one in of_kind("ClusterRole", objects)}
        for objects in (
            rendered(tmp_path, values, release="b-c", namespace="a"),
            rendered(tmp_path, values, release="c", namespace="a-b"),
        )
    ]
    assert len(names[0]) == 2 and not names[0] & names[1]


def test_rules_for_what_markers_bind_are_the_users_to_add(tmp_path):
    rule = {"apiGroups": ["helm.toolkit.fluxcd.io"], "resources": ["helmreleases"], "verbs": ["get", "patch"]}  # fmt: skip
    objects = rendered(tmp_path, {"rbac": {"extraRules": [rule]}})
    (role,) = of_kind("ClusterRole", objects)
    assert role["rules"] == [rule]
    assert pod(objects)["automountServiceAccountToken"] is True


def test_a_claim_outlives_its_release_unless_that_is_not_wanted(tmp_path):
    """Commits may wait in it for a remote that is away."""
    claims = [
        of_kind("PersistentVolumeClaim", rendered(tmp_path, {"persistence": persistence}))[0]
        for persistence in (
            {"enabled": True, "annotations": {"a": "b"}, "labels": {"c": "d"}},
            {"enabled": True, "keep": False},
        )
    ]
    assert claims[0]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep", "a": "b"}
    assert claims[0]["metadata"]["labels"]["c"] == "d"
    assert "annotations" not in claims[1]["metadata"]


def test_common_labels_and_annotations_are_on_every_object_and_on_the_pods(tmp_path):
    values = {
        "commonLabels": {"team": "home"},
        "commonAnnotations": {"owner": "me"},
        "annotations": {"reloader.stakater.com/auto": "true"},
        "podLabels": {"app.kubernetes.io/version": "mine"},
        "persistence": {"enabled": True},
        "metrics": {
            name: {"enabled": True} for name in ("podMonitor", "prometheusRule", "service")
        },
        "apply": {"mode": "always"},
    }
    objects = rendered(tmp_path, values, tests=True)
    for one in objects:
        assert one["metadata"]["labels"]["team"] == "home", one["kind"]
        if one["kind"] != "Pod":
            assert one["metadata"]["annotations"]["owner"] == "me", one["kind"]
    (deployment,) = of_kind("Deployment", objects)
    assert deployment["metadata"]["annotations"]["reloader.stakater.com/auto"] == "true"
    template = deployment["spec"]["template"]["metadata"]
    assert template["labels"]["team"] == "home" and template["annotations"] == {"owner": "me"}
    assert template["labels"]["app.kubernetes.io/version"] == "mine"
    assert "team" not in deployment["spec"]["selector"]["matchLabels"]


def test_probes_and_security_contexts_are_the_users_to_tune(tmp_path):
    values = {
        "livenessProbe": {"periodSeconds": 60},
        "startupProbe": {"periodSeconds": 10, "failureThreshold": 60},
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "securityContext": {"readOnlyRootFilesystem": False, "runAsUser": 1000},
    }
    spec = pod(rendered(tmp_path, values))
    (container,) = spec["containers"]
    assert container["livenessProbe"]["periodSeconds"] == 60
    assert container["livenessProbe"]["failureThreshold"] == 4
    assert container["startupProbe"]["failureThreshold"] == 60
    assert container["startupProbe"]["httpGet"]["path"] == "/healthz"
    assert not spec["securityContext"].keys() & {"runAsUser", "runAsGroup", "fsGroup"}
    assert spec["securityContext"]["runAsNonRoot"] is True
    context = container["securityContext"]
    assert (context["readOnlyRootFilesystem"], context["runAsUser"]) == (False, 1000)
    assert context["capabilities"] == {"drop": ["ALL"], "add": ["NET_RAW"]}


def test_replicas_prefer_nodes_of_their_own(tmp_path):
    objects = rendered(tmp_path, {"replicas": 2, "topologySpreadConstraints": [{"maxSkew": 1}]})
    spec = pod(objects)
    (term,) = spec["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    (deployment,) = of_kind("Deployment", objects)
    selector = deployment["spec"]["selector"]
    assert term["podAffinityTerm"]["labelSelector"] == selector
    assert spec["topologySpreadConstraints"] == [{"maxSkew": 1, "labelSelector": selector}]
    assert "affinity" not in pod(rendered(tmp_path))


def test_containers_variables_and_objects_of_the_users_own(tmp_path):
    values = {
        "envFrom": [{"secretRef": {"name": "proxy"}}],
        "extraContainers": [{"name": "sidecar", "image": "busybox"}],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}},
            'apiVersion: v1\nkind: Secret\nmetadata: {name: "{{ .Release.Name }}-two"}',
        ],
        "revisionHistoryLimit": 3,
    }
    objects = rendered(tmp_path, values)
    daemon, sidecar = pod(objects)["containers"]
    assert daemon["envFrom"] == values["envFrom"] and sidecar == values["extraContainers"][0]
    assert of_kind("ConfigMap", objects)[0]["metadata"]["name"] == "one"
    assert of_kind("Secret", objects)[0]["metadata"]["name"] == "gitops-prefix-two"
    assert of_kind("Deployment", objects)[0]["spec"]["revisionHistoryLimit"] == 3


def test_the_release_is_tested_by_doctor_in_a_pod_that_nothing_else_finds(tmp_path):
    objects = rendered(tmp_path, {"apply": {"mode": "fallback"}}, tests=True)
    (test,), (deployment,) = of_kind("Pod", objects), of_kind("Deployment", objects)
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    (container,), (daemon,) = test["spec"]["containers"], pod(objects)["containers"]
    assert (container["args"], daemon["args"]) == (["doctor"], ["run"])
    assert [one for one in container["env"] if one["name"] != "TMPDIR"] == daemon["env"]
    assert "ports" not in container and "livenessProbe" not in container
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= test["metadata"]["labels"].items()
    assert test["spec"]["serviceAccountName"] == deployment["spec"]["template"]["spec"]["serviceAccountName"]  # fmt: skip
    assert not of_kind("Pod", rendered(tmp_path, {"tests": {"enabled": False}}, tests=True))


def test_a_monitor_in_another_namespace_still_finds_the_pods(tmp_path):
    monitor = {
        "enabled": True,
        "namespace": "monitoring",
        "scrapeTimeout": "5s",
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"action": "keep", "regex": "gitops_.*"}],
    }
    rule = {"alert": "Mine", "expr": "vector(1)"}
    rules = {"enabled": True, "namespace": "monitoring", "extraRules": [rule]}
    objects = rendered(tmp_path, {"metrics": {"podMonitor": monitor, "prometheusRule": rules}})
    (found,), (alerts,) = of_kind("PodMonitor", objects), of_kind("PrometheusRule", objects)
    assert found["metadata"]["namespace"] == alerts["metadata"]["namespace"] == "monitoring"
    assert found["spec"]["namespaceSelector"] == {"matchNames": ["gitops-prefix"]}
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    for name in ("scrapeTimeout", "relabelings", "metricRelabelings"):
        assert endpoint[name] == monitor[name]
    assert alerts["spec"]["groups"][-1]["rules"] == [rule]


@pytest.mark.parametrize(
    ("host", "listens"), [("", ":8081"), ("192.0.2.1", "192.0.2.1:8081"), ("::", "[::]:8081")]
)
def test_updates_have_a_port_and_a_service_of_their_own(host, listens, tmp_path):
    service = {"enabled": True, "type": "NodePort", "port": 80, "annotations": {"a": "b"}}
    values = {"webhook": {"enabled": True, "host": host, "service": service}, "source": "static"}
    objects = rendered(tmp_path, values | {"networkPolicy": {"enabled": True}})
    (container,) = pod(objects)["containers"]
    environment = {one["name"]: one["value"] for one in container["env"]}
    assert environment["GITOPS_PREFIX_WEBHOOK_LISTEN"] == listens
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    assert ports == {"http": 8080, "webhook": 8081}
    (made,) = of_kind("Service", objects)
    assert made["metadata"]["name"] == "gitops-prefix-webhook"
    assert made["metadata"]["annotations"] == {"a": "b"}
    assert made["spec"]["type"] == "NodePort"
    assert made["spec"]["ports"] == [
        {"name": "webhook", "port": 80, "targetPort": "webhook", "protocol": "TCP"}
    ]
    (policy,) = of_kind("NetworkPolicy", objects)
    assert [one["port"] for one in policy["spec"]["ingress"][0]["ports"]] == ["http", "webhook"]


def test_without_updates_there_is_nothing_of_them(tmp_path):
    service = {"enabled": True}
    objects = rendered(tmp_path, {"webhook": {"service": service, "tls": {"existingSecret": "x"}}})
    assert not of_kind("Service", objects)
    assert "webhook" not in str(objects)
