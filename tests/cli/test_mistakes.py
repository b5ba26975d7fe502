"""The mistakes of a first hour: each gives words and the promised exit code, and changes no byte.

The house is rendered and right; each row breaks one thing in it.
"""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from gitops_prefix.cli.door import enter
from tests.branch import bare_repository
from tests.cli.directories import snapshot
from tests.gitrepo import git

NOON = "2026-11-24T12:00:00Z"
PREFIX = """\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home-ipv6
spec:
  acquisition:
    routerAdvertisement:
      interface: eth0
  addressRanges:
    - name: loadbalancers
      start: "::f000:0:0:0"
      end: "::ffff:ffff:ffff:ffff"
  transition:
    mode: ha
    maxPrefixHistory: 2
"""
POOL = """\
apiVersion: cilium.io/v2
kind: CiliumLoadBalancerIPPool
metadata:
  name: pool
  annotations:
    dynamic-prefix.io/name: home-ipv6
    dynamic-prefix.io/address-range: loadbalancers
spec:
  blocks: []
"""
GROUP = POOL.replace("CiliumLoadBalancerIPPool", "CiliumCIDRGroup").replace(
    "blocks", "externalCIDRs"
)
SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: plex
  namespace: media
  annotations:
    dynamic-prefix.io/name: home-ipv6
    dynamic-prefix.io/service-address-range: loadbalancers
    dynamic-prefix.io/suffix: "::f000:0:0:10"
    dynamic-prefix.io/ipv6-only: "true"
spec:
  type: LoadBalancer
  ipFamilies: [IPv6]
