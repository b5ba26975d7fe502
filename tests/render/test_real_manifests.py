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


def test_the_manifests_are_here():
    require("shared")
    assert len(FILES) > 20


def annotated(text: str) -> str:
    """Every document gets the annotations, beside those that it has."""
    ours = "    dynamic-prefix.io/name: home\n    dynamic-prefix.io/address-range: lb\n"
    documents = re.split(r"(?m)^(?=---)", text)
    for number, document in enumerate(documents):
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
