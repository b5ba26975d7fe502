"""Real manifests of home labs: annotated by the test, everything else stays as it was."""

import io
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.parts import require
from tests.render.repository import PREFIX, A, B, render_once

REAL = Path(__file__).parents[3] / "shared" / "real-manifests"
FILES = sorted(REAL.glob("*.yaml"))
KINDS = {"CiliumLoadBalancerIPPool": "blocks", "CiliumCIDRGroup": "externalCIDRs"}
ADVERTISEMENT = "kind: CiliumBGPAdvertisement\n"
COMMUNITY = b'bgp: {advertise: true, community: "65000:100"}'


def test_the_manifests_are_here():
    require("shared")
    assert len(FILES) > 20


def annotated(text: str) -> str:
    """Every document gets the annotations, beside those that it has."""
    documents = re.split(r"(?m)^(?=---)", text)
    for number, document in enumerate(documents):
        part = "subnet: low" if ADVERTISEMENT in document else "address-range: lb"
        ours = f"    dynamic-prefix.io/name: home\n    dynamic-prefix.io/{part}\n"
        head = "metadata:\n" if "\n  annotations:\n" not in document else "  annotations:\n"
        key = "  annotations:\n" if head == "metadata:\n" else ""
        documents[number] = document.replace(f"\n{head}", f"\n{head}{key}{ours}", 1)
    return "".join(documents)


@pytest.mark.parametrize("path", FILES or [REAL], ids=lambda path: path.stem)
def test_a_real_file_keeps_every_line(path: Path):
    """Lines come and go only in the list that is ours; what was in it stays behind ours."""
    require("shared")
    text = annotated(path.read_text())
    files = {"home.yaml": PREFIX, "real.yaml": text.encode()}
    for hour, prefix in enumerate((A, B)):
        rendering = render_once(files, prefix, hour)
        assert [str(one) for one in rendering.problems if one.severity == "error"] == []
        files |= rendering.files
    after = files["real.yaml"].decode()
    added = [line for line in after.splitlines() if "2001:db8:a" in line or "2001:db8:b" in line]
    assert [line for line in after.splitlines() if line not in added] == text.splitlines()
    old, new = (
        (list(YAML(typ="safe", pure=True).load_all(io.StringIO(one))) for one in (text, after))
        if added
        else ([], [])
    )
    for before, now in zip(old, new, strict=True):
        if now["kind"] not in KINDS:
            assert before == now
            continue
        field = KINDS[now["kind"]]
        assert len(now["spec"][field]) == len(before["spec"][field]) + 2
        assert now["spec"][field][2:] == before["spec"][field]
    pools = sum(text.count(f"\nkind: {kind}\n") for kind in KINDS)
    assert bool(added) == bool(pools)


ADVERTISING = [one for one in FILES if ADVERTISEMENT in one.read_text()]


@pytest.mark.parametrize("path", ADVERTISING or [REAL], ids=lambda path: path.stem)
def test_a_real_advertisement_gets_its_community(path: Path):
    """In every entry, and nothing else in the file moves."""
    require("shared")
    text = annotated(path.read_text())
    home = PREFIX.replace(b"prefixLength: 72}", b"prefixLength: 72, " + COMMUNITY + b"}")
    after = render_once({"home.yaml": home, "real.yaml": text.encode()}, A).files["real.yaml"]
    for document in YAML(typ="safe", pure=True).load_all(after):
        for entry in document["spec"].get("advertisements", []):
            assert entry["attributes"]["communities"]["standard"] == ["65000:100"]
    lines = iter(after.decode().splitlines())
    assert all(line in lines for line in text.splitlines())