"""
VALUES = """\
ip: "2001:db8:a:0:f000::77"  # {"$dynamicprefix": "home-ipv6:loadbalancers:address:::f000:0:0:77"}
"""
HOUSE = {
    "prefix.yaml": PREFIX,
    "pool.yaml": POOL,
    "group.yaml": GROUP,
    "service.yaml": SERVICE,
    "values.yaml": VALUES,
}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OUTPUT", "PREFIX", "PATH", "CONFIG", "REPO", "EXCLUDE"):
        monkeypatch.delenv(f"GITOPS_PREFIX_{name}", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Path:
    """A directory in which all is right."""
    root = tmp_path / "home-ops"
    root.mkdir()
    monkeypatch.chdir(root)
    for name, text in HOUSE.items():
        (root / name).write_text(text)
    assert enter(["render", "--prefix", "home-ipv6=2001:db8:a::/64", "--now", NOON]) == 0
    assert enter(["validate"]) == 0
    assert enter(["render", "--check"]) == 0
    capsys.readouterr()
    return root


class Slip(NamedTuple):
    """One thing that is broken, and what is said of it.

    Attributes:
        file: that is edited.
        old: what stood there.
        new: what is there instead.
        code: of the problem.
        words: what the message has, beside the place.
        line: of the place.
        warning: whether the exit code stays 0.
    """

    file: str
    old: str
    new: str
    code: str
    words: str
    line: int
    warning: bool = False


def acquisition(text: str) -> tuple[str, str, str]:
    old = "    routerAdvertisement:\n      interface: eth0\n"
    return "prefix.yaml", old, text


ERRORS = {
    # --- the source ---
    "no interface": Slip(*acquisition("    routerAdvertisement: {}\n"), "no-source", "write its interface", 7),
    "nothing in the acquisition": Slip(
        "prefix.yaml", "acquisition:\n    routerAdvertisement:\n      interface: eth0\n", "acquisition: {}\n",
        "no-source", "there is no source", 6,
    ),
    "off": Slip("prefix.yaml", "eth0", "eth0\n      enabled: false", "no-source", "remove enabled: false", 7),
    "a bare webhook": Slip(*acquisition("    webhook:\n"), "empty-field", "write `webhook: {}`", 7),
    "a bare fritzbox beside advertisements": Slip(
        "prefix.yaml", "eth0", "eth0\n    fritzbox: null", "empty-field", "write `fritzbox: {}`", 9,
    ),
    "a bare file": Slip(*acquisition("    file:\n"), "empty-field", "{path: /run/prefix}", 7),
    "advertisements without a value": Slip(
        *acquisition("    routerAdvertisement:\n"), "empty-field", "{interface: eth0}", 7,
    ),
    "an interface with a path": Slip("prefix.yaml", "eth0", "/dev/eth0", "invalid-value", "network interface", 8),
    "an interface that is a number": Slip("prefix.yaml", "eth0", "0", "wrong-type", "write it in quotes", 8),
    "a list of interfaces": Slip("prefix.yaml", "eth0", "[eth0, eth1]", "wrong-type", "is not a string", 8),
    "a router by its global address": Slip(
        "prefix.yaml", "eth0", 'eth0\n      routers: ["2001:db8:a::1"]', "invalid-value", "not link-local", 9,
    ),
    "routers without brackets": Slip(
        "prefix.yaml", "eth0", 'eth0\n      routers: "fe80::1"', "wrong-type", "on a line of its own", 9,
    ),
    "a delegation that is longer than the link's": Slip(
        "prefix.yaml", "eth0", "eth0\n      delegatedPrefixLength: 72", "out-of-range", "from 16 to 64", 9,
    ),
    "a delegation of nothing": Slip(
        "prefix.yaml", "eth0", "eth0\n      delegatedPrefixLength: 0", "out-of-range", "from 16 to 64", 9,
    ),
    "a negative delegation": Slip(
        "prefix.yaml", "eth0", "eth0\n      delegatedPrefixLength: -8", "out-of-range", "from 16 to 64", 9,
    ),
    "a delegation in quotes": Slip(
        "prefix.yaml", "eth0", 'eth0\n      delegatedPrefixLength: "56"', "wrong-type", "write 56 without quotes", 9,
    ),
    "a delegation with a slash": Slip(
        "prefix.yaml", "eth0", "eth0\n      delegatedPrefixLength: /56", "wrong-type", "whole number", 9,
    ),
    "a return without a unit": Slip(
        "prefix.yaml", "eth0", "eth0\n      returnAfter: 10", "wrong-type", "write it in quotes", 9,
    ),
    "a static prefix without its length": Slip(
        *acquisition('    static: {prefix: "2001:db8::"}\n'), "invalid-value", "write its length too", 7,
    ),
    "a static prefix of one link": Slip(
        *acquisition('    static: {prefix: "fe80::/64"}\n'), "invalid-value", "link-local", 7,
    ),
    "a filter without lists": Slip(
        "prefix.yaml", "eth0", 'eth0\n    prefixFilter: {within: "2001:db8::/32"}', "wrong-type", "on a line of its own", 9,
    ),
    "a FRITZ!Box on the internet": Slip(
        *acquisition("    fritzbox: {address: 192.0.2.1}\n"), "invalid-value", "fritz.box", 7,
    ),
    "a file without a slash": Slip(*acquisition("    file: {path: prefix}\n"), "invalid-value", "absolute path", 7),
    "DHCPv6 without a link": Slip(*acquisition("    dhcpv6pd: {}\n"), "missing-field", "needs the link", 7),
    # --- ranges, subnets and the rest of the specification ---
    "a full address as start": Slip(
        "prefix.yaml", '"::f000:0:0:0"', '"2001:db8:a:0:f000::"', "suffix-in-prefix", 'as in "::f000:0:0:0"', 11,
    ),
    "a range upside down": Slip("prefix.yaml", '"::ffff:ffff:ffff:ffff"', '"::1"', "range-reversed", "is above end", 11),
    "a range without end": Slip(
        "prefix.yaml", '\n      end: "::ffff:ffff:ffff:ffff"', "", "missing-field", "needs its end", 10,
    ),
    "a start with a length": Slip("prefix.yaml", '"::f000:0:0:0"', '"::f000/64"', "invalid-value", 'write "::f000"', 11),
    "a start that is IPv4": Slip("prefix.yaml", '"::f000:0:0:0"', '"192.168.1.10"', "invalid-value", "IPv6", 11),
    "a start without quotes": Slip("prefix.yaml", '"::f000:0:0:0"', "2001:db8:a:0:f000::", "not-yaml", "quote the address", 11),
    "a name in capitals": Slip("prefix.yaml", "name: loadbalancers", "name: LoadBalancers", "invalid-name", "a-z", 10),
    "a name that is a number": Slip("prefix.yaml", "name: loadbalancers", "name: 1", "wrong-type", "write it in quotes", 10),
    "ranges as a mapping": Slip(
        "prefix.yaml",
        '    - name: loadbalancers\n      start: "::f000:0:0:0"\n      end: "::ffff:ffff:ffff:ffff"\n',
        '    loadbalancers: {start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}\n',
        "wrong-type", "behind `- `", 10,
    ),
    "a mode in capitals": Slip("prefix.yaml", "mode: ha", "mode: HA", "invalid-value", 'Did you mean "ha"?', 14),
    "no history in mode ha": Slip("prefix.yaml", "History: 2", "History: 0", "ha-needs-history", "write 1", 15),
    "a history of twenty": Slip("prefix.yaml", "History: 2", "History: 20", "out-of-range", "from 0 to 10", 15),
    "a history that is a word": Slip("prefix.yaml", "History: 2", "History: two", "wrong-type", "whole number", 15),
    "a retention in days that are words": Slip(
        "prefix.yaml", "History: 2", 'History: 2\n    retention: "2 days"', "invalid-value", 'as in "48h"', 16,
    ),
    "a subnet outside": Slip(
        "prefix.yaml", "  transition:", "  subnets: [{name: pods, offset: 255, prefixLength: 64}]\n  transition:",
        "does-not-fit", "lies outside", 4,
    ),
    "no spec": Slip("prefix.yaml", PREFIX[PREFIX.index("spec:") :], "", "missing-field", "needs a spec", 0),
    "a status by hand": Slip("prefix.yaml", "currentPrefix: ", "currentPrefix: x", "invalid-value", "", 17),
    "a tab": Slip("prefix.yaml", "      interface", "\tinterface", "not-yaml", "a tab", 8),
    "a kind with another case": Slip(
        "prefix.yaml", "kind: DynamicPrefix", "kind: Dynamicprefix", "not-a-dynamic-prefix", "kind: DynamicPrefix", 2,
    ),
    "a version that is none": Slip(
        "prefix.yaml", "v1alpha1", "v1", "not-a-dynamic-prefix", "dynamic-prefix.io/v1alpha1", 1,
    ),
    # --- manifests ---
    "a pool of nobody": Slip("pool.yaml", "name: home-ipv6", "name: home", "unknown-dynamic-prefix", "home-ipv6", 6),
    "a range that is missing": Slip(
        "pool.yaml", "address-range: loadbalancers", "address-range: loadbalancer", "unknown-address-range",
        'Did you mean "loadbalancers"?', 7,
    ),
    "a range without a name": Slip(
        "pool.yaml", "    dynamic-prefix.io/name: home-ipv6\n", "", "missing-name", "names the DynamicPrefix", 6,
    ),
    "a name without a value": Slip("pool.yaml", "name: home-ipv6", "name:", "wrong-type", "has no value behind its colon", 6),
    "a suffix that is a whole address": Slip(
        "service.yaml", '"::f000:0:0:10"', '"2001:db8:a:0:f000::10"', "suffix-outside", "lies outside", 11,
    ),
    "a suffix that is IPv4": Slip("service.yaml", '"::f000:0:0:10"', '"10"', "invalid-value", "write a host part", 9),
    "a switch without quotes": Slip("service.yaml", '"true"', "true", "wrong-type", "write it in quotes", 10),
    "a marker of nobody": Slip("values.yaml", '"home-ipv6:', '"home:', "unknown-dynamic-prefix", "home-ipv6", 1),
    "a marker of no range": Slip("values.yaml", "loadbalancers:address", "lb:address", "unknown-part", "loadbalancers", 1),
    "a marker of no field": Slip("values.yaml", ":address:", ":addres:", "marker-field", "address", 1),
    "a marker without its host": Slip("values.yaml", "address:::f000:0:0:77", "address", "marker-host", "HOST", 1),
    "a marker that is no JSON": Slip("values.yaml", '{"$dynamicprefix":', "{$dynamicprefix:", "marker-not-json", "", 1),
    "a marker on a URL": Slip("values.yaml", '"2001:db8:a:0:f000::77"', '"http://[2001:db8:a::77]/"', "would-overwrite", "rewrite", 1),
    "one key twice": Slip("group.yaml", "spec:", "spec: {}\nspec:", "duplicate-key", "keep one of them", 9),
    "both sides of a merge": Slip(
        "pool.yaml", "  name: pool\n", "<<<<<<< HEAD\n  name: a\n=======\n  name: b\n>>>>>>> c\n",
        "not-yaml", "both sides of a merge", 4,
    ),
    "both sides of a merge in the DynamicPrefix": Slip(
        "prefix.yaml", "      interface: eth0\n",
        "<<<<<<< HEAD\n      interface: eth0\n=======\n      interface: eth1\n>>>>>>> c\n",
        "not-yaml", "both sides of a merge", 8,
    ),
    "a key with an equals sign": Slip(
        "pool.yaml", "io/name: home", "io/name=home", "not-yaml", "behind the key of", 7,
    ),
    "a colon without a blank": Slip(
        "pool.yaml", "io/name: home", "io/name:home", "not-yaml", "behind the key of", 7,
    ),
    "a range and a subnet": Slip(
        "pool.yaml", "  annotations:", "  annotations:\n    dynamic-prefix.io/subnet: lb",
        "range-and-subnet", "keep one of the two", 6,
    ),
    "a name as a list": Slip("pool.yaml", "name: home-ipv6", "name: [home-ipv6]", "wrong-type", "is not a string", 6),
    "blocks as a mapping": Slip("pool.yaml", "  blocks:\n", "  blocks: {}\n  x:\n", "edit-refused", "is not a list", 9),
    "two documents without a line between": Slip(
        "pool.yaml", POOL[:12], GROUP + POOL[:12], "duplicate-key", "keep one of them", 11,
    ),
    "a document without its version": Slip(
        "prefix.yaml", PREFIX[:39], "", "not-a-dynamic-prefix", "dynamic-prefix.io/v1alpha1", 1,
    ),
    "brackets that are open": Slip("pool.yaml", "spec:", "spec: [", "not-yaml", "has a managed field", 10),
    "an own block over ours": Slip(
        "pool.yaml", "  blocks:\n", '  blocks:\n    - cidr: "2001:db8:a:0:f000::/72"\n', "overlap", "", 10,
    ),
}  # fmt: skip

WARNINGS = {
    "a field that is misspelt": Slip("prefix.yaml", "      interface", "      intrface: x\n      interface", "unknown-field", 'Did you mean "interface"?', 8),
    "ranges without a value": Slip("prefix.yaml", "  transition:", "  subnets:\n  transition:", "empty-field", "has no value", 13),
    "a suffix on a pool": Slip("pool.yaml", "  annotations:", '  annotations:\n    dynamic-prefix.io/suffix: "::1"', "unused-annotation", "remove it", 6),
    "a misspelt annotation": Slip("group.yaml", "  annotations:", "  annotations:\n    dynamic-prefix.io/adress-range: x", "unknown-annotation", "Did you mean", 6),
    "a misspelt domain": Slip("group.yaml", "  annotations:", "  annotations:\n    dynamicprefix.io/name: x", "unknown-annotation", "write dynamic-prefix.io/name", 6),
    "a label": Slip("group.yaml", "  annotations:", "  labels: {dynamic-prefix.io/subnet: x}\n  annotations:", "annotation-elsewhere", "metadata.annotations", 5),
    "an annotation of a pod": Slip("values.yaml", "ip:", "template: {metadata: {annotations: {dynamic-prefix.io/name: home-ipv6}}}\nip:", "annotation-elsewhere", "marker", 1),
    "a record of the operator": Slip("pool.yaml", "  annotations:", '  annotations:\n    dynamic-prefix.io/last-sync: "x"', "operator-annotation", "remove it", 6),
    "a misspelt marker": Slip("values.yaml", "ip:", 'x: y  # {"$dynamic-prefix": "home-ipv6:prefix"}\nip:', "unknown-marker", "$dynamicprefix", 1),
    "a switch that is neither": Slip("service.yaml", "  annotations:", '  annotations:\n    dynamic-prefix.io/skip-external-dns-update: "yes"', "invalid-value", "neither", 7),
    "a kernel without a link": Slip("prefix.yaml", "    routerAdvertisement:", "    kernel: {}\n    routerAdvertisement:", "no-link", "names no link", 7),
    "an old version of a pool": Slip("pool.yaml", "cilium.io/v2", "cilium.io/v2alpha1", "old-api-version", "cilium.io/v2", 1),
    "a version that nobody serves": Slip("pool.yaml", "cilium.io/v2", "cilium.io/v3", "unknown-api-version", "v2", 1),
    "an object in a List": Slip("values.yaml", "ip:", "kind: List\nitems: [{metadata: {annotations: {dynamic-prefix.io/name: home-ipv6}}}]\nip:", "in-a-list", "---", 2),
    "annotations beside the metadata": Slip("group.yaml", "  annotations:", "  x: y\nannotations:", "annotation-elsewhere", "write them below metadata.annotations", 7),
    "annotations without an end": Slip("group.yaml", "  annotations:", "  annotation:", "annotation-elsewhere", "write them below metadata.annotations", 6),
    "annotations as a list": Slip("group.yaml", "    dynamic-prefix.io/name: home-ipv6\n    dyn", "    - dynamic-prefix.io/name: home-ipv6\n    - dyn", "annotation-elsewhere", "without the dash", 6),
    "a marker without a blank before it": Slip("values.yaml", "  # {", "# {", "marker-aside", "write a blank before the #", 1),
    "a kind in another case": Slip("group.yaml", "CIDRGroup", "CidrGroup", "kind-not-managed", "write apiVersion: cilium.io/v2 and kind: CiliumCIDRGroup", 6),
    "a kind of another group": Slip("group.yaml", "cilium.io/v2", "v1", "kind-not-managed", "write apiVersion: cilium.io/v2 and kind: CiliumCIDRGroup", 6),
    "a kind without a field of ours": Slip("values.yaml", "ip:", "kind: Deployment\nmetadata: {annotations: {dynamic-prefix.io/name: home-ipv6}}\nip:", "kind-not-managed", "stays as it is", 2),
}  # fmt: skip


NEXT = "home-ipv6=2001:db8:b::/64"
COMMANDS = {
    "a prefix without a name": (["render", "--prefix", "2001:db8:b::/64"], "NAME=PREFIX"),
    "a prefix without its length": (["render", "--prefix", "home-ipv6=2001:db8:b::"], "write its length too"),
    "a prefix with host bits": (["render", "--prefix", "home-ipv6=2001:db8:b::1/64"], 'did you mean "2001:db8:b::/64"?'),
    "a prefix of nobody": (["render", "--prefix", "home=2001:db8:b::/64"], 'Did you mean "home-ipv6"?'),
    "multicast": (["render", "--prefix", "home-ipv6=ff02::/64"], "multicast"),
    "link-local": (["render", "--prefix", "home-ipv6=fe80::/64"], "link-local"),
    "IPv4": (["render", "--prefix", "home-ipv6=192.168.1.0/24"], "IPv4"),
    "a local prefix": (["render", "--prefix", "home-ipv6=fd00:1::/64"], "prefixFilter.requireGlobalUnicast"),
    "everything": (["render", "--prefix", "home-ipv6=::/0"], "would never be current"),
    "one address": (["render", "--prefix", "home-ipv6=2001:db8:b::1/128"], "prefixFilter.within"),
    "a local prefix, walked through": (["simulate", "--prefix", "home-ipv6=fd00:1::/64"], "requireGlobalUnicast"),
    "a local prefix in a message": (["template", "--prefix", "home-ipv6=fd00:1::/64"], "requireGlobalUnicast"),
    "a time without a zone": (["render", "--now", "2026-11-24T12:00:00"], "--now"),
    "a form that is none": (["validate", "--output", "yaml"], "text, json, github"),
    "a path that is not there": (["validate", "--path", "kubernetes"], '--path "kubernetes"'),
    "a path that leads outside": (["render", "--path", ".."], '--path ".."'),
    "a directory that is not there": (["validate", "kubernetes"], "kubernetes"),
    "a file for a directory": (["validate", "pool.yaml"], "pool.yaml"),
    "a directory with nothing": (["validate", "--exclude", "*.yaml"], "nothing below"),
    "a check of nothing": (["render", "--check", "--exclude", "*.yaml"], "nothing below"),
    "an option that is misspelt": (["render", "--chek"], "--check"),
    "an option as a command": (["version"], 'Did you mean "--version"?'),
    "a daemon without a host": (["status", "--url", "http://"], "http://localhost:8080"),
    "a command that is misspelt": (["valdiate"], "validate"),
    "a name in capitals": (["init", "new", "--name", "Home"], "--name"),
    "an interface with blanks": (["init", "new", "--interface", "eth 0"], "--interface"),
    "a router by its global address": (["init", "new", "--router", "2001:db8::1"], "not link-local"),
    "a reconciler that is none": (["init", "new", "--for", "fleet"], "flux, argocd"),
    "a time to listen without a unit": (["init", "new", "--listen", "5"], '"48h"'),
    "objects of nobody": (["migrate", "pool.yaml"], "no DynamicPrefix"),
    "a capture that is none": (["observe", "--pcap", "pool.yaml"], "pcap"),
    "neither link nor capture": (["observe"], "--interface"),
    "a scenario that is none": (["simulate", "--scenario", "rouge"], 'Did you mean "rogue"?'),
    "an apply that is none": (["run", "--repo", "/srv/x.git", "--apply", "yes"], "never, fallback, always"),
    "an address that is none": (["status", "--url", "localhost:8080"], "http://localhost:8080"),
    "a template that does not end": (["template", "--message-template", "{{ x"], "--message-template"),
    "a configuration that is not there": (["validate", "--config", "nope.yaml"], "nope.yaml"),
}  # fmt: skip


def broken(house: Path, slip: Slip) -> None:
    text = (house / slip.file).read_text()
    assert slip.old in text, text
    (house / slip.file).write_text(text.replace(slip.old, slip.new, 1))


def said(capsys, *words: str) -> tuple[int, str]:
    code = enter([*words])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    assert "internal" not in out + err
    return code, out + err


@pytest.mark.parametrize("slip", ERRORS.values(), ids=ERRORS)
def test_an_error_is_said_with_its_place_and_changes_no_byte(house, capsys, slip):
    broken(house, slip)
    before = snapshot(house)
    place = f"{slip.file}:{slip.line}:" if slip.line else slip.file
    for command in (["validate"], ["render", "--check"], ["render"]):
        code, text = said(capsys, *command)
        lines = [line for line in text.splitlines() if f"[{slip.code}]" in line]
        assert code == 2, text
        assert any(line.startswith(place) and slip.words in line for line in lines), text
    assert said(capsys, "status")[0] in {0, 2}
    assert said(capsys, "template")[0] in {0, 2}
    code, text = said(capsys, "doctor", "--interface", "nowhere0")
    assert code == 1, text
    assert any(place in line and f"[{slip.code}]" in line for line in text.splitlines()), text
    assert snapshot(house) == before


@pytest.mark.parametrize("slip", WARNINGS.values(), ids=WARNINGS)
def test_what_has_no_effect_is_said_and_holds_nothing_back(house, capsys, slip):
    broken(house, slip)
    before = snapshot(house)
    code, text = said(capsys, "validate")
    lines = [line for line in text.splitlines() if f"[{slip.code}]" in line]
    assert code == 0, text
    place = f"{slip.file}:{slip.line}:"
    assert any(line.startswith(place) and slip.words in line for line in lines), text
    assert said(capsys, "render", "--check")[0] == 0
    assert snapshot(house) == before


@pytest.mark.parametrize(("words", "part"), COMMANDS.values(), ids=COMMANDS)
def test_a_slip_on_the_command_line_is_said_and_changes_no_byte(house, capsys, words, part):
    before = snapshot(house)
    code, text = said(capsys, *words)
    assert code == 2, text
    assert part in text
    assert snapshot(house) == before


def test_an_observation_of_a_document_with_an_error_does_not_hide_the_error(house, capsys):
    """The other documents go on: what is wrong holds itself back alone."""
    broken(house, ERRORS["a range upside down"])
    before = snapshot(house)
    code, text = said(capsys, "render", "--prefix", NEXT)
    assert code == 2
    assert "prefix.yaml:11:" in text
    assert "[range-reversed]" in text
    assert "there is no DynamicPrefix" not in text
    assert snapshot(house) == before


def test_a_name_that_is_missing_hides_no_error_of_a_document(house, capsys):
    broken(house, ERRORS["a range upside down"])
    code, text = said(capsys, "render", "--prefix", "other=2001:db8:b::/64")
    assert code == 2
    assert "[range-reversed]" in text
    assert "[unknown-dynamic-prefix]" in text


def test_a_static_prefix_is_written_and_not_observed(house, capsys):
    old, new = "routerAdvertisement:\n      interface: eth0", 'static: {prefix: "2001:db8:a::/64"}'
    (house / "prefix.yaml").write_text((house / "prefix.yaml").read_text().replace(old, new))
    before = snapshot(house)
    code, text = said(capsys, "render", "--prefix", NEXT)
    assert (code, "spec.acquisition.static is 2001:db8:a::/64" in text) == (2, True)
    assert snapshot(house) == before


ON_A_BRANCH = (
    "a range upside down", "a history of twenty",
    "a pool of nobody", "a marker of no field", "one key twice", "both sides of a merge",
)  # fmt: skip


@pytest.mark.parametrize("name", ON_A_BRANCH)
def test_a_run_says_an_error_on_the_branch_and_publishes_the_other_documents(house, tmp_path, name):
    """Nothing moves where the DynamicPrefix itself is wrong."""
    slip = ERRORS[name]
    text = (house / "prefix.yaml").read_text()
    heard, static = acquisition('    static: {prefix: "2001:db8:b::/64"}\n')[1:]
    (house / "prefix.yaml").write_text(text.replace(heard, static))
    broken(house, slip)
    remote = bare_repository(tmp_path, {path: (house / path).read_bytes() for path in HOUSE})
    before = snapshot(house)
    words = [sys.executable, "-m", "gitops_prefix", "run", "--once", "--repo", str(remote)]
    answer = subprocess.run(words, check=False, capture_output=True, text=True)
    text = answer.stdout + answer.stderr
    assert (answer.returncode, "Traceback" in text) == (2, False), text
    lines = [line for line in text.splitlines() if line.startswith(f"{slip.file}:")]
    assert any(f"[{slip.code}]" in line and slip.words in line for line in lines), text
    assert "`gitops-prefix init` writes one" not in text
    published = "prefix(home-ipv6): 2001:db8:a::/64 -> 2001:db8:b::/64"
    assert (published in git(remote, "log", "-1", "main")) is (slip.file != "prefix.yaml")
    assert snapshot(house) == before


def test_a_current_prefix_that_was_edited_by_hand_moves_everything(house, capsys):
    """The ranges of that status lie in the prefix before."""
    text = (house / "prefix.yaml").read_text()
    by_hand = text.replace('currentPrefix: "2001:db8:a::/64"', 'currentPrefix: "2001:db8:c::/64"')
    assert by_hand != text
    (house / "prefix.yaml").write_text(by_hand)
    assert said(capsys, "validate")[0] == 0
    assert said(capsys, "render")[0] == 0
    assert said(capsys, "render", "--check")[0] == 0
    for name in ("pool.yaml", "group.yaml", "service.yaml", "values.yaml"):
        moved = (house / name).read_text()
        assert ("2001:db8:c:" in moved, "2001:db8:a:" in moved) == (True, False), moved


CONFIGURATIONS = {
    "an option that is misspelt": ("brnch: main\n", "branch"),
    "no mapping": ("- branch\n", "mapping"),
    "no YAML": ("branch: [\n", "gitops-prefix.yaml"),
    "a rewrite without a name": ('rewrite: [{path: "*.j2"}]\n', "dynamicPrefix"),
    "a rewrite that is a word": ("rewrite: talos\n", "is not a list"),
    "a slip in the DNS settings": (
        "externalDNS: {annotationPrefix: [x/]}\n",
        '"annotationPrefixes"',
    ),
    "both sides of a merge": ("<<<<<<< HEAD\nbranch: a\n=======\n", "both sides of a merge"),
    "a value of another type": ("output: [text]\n", "output"),
}


@pytest.mark.parametrize(("text", "part"), CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_slip_in_the_configuration_is_said(house, capsys, text, part):
    (house / "gitops-prefix.yaml").write_text(text)
    before = snapshot(house)
    for command in ("validate", "render"):
        code, answer = said(capsys, command)
        assert code == 2, answer
        assert part in answer
    assert snapshot(house) == before


def _directory(house: Path) -> None:
    (house / "folder.yaml").mkdir()


def _dangling(house: Path) -> None:
    (house / "gone.yaml").symlink_to("nowhere.yaml")


def _loop(house: Path) -> None:
    (house / "loop").symlink_to(".")


def _empty(house: Path) -> None:
    (house / "empty.yaml").write_bytes(b"")


def _latin(house: Path) -> None:
    (house / "pool.yaml").write_bytes((house / "pool.yaml").read_bytes() + b"# caf\xe9\n")


def _nul(house: Path) -> None:
    (house / "pool.yaml").write_bytes((house / "pool.yaml").read_bytes() + b"# \x00\n")


def _deep(house: Path) -> None:
    text = (
        "metadata: {annotations: {dynamic-prefix.io/name: home-ipv6}}\na: "
        + "[" * 5000
        + "]" * 5000
        + "\n"
    )
    (house / "deep.yaml").write_text(text)


def _windows(house: Path) -> None:
    for name in HOUSE:
        (house / name).write_bytes((house / name).read_bytes().replace(b"\n", b"\r\n"))


def _marked_order(house: Path) -> None:
    for name in HOUSE:
        (house / name).write_bytes(b"\xef\xbb\xbf" + (house / name).read_bytes())


def _wide(house: Path) -> None:
    (house / "pool.yaml").write_bytes((house / "pool.yaml").read_text().encode("utf-16"))


def _wide_without_mark(house: Path) -> None:
    (house / "pool.yaml").write_bytes((house / "pool.yaml").read_text().encode("utf-16-be"))


def _outside(house: Path) -> None:
    (house / "pool.yaml").rename(house.parent / "pool.yaml")
    (house / "pool.yaml").symlink_to(house.parent / "pool.yaml")


def _misnamed(house: Path) -> None:
    (house / "gitops-prefix.yml").write_text("exclude: pool.yaml\n")


def _unended(house: Path) -> None:
    (house / "pool.yaml").write_bytes((house / "pool.yaml").read_bytes().rstrip(b"\n"))


ODD_FILES = {
    "a directory with the name of a file": (_directory, {0}),
    "a link to nothing": (_dangling, {0}),
    "a link to itself": (_loop, {0}),
    "a file of no bytes": (_empty, {0}),
    "Latin-1": (_latin, {2}),
    "a zero byte": (_nul, {0, 2}),
    "five thousand brackets": (_deep, {2}),
    "Windows": (_windows, {0}),
    "a byte order mark": (_marked_order, {0}),
    "UTF-16": (_wide, {2}),
    "UTF-16 without its mark": (_wide_without_mark, {2}),
    "a link out of the directory": (_outside, {0}),
    "no line end at the end": (_unended, {0}),
    "settings with another ending": (_misnamed, {0}),
}


@pytest.mark.parametrize(("spoil", "codes"), ODD_FILES.values(), ids=ODD_FILES)
def test_an_odd_file_is_read_or_refused(house, capsys, spoil, codes):
    spoil(house)
    before = snapshot(house)
    for words in (["validate"], ["render", "--check"], ["render"]):
        code, text = said(capsys, *words)
        assert code in codes, text
    for words in (["status"], ["template"], ["simulate", "--prefix", NEXT], ["migrate", "."]):
        assert said(capsys, *words)[0] in {0, 2}
    assert snapshot(house) == before


def _mutants() -> list[str]:
    """The DynamicPrefix with each of its scalars replaced, each line left out, and cut short."""
    lines = PREFIX.splitlines(keepends=True)
    values = [
        "",
        "null",
        "[]",
        "{}",
        "[1, [2]]",
        "-1",
        "1e400",
        "true",
        "'x'",
        "&a *a",
        "!!binary x",
        "| x",
        "2001:db8::",
        '"\\ud800"',
    ]
    found = ["".join(lines[:number] + lines[number + 1 :]) for number in range(len(lines))]
    found += [PREFIX[:end] for end in range(0, len(PREFIX), 37)]
    for number, line in enumerate(lines):
        key, colon, _ = line.partition(":")
        for value in values if colon else ():
            found.append("".join([*lines[:number], f"{key}: {value}\n", *lines[number + 1 :]]))
        if colon:
            found.append("".join([*lines[: number + 1], line, *lines[number + 1 :]]))
    return found


def test_no_mutant_of_a_dynamic_prefix_is_a_traceback(house, capsys):
    """One process reads all of them: each value of a wrong type, each line twice or not there."""
    mutants = _mutants()
    for number in range(0, len(mutants), 5):
        mutant = mutants[number]
        (house / "prefix.yaml").write_text(mutant)
        before = snapshot(house)
        assert said(capsys, "validate")[0] in {0, 2}, mutant
        assert said(capsys, "render", "--check", "--prefix", NEXT)[0] in {0, 1, 2}, mutant
        assert snapshot(house) == before
