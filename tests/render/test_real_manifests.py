"""Real manifests of home labs: annotated by the test, everything else stays as it was.

What a file is to hold is worked out here, from the values of the file and the three
prefixes, without any of the program's own.
"""

import io
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.examples.repositories import build
from tests.parts import require
from tests.render import repository
from tests.render.repository import A, B, C, render_once

REAL = Path(__file__).parents[3] / "shared" / "real-manifests"
FILES = sorted(REAL.glob("*.yaml"))
COMMUNITY = "65000:100"
PREFIX = (
    repository.PREFIX.replace(
        b"prefixLength: 72}", b'prefixLength: 72, bgp: {advertise: true, community: "65000:100"}}'
    )
    + b"  transition: {mode: ha}\n"
)
NETWORKS = [f"2001:db8:{letter}:0:" for letter in "cba"]
"""After A, B and C: the current one, then the past."""
IPS = "lbipam.cilium.io/ips"
ALPHA, BETA = "external-dns.alpha.kubernetes.io/target", "external-dns.kubernetes.io/target"
POOLS = "dynamic-prefix.io/address-range: lb"
SERVICES = 'dynamic-prefix.io/suffix: "::f000:0:0:%x"'
ADVERTISEMENTS = "dynamic-prefix.io/subnet: low"
HOW = {"Service": SERVICES, "CiliumBGPAdvertisement": ADVERTISEMENTS}
OURS = re.compile(
    rf"2001:db8:|^    {re.escape(IPS)}: |{COMMUNITY}|^ +(attributes|communities|standard):$"
)
MANAGED = re.compile(
    r"(?m)^kind: (CiliumLoadBalancerIPPool|CiliumCIDRGroup|CiliumBGPAdvertisement|Service)$"
)


def annotated(text: str) -> str:
    """Every document gets annotations beside those that it has; a Service gets a suffix."""
    documents = re.split(r"(?m)^(?=---)", text)
    for number, document in enumerate(documents):
        kind = re.search(r"(?m)^kind: (\w+)$", document)
        how = HOW.get(kind[1], POOLS) if kind else POOLS
        how = how % number if "%" in how else how
        ours = f"    dynamic-prefix.io/name: home\n    {how}\n"
        head = "metadata:\n" if "\n  annotations:\n" not in document else "  annotations:\n"
        key = "  annotations:\n" if head == "metadata:\n" else ""
        documents[number] = document.replace(f"\n{head}", f"\n{head}{key}{ours}", 1)
    return "".join(documents)


def load(text: str) -> list[dict]:
    """What YAML 1.2 makes of it."""
    return list(YAML(typ="safe", pure=True).load_all(io.StringIO(text)))


def expected(document: dict) -> dict:
    """What one document is to say after the three prefixes."""
    spec = document["spec"]
    if document["kind"] == "CiliumLoadBalancerIPPool":
        ours = [{"start": f"{one}f000::", "stop": f"{one}ffff:ffff:ffff:ffff"} for one in NETWORKS]
        return document | {"spec": spec | {"blocks": ours + spec["blocks"]}}
    if document["kind"] == "CiliumCIDRGroup":
        ours = [f"{one}f000::/68" for one in NETWORKS]
        return document | {"spec": spec | {"externalCIDRs": ours + spec["externalCIDRs"]}}
    if document["kind"] == "CiliumBGPAdvertisement":
        ours = {"attributes": {"communities": {"standard": [COMMUNITY]}}}
        return document | {
            "spec": spec | {"advertisements": [one | ours for one in spec["advertisements"]]}
        }
    if document["kind"] == "Service":
        metadata = document["metadata"]
        annotations = metadata["annotations"]
        part = annotations["dynamic-prefix.io/suffix"].removeprefix("::").replace(":0:0:", "::")
        held = [f"{one}{part}" for one in NETWORKS]
        # A target that is new needs the IPv4 addresses too, for the A record.
        ipv4 = [entry.strip() for entry in annotations[IPS].split(",") if "." in entry]
        target = ",".join([held[0], *ipv4])
        now = {IPS: ",".join([*held, annotations[IPS]]), ALPHA: target}
        if not any(key.endswith("/hostname") for key in annotations):
            now[BETA] = target
        return document | {"metadata": metadata | {"annotations": annotations | now}}
    return document


def rendered(text: str) -> str:
    """After A, B and C; each time a second rendering has nothing to do."""
    files = {"home.yaml": PREFIX, "real.yaml": text.encode()}
    for hour, prefix in enumerate((A, B, C)):
        rendering = render_once(files, prefix, hour)
        assert [str(one) for one in rendering.problems if one.severity == "error"] == []
        files |= rendering.files
        assert render_once(files, prefix, hour).files == {}
    return files["real.yaml"].decode()


def test_the_manifests_are_here():
    """And every kind that is worked out above is among them."""
    require("shared")
    assert len(FILES) > 20
    kinds = {kind for path in FILES for kind in MANAGED.findall(path.read_text())}
    assert len(kinds) == 4


@pytest.mark.parametrize("path", FILES or [REAL], ids=lambda path: path.stem)
def test_a_real_file_keeps_every_line(path: Path):
    """Managed lines come, go and change; all others stay, and every value is the expected one."""
    require("shared")
    text = annotated(path.read_text())
    after = rendered(text)
    theirs = [line for line in text.split("\n") if not OURS.search(line)]
    assert [line for line in after.split("\n") if not OURS.search(line)] == theirs
    assert (after != text) == bool(MANAGED.search(text))
    if after != text:
        assert load(after) == [*map(expected, load(text))]


@pytest.mark.parametrize(
    "path",
    [one for one in FILES if MANAGED.search(one.read_text())] or [REAL],
    ids=lambda path: path.stem,
)
def test_kustomize_reads_the_expected_values(path: Path, tmp_path: Path):
    """As Flux and Argo CD build it: the same values, whatever else kustomize does to a file."""
    require("shared", "kubectl")
    text = annotated(path.read_text())
    (tmp_path / "real.yaml").write_text(rendered(text))
    (tmp_path / "kustomization.yaml").write_text("resources: [real.yaml]\n")
    built = build(tmp_path)
    assert sorted(built, key=_identity) == sorted(map(expected, load(text)), key=_identity)


def _identity(document: dict) -> tuple[str, str]:
    return document["kind"], document["metadata"]["name"]
