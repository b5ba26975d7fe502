"""validate: every error with its place, in one run, in the form that was asked for."""

import json
import re
from pathlib import Path

import pytest

from gitops_prefix.cli.door import enter
from tests.gitrepo import commit_all, git
from tests.render.lists import GROUP, POOL
from tests.render.repository import PREFIX
from tests.render.services import TEN, service

HOME = PREFIX.decode()
STATUS = 'status:\n  currentPrefix: "2001:db8:a::/64"\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITOPS_PREFIX_OUTPUT", raising=False)
    return tmp_path


def snapshot(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(one): (one.read_bytes(), one.stat().st_mtime_ns)
        for one in root.rglob("*") if one.is_file()
    }  # fmt: skip


BAD = {
    "a suffix with prefix bits": (
        {"p.yaml": HOME.replace('"::f000:0:0:0"', '"1::f000:0:0:0"') + STATUS}, "p.yaml:9:25", "suffix-in-prefix",
    ),
    "a range upside down": (
        {"p.yaml": HOME.replace('start: "::5"', 'start: "::f"')}, "p.yaml:10:26", "range-reversed",
    ),
    "two ranges of one name": (
        {"p.yaml": HOME.replace("name: odd", "name: lb")}, "p.yaml:10:14", "duplicate-name",
    ),
    "no source at all": (
        {"p.yaml": HOME.replace("{interface: eth0}", "{}")}, "p.yaml:7:5", "no-source",
    ),
    "an acquisition of nothing": (
        {"p.yaml": HOME.replace("\n    routerAdvertisement: {interface: eth0}", " {}")}, "p.yaml:6:16", "no-source",
    ),
    "advertisements that are off": (
        {"p.yaml": HOME.replace("{interface: eth0}", "{interface: eth0, enabled: false}")}, "p.yaml:7:5", "no-source",
    ),
    "a string where a mapping belongs": (
        {"p.yaml": HOME.replace("{interface: eth0}", "eth0")}, "p.yaml:7:26", "wrong-type",
    ),
    "a status edited by hand": (
        {"p.yaml": HOME + "status:\n  currentPrefix: banana\n"}, "p.yaml:14:18", "invalid-value",
    ),
    "a range that is missing": (
        {"p.yaml": HOME, "m.yaml": POOL.replace("range: lb", "range: bl")}, "m.yaml:5:80", "unknown-address-range",
    ),
    "an annotation that names nothing": (
        {"m.yaml": POOL}, "m.yaml:5:41", "unknown-dynamic-prefix",
    ),
    "two DynamicPrefixes of one name": (
        {"p.yaml": HOME, "q.yaml": f"# again\n{HOME}"}, "q.yaml:5:9", "duplicate-dynamic-prefix",
    ),
    "YAML that does not parse": (
        {"p.yaml": HOME, "m.yaml": f"{GROUP}spec:\n  a: b: c\n"}, "m.yaml:7:7", "not-yaml",
    ),
    "not UTF-8": (
        {"p.yaml": HOME, "m.yaml": POOL.replace("name: p", "name: \udcfc")}, "m.yaml:4:9", "not-utf8",
    ),
    "a key twice": (
        {"p.yaml": HOME, "m.yaml": f"{GROUP}kind: X\n"}, "m.yaml:6:1", "duplicate-key",
    ),
    "an overlap": (
        {"p.yaml": HOME + STATUS, "m.yaml": f"{POOL}spec: {{blocks: [{{cidr: '2001:db8:a:0:f000::/70'}}]}}\n"},
        "m.yaml:6:17", "overlap",
    ),
    "a list that is none": (
        {"p.yaml": HOME + STATUS, "m.yaml": f"{POOL}spec: {{blocks: none}}\n"}, "m.yaml:6:16", "edit-refused",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    "command", [["validate"], ["render"], ["render", "--check"], ["render", "--diff"]], ids=" ".join
)
@pytest.mark.parametrize(("files", "place", "code"), BAD.values(), ids=BAD)
def test_one_message_with_its_place_and_nothing_changes(home, files, place, code, command, capsys):
    """validate and render agree: file:line:column, exit code 2, not a byte written."""
    for name, text in files.items():
        (home / name).write_bytes(text.encode(errors="surrogateescape"))
    before = snapshot(home)
    assert enter(command) == 2
    err = capsys.readouterr().err
    errors = [line for line in err.splitlines() if " error: " in line]
    assert len(errors) == 1, err
    assert errors[0].startswith(f"{place}: error: ")
    assert errors[0].endswith(f"[{code}]")
    after = snapshot(home)
    wrong = str(home / place.partition(":")[0])
    assert (after.keys(), after[wrong]) == (before.keys(), before[wrong])
    assert after == before or command == ["render"], "only `render` writes what is right"


def test_every_error_is_told_in_one_run(home, capsys):
    (home / "p.yaml").write_text(HOME)
    (home / "a.yaml").write_text(POOL.replace("range: lb", "range: x") + "---\n" + GROUP + "a: [\n")
    (home / "b.yaml").write_text(GROUP.replace("name: home", "name: hom"))
    assert enter(["validate", "--output", "json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    assert [(one["path"], one["line"], one["code"]) for one in answer["errors"]] == [
        ("a.yaml", 13, "not-yaml"),
        ("a.yaml", 5, "unknown-address-range"),
        # An error that a file in disrepair could explain waits until it is mended.
    ]


@pytest.mark.parametrize("command", [["validate"], ["render"], ["render", "--check"]], ids=" ".join)
def test_what_is_wrong_in_one_file_hides_nothing_in_another(home, command, capsys):
    """A typing error, and an overlap that only a rendering shows."""
    (home / "p.yaml").write_text(HOME + STATUS)
    (home / "a.yaml").write_text(POOL.replace("range: lb", "range: x"))
    (home / "b.yaml").write_text(f"{POOL}spec: {{blocks: [{{cidr: '2001:db8:a:0:f000::/70'}}]}}\n")
    assert enter([*command, "--output", "json"]) == 2
    answer = json.loads(capsys.readouterr().out)
    found = [(one["path"], one["code"]) for one in answer["errors"]]
    assert found == [("a.yaml", "unknown-address-range"), ("b.yaml", "overlap")]


def test_what_stops_a_rendering_stands_apart_from_what_is_only_told(home, capsys):
    """In JSON a warning is no error, in render as in validate."""
    (home / "p.yaml").write_text(HOME + STATUS)
    (home / "a.yaml").write_text(POOL.replace("range: lb", "range: x").replace("/v2", "/v2alpha1"))
    answers = []
    for command in ("validate", "render"):
        assert enter([command, "--output", "json"]) == 2
        answers.append(json.loads(capsys.readouterr().out))
    assert all(answers[0][key] == answers[1][key] for key in ("errors", "warnings"))
    assert [one["code"] for one in answers[0]["errors"]] == ["unknown-address-range"]
    assert [one["code"] for one in answers[0]["warnings"]] == ["old-api-version"]


def test_every_observation_that_is_wrong_is_told_in_one_run(home, capsys):
    (home / "p.yaml").write_text(HOME)
    words = [
        "--prefix",
        "hom=2001:db8::/64",
        "--prefix",
        "home=2001:db8::/80",
        "--prefix",
        "x=::/64",
    ]
    assert enter(["render", "--output", "json", *words]) == 2
    codes = [one["code"] for one in json.loads(capsys.readouterr().out)["errors"]]
    assert codes == [
        "prefix-refused",
        "unknown-dynamic-prefix",
        "unknown-dynamic-prefix",
        "does-not-fit",
    ]


@pytest.mark.parametrize("command", [["validate"], ["render", "--check"]], ids=" ".join)
def test_what_the_next_prefix_would_be_refused_for_is_refused_now(home, command, capsys):
    """An alias follows its anchor unseen; the value is right today, and nothing is edited."""
    marker = '{"$dynamicprefix": "home:lb:cidrs"}'
    (home / "p.yaml").write_text(HOME + STATUS)
    (home / "b.yaml").write_text(f'n: ["2001:db8:a:0:f000::/68"]  # {marker}\nx: "a\u2028b"\n')
    enter(["render"])
    capsys.readouterr()
    assert enter([*command, "--output", "json"]) == 2
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert (error["path"], error["line"], error["code"]) == ("b.yaml", 2, "edit-refused")
    assert "the next prefix is refused" in error["message"]


DELEGATION = """\
    dhcpv6pd: {interface: eth0, requestedPrefixLength: 56}
    routerAdvertisement: {interface: eth0}
"""


@pytest.mark.parametrize(
    ("acquisition", "subnet", "codes"),
    [
        ("", 255, {"may-not-fit"}),
        (DELEGATION, 255, {"fallback-may-not-fit"}),
        ("", 0, set()),
    ],
    ids=["in a /64", "beside a delegation", "that fits"],
)
def test_a_subnet_is_measured_before_the_first_prefix(home, acquisition, subnet, codes, capsys):
    plain = "    routerAdvertisement: {interface: eth0}\n"
    text = HOME.replace(plain, acquisition or plain).replace(
        "offset: 1, prefixLength: 72", f"offset: {subnet}, prefixLength: 64"
    )
    (home / "p.yaml").write_text(text)
    assert enter(["validate", "--output", "json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    assert {warning["code"] for warning in warnings} - {"waits-for-prefix"} == codes


def test_a_clean_directory_is_0(home, capsys):
    """A note is told, and is no error."""
    (home / "p.yaml").write_text(HOME)
    (home / "m.yaml").write_text(POOL)
    assert enter(["validate"]) == 0
    out, err = capsys.readouterr()
    assert out == "1 DynamicPrefix, 1 managed field, 0 errors\n"
    assert err.startswith("p.yaml:4:9: notice: DynamicPrefix home has no prefix yet")


def test_json_holds_errors_and_warnings(home, capsys):
    (home / "p.yaml").write_text(HOME + STATUS)
    (home / "m.yaml").write_text(GROUP.replace("cilium.io/v2", "cilium.io/v2alpha1"))
    assert enter(["validate", "--output", "json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["errors"] == []
    assert [one["code"] for one in answer["warnings"]] == ["old-api-version"]
    assert list(answer["warnings"][0]) == ["path", "line", "column", "code", "message"]


def test_the_way_to_a_first_prefix_has_the_length_that_is_asked_for(home, capsys):
    """A /64 would have no room for subnets of a delegation."""
    source = "dhcpv6pd: {interface: eth0, requestedPrefixLength: 60}"
    (home / "p.yaml").write_text(HOME.replace("routerAdvertisement: {interface: eth0}", source))
    enter(["validate"])
    assert "`gitops-prefix render --prefix home=…/60`" in capsys.readouterr().err


def test_github_puts_each_beside_its_line(home, capsys):
    """Workflow commands, on stdout, with `%`, `,` and `:` escaped as their toolkit does."""
    name = "a,b:c%.yaml"
    (home / name).write_text(POOL.replace("name: home", 'name: "100%\\n"'))
    assert enter(["validate", "--output", "github"]) == 2
    out, err = capsys.readouterr()
    assert err == ""
    head, message = re.fullmatch(r"::error (.*?)::(.*)\n", out).groups()
    assert head == "title=unknown-dynamic-prefix,file=a%2Cb%3Ac%25.yaml,line=5,col=41"
    assert 'DynamicPrefix "100%25\\n" is not in' in message, "a line break is shown"


@pytest.mark.parametrize("words", [["validate"], ["render", "--check"]], ids=" ".join)
def test_a_check_of_a_directory_with_nothing_managed_is_2(words, tmp_path, capsys):
    """CI in the wrong directory must not be green for ever."""
    (tmp_path / "a.yaml").write_text("a: b\n")
    assert enter([*words, str(tmp_path), "--output", "json"]) == 2
    [error] = json.loads(capsys.readouterr().out)["errors"]
    assert error["code"] == "nothing-managed"
    assert enter([*words, "--path", "nope", str(tmp_path)]) == 2
    assert enter(["render", str(tmp_path)]) == 0


NEVER_ANNOUNCED = {
    "link-local": ("fe80::/64", "is link-local"),
    "inside link-local": ("fe80:1::/64", "is link-local"),
    "multicast": ("ff02::/64", "is multicast"),
    "IPv4": ("192.0.2.0/24", "is IPv4"),
    "IPv4 without a length": ("192.0.2.1", "is IPv4"),
    "IPv4-mapped": ("::ffff:192.0.2.0/120", "is IPv4-mapped"),
}


@pytest.mark.parametrize(("prefix", "words"), NEVER_ANNOUNCED.values(), ids=NEVER_ANNOUNCED)
@pytest.mark.parametrize("command", ["render", "template", "simulate"])
def test_a_prefix_that_no_router_announces_is_refused(command, prefix, words, home, capsys):
    (home / "p.yaml").write_text(HOME)
    assert enter([command, "--prefix", f"home={prefix}"]) == 2
    assert f'"{prefix}" {words}' in capsys.readouterr().err
    assert (home / "p.yaml").read_text() == HOME


def test_what_lost_its_annotation_is_found_in_a_file_that_nothing_else_reads(home, capsys):
    """Nothing in the file names gitops-prefix any more."""
    annotated = f"{POOL}spec: {{}}\n"
    (line,) = (line for line in annotated.splitlines() if "dynamic-prefix.io/" in line)
    (home / "home.yaml").write_bytes(PREFIX)
    (home / "pool.yaml").write_text(annotated)
    assert enter(["render", "--prefix", "home=2001:db8:a::/64"]) == 0
    written = (home / "pool.yaml").read_text()
    (home / "pool.yaml").write_text(written.replace(f"{line}\n", ""))
    capsys.readouterr()
    assert enter(["validate", "--output", "json"]) == 0
    (warning,) = json.loads(capsys.readouterr().out)["warnings"]
    assert (warning["code"], warning["path"]) == ("left-over", "pool.yaml")
    assert "2001:db8:a:0:f000::" in warning["message"]


SENT = {
    "listed": ("kustomization.yaml", "resources: [./home.yaml]", "", True),
    "listed by a directory above": (
        "../kustomization.yml",
        "resources:\n- below/home.yaml",
        "",
        True,
    ),
    "not listed": ("kustomization.yaml", "resources: [other.yaml]", "", False),
    "left out": ("kustomization.yaml", "resources: [home.yaml]", '"true"', False),
    "left out, as kustomize reads it": (
        "kustomization.yaml",
        "resources: [home.yaml]",
        '""',
        False,
    ),
    "not left out": ("kustomization.yaml", "resources: [home.yaml]", '"false"', True),
    "the third name": ("Kustomization", "resources: [home.yaml]", "", True),
    "a list that is none": ("kustomization.yaml", "resources: home.yaml", "", False),
    "a file that is no YAML": ("kustomization.yaml", "resources: [home.yaml", "", False),
}


@pytest.mark.parametrize(
    ("target", "words", "noted"),
    [
        ("outside", [], True),
        ("outside", ["--exclude", "link"], False),
        ("home/base", [], False),
        ("home/base", ["--path", "apps"], False),
    ],
)
def test_a_link_out_of_the_directory_is_noted_unless_it_is_ignored(
    home, capsys, target, words, noted
):
    for name in ("outside", "home/base", "home/apps"):
        (home / name).mkdir(parents=True)
    (home / "home" / "apps" / "prefix.yaml").write_text(HOME)
    (home / "home" / "apps" / "link").symlink_to(home / target)
    enter(["validate", "home", *words])
    assert ("[link-not-followed]" in capsys.readouterr().err) is noted


@pytest.mark.parametrize(("path", "text", "local", "warned"), SENT.values(), ids=SENT)
def test_a_dynamic_prefix_that_kustomize_sends_to_the_cluster(
    home, capsys, path, text, local, warned
):
    """One that nobody lists may be applied by nobody."""
    below = home / "below"
    below.mkdir()
    annotation = f"  annotations: {{config.kubernetes.io/local-config: {local}}}\n"
    name = "metadata:\n  name: home\n"
    document = HOME.replace(name, name + annotation) if local else HOME
    (below / "home.yaml").write_text(document)
    (below / path).write_text(text)
    root = str(home if path.startswith("..") else below)
    assert enter(["validate", root, "--output", "json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    found = [each["path"] for each in warnings if each["code"] == "reaches-the-cluster"]
    assert found == (
        ["below/home.yaml" if path.startswith("..") else "home.yaml"] if warned else []
    )


METALLB = {
    "no word of families": ("", "", True),
    "one family, whichever": ("", "  ipFamilyPolicy: SingleStack\n", True),
    "IPv6": ("", "  ipFamilies: [IPv6]\n", False),
    "both, with their IPv4": ("192.0.2.7", "  ipFamilyPolicy: PreferDualStack\n", False),
}


@pytest.mark.parametrize(("ips", "families", "warned"), METALLB.values(), ids=METALLB)
def test_a_service_of_metallb_that_names_no_family_comes_with_the_remedy(
    home, ips, families, warned, capsys
):
    """In a cluster of IPv4 it has no address at all, and nothing in the cluster says why."""
    annotations = (TEN, f'metallb.io/loadBalancerIPs: "{ips}"')
    (home / "p.yaml").write_text(HOME + "  transition: {mode: ha}\n")
    (home / "service.yaml").write_text(service(*annotations) + families)
    assert enter(["validate", "--output", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["warnings"]
    messages = [one["message"] for one in found if one["code"] == "family-not-named"]
    assert len(messages) == warned
    assert all("spec.ipFamilies to [IPv6]" in message for message in messages)


def test_a_subnet_that_nothing_announces_comes_with_the_manifest_to_add(home, capsys):
    advertised = "offset: 1, prefixLength: 72, bgp: {advertise: true}"
    (home / "p.yaml").write_text(HOME.replace("offset: 1, prefixLength: 72", advertised))
    assert enter(["validate", "--output", "json"]) == 0
    [problem] = [
        each
        for each in json.loads(capsys.readouterr().out)["warnings"]
        if each["code"] == "advertisement-missing"
    ]
    (home / "bgp.yaml").write_text(problem["message"].split("labels of yours: ")[1])
    assert enter(["validate"]) == 0
    assert "advertisement-missing" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", [POOL, 'n: []  # {"$dynamicprefix": "home:lb:cidrs"}\n'], ids=["annotated", "marked"]
)
def test_a_dynamic_prefix_outside_of_the_path_is_named_with_its_file(home, text, capsys):
    (home / "infra").mkdir()
    (home / "apps").mkdir()
    (home / "infra" / "p.yaml").write_text(HOME)
    (home / "apps" / "m.yaml").write_text(text)
    assert enter(["validate", "--path", "apps"]) == 2
    assert 'It is in infra/p.yaml, outside of --path "apps"' in capsys.readouterr().err
    assert enter(["validate"]) == 0


def test_a_list_outside_of_the_path_stops_no_check(home, capsys):
    (home / "apps").mkdir()
    (home / "apps" / "p.yaml").write_text(HOME)
    (home / "gitops-prefix.yaml").write_text("lists: [{path: lb.txt, dynamicPrefix: home}]\n")
    assert enter(["validate", "--path", "apps"]) == 0
    assert '"lb.txt" is outside of --path "apps"' in capsys.readouterr().err
    assert enter(["validate"]) == 2
    assert '"lb.txt" is not there' in capsys.readouterr().err
    (home / "lb.txt").touch()
    assert enter(["validate"]) == 0


JSON = """\
{"apiVersion": "cilium.io/v2", "kind": "CiliumLoadBalancerIPPool", "metadata": {"name": "pool",
 "annotations": {"dynamic-prefix.io/name": "home"}}, "spec": {"blocks": []}}
"""


def test_an_annotated_manifest_in_json_is_named_with_its_remedy(tmp_path, capsys):
    """JSON is a part of YAML: only the name of the file keeps it from being read."""
    (tmp_path / "prefix.yaml").write_text(HOME)
    (tmp_path / "pool.json").write_text(JSON)
    (tmp_path / "schema.json").write_text('{"const": "dynamic-prefix.io/v1alpha1"}\n')
    for command in (["validate"], ["render"], ["render", "--check"], ["doctor"]):
        enter([*command, str(tmp_path)])
        out, err = capsys.readouterr()
        assert "pool.json:1:1: " in out + err
        assert "rename the file to .yaml" in out + err
        assert "schema.json" not in out + err
    assert enter(["validate", str(tmp_path), "--exclude", "*.json"]) == 0
    assert "pool.json" not in capsys.readouterr().err
    (tmp_path / "prefix.yaml").unlink()
    assert enter(["validate", str(tmp_path)]) == 2
    assert "pool.json: has annotations of ours" in capsys.readouterr().err


def test_a_file_with_a_marker_that_nothing_reads_is_named_with_the_reason(tmp_path, capsys):
    (tmp_path / "zone.txt").write_text('2001:db8::1 # {"$dynamicprefix": "home:rewrite"}\n')
    (tmp_path / ".gitops-prefixignore").write_text("*.txt\n")
    assert enter(["validate", str(tmp_path)]) == 2
    assert "is read: zone.txt: .gitops-prefixignore or" in capsys.readouterr().err


def test_a_managed_manifest_in_a_submodule_is_named_with_its_remedy(tmp_path, capsys):
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for place, name, text in ((inner, "pool.yaml", POOL), (outer, "prefix.yaml", HOME)):
        place.mkdir()
        (place / name).write_text(text)
        commit_all(place)
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "infra")
    commit_all(outer)
    for command in (["validate"], ["render"], ["render", "--check"], ["doctor"]):
        enter([*command, str(outer)])
        out, err = capsys.readouterr()
        assert "infra/pool.yaml:1:1: " in out + err
        assert "such as a submodule" in out + err
    assert enter(["validate", str(outer), "--exclude", "infra/"]) == 0
    assert "infra" not in capsys.readouterr().err


@pytest.mark.parametrize("words", [["validate"], ["render", "--check"]], ids=" ".join)
def test_a_path_in_a_submodule_is_named_as_the_cause(words, tmp_path, capsys):
    """With its files, and as most pipelines check it out, without."""
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    (inner / "deep").mkdir(parents=True)
    (inner / "deep" / "pool.yaml").write_text(POOL)
    commit_all(inner)
    outer.mkdir()
    (outer / "prefix.yaml").write_text(HOME)
    commit_all(outer)
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "infra")
    commit_all(outer)
    for path in ("infra", "infra/deep/"):
        assert enter([*words, str(outer), "--path", path]) == 2
        said = capsys.readouterr().err
        assert "infra/deep/pool.yaml: has a managed field, and is in another Git repository" in said
    git(outer, "submodule", "--quiet", "deinit", "-f", "infra")
    assert enter([*words, str(outer), "--path", "infra"]) == 2
    assert "is read: infra: is a Git submodule without its files" in capsys.readouterr().err
