"""A flood of made-up routers, and a true renumbering in the middle of it."""

import pytest

from tests.flooding import rehearse
from tests.gitrepo import ROOT, bare_clone, commit_all
from tests.parts import require

POLICIES = {
    "routers": (
        "routerAdvertisement:\n",
        'routerAdvertisement:\n      routers: ["fe80::dead:1"]\n',
    ),
    "within": ("acquisition:\n", 'acquisition:\n    prefixFilter: {within: ["2001:db8::/32"]}\n'),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_a_true_renumbering_gets_through_a_flood(policy, tmp_path):
    """It is published, once; memory stays flat, and the log short."""
    require("netns")
    tree = tmp_path / "tree"
    tree.mkdir()
    text = (ROOT / "examples/flux/infrastructure/network/prefix.yaml").read_text()
    (tree / "prefix.yaml").write_text(text.replace(*POLICIES[policy]))
    commit_all(tree)

    figures = rehearse(bare_clone(tree, tmp_path / "remote.git"), tmp_path, rate=50_000, seconds=3)

    print(figures)
    assert figures.commits == 3
    assert figures.after - figures.before < 8 * 1024
    assert figures.lines < 30
