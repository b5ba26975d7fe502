"""Each example through the renderer: the first prefix, the next one, and rest.

tests/golden/examples/NAME/{first,second} hold what is managed after each step. To
write them anew, in a copy of examples/NAME:
`gitops-prefix render --now TIME --prefix home-ipv6=PREFIX --output-dir GOLDEN`.
"""

import json

import pytest

from gitops_prefix.cli.door import enter
from tests.examples.repositories import EXAMPLES, ROOT, build, copy_example, kustomizations, of_kind

FIRST = ("--now", "2026-11-23T10:00:00Z", "--prefix", "home-ipv6=2001:db8:1234::/64")
SECOND = ("--now", "2026-11-24T10:00:00Z", "--prefix", "home-ipv6=2001:db8:5678::/64")
STEPS = {"first": FIRST, "second": SECOND}
VARIABLES = {"flux": ("variables.yaml",)}
"""Examples that also hold the prefix as variables."""


@pytest.fixture(params=EXAMPLES)
def name(request):
    return request.param


@pytest.fixture
def directory(name, tmp_path):
    return copy_example(name, tmp_path)


def _files(directory):
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def _changes(before, after):
    return {path: content for path, content in after.items() if before.get(path) != content}


def _render(directory, *options):
    assert enter(["render", *options, str(directory)]) == 0


def test_each_step_is_byte_for_byte_what_is_expected(name, directory):
    """And no other file of the repository is touched."""
    for step, options in STEPS.items():
        before = _files(directory)
        _render(directory, *options)
        golden = _files(ROOT / "tests" / "golden" / "examples" / name / step)
        assert {**before, **golden} == _files(directory), step


def test_an_observation_that_is_known_changes_nothing(directory):
    """Neither the same one again, nor none, at whatever time."""
    for step in STEPS.values():
        _render(directory, *step)
        before = _files(directory)
        _render(directory, *step)
        _render(directory, *step[2:])
        _render(directory)
        assert enter(["render", "--check", *step[2:], str(directory)]) == 0
        assert _files(directory) == before


def test_a_new_prefix_touches_the_status_the_pool_and_the_group(name, directory):
    _render(directory, *FIRST)
    before = _files(directory)
    _render(directory, *SECOND)
    changed = sorted(path.rpartition("/")[2] for path in _changes(before, _files(directory)))
    assert changed == ["cidr-group.yaml", "pool.yaml", "prefix.yaml", *VARIABLES.get(name, ())]


def test_the_way_there_and_back_leaves_what_is_ours_in_two_entries(directory):
    """A, B, A: no prefix is twice in the lists."""
    for step in (FIRST, SECOND, (*SECOND[:2], *FIRST[2:])):
        _render(directory, *step)
    (pool, group) = _lists(directory)
    ours = [block for block in pool if block.get("start", "").startswith("2001:db8:")]
    assert [block["start"] for block in ours] == [
        "2001:db8:1234:0:f000::",
        "2001:db8:5678:0:f000::",
    ]
    assert [cidr[:14] for cidr in group[:2]] == ["2001:db8:1234:", "2001:db8:5678:"]


def test_after_a_change_the_flux_example_holds_two_blocks_and_two_entries_current_first(tmp_path):
    directory = copy_example("flux", tmp_path)
    for step in STEPS.values():
        _render(directory, *step)
    pool, group = _lists(directory)
    assert pool == [
        {"start": "2001:db8:5678:0:f000::", "stop": "2001:db8:5678:0:ffff:ffff:ffff:ffff"},
        {"start": "2001:db8:1234:0:f000::", "stop": "2001:db8:1234:0:ffff:ffff:ffff:fffe"},
    ]
    assert group == ["2001:db8:5678::/64", "2001:db8:1234::/64"]


@pytest.mark.parametrize(
    ("name", "pool", "group"),
    [
        ("plain", [{"cidr": "192.168.42.0/24"}], []),
        (
            "argocd",
            [{"start": "192.168.42.100", "stop": "192.168.42.199"}],
            ["192.168.42.0/24", "fd00:42::/64"],
        ),
    ],
)
def test_what_the_user_put_there_stays_behind_ours(directory, pool, group):
    for step in STEPS.values():
        _render(directory, *step)
    found_pool, found_group = _lists(directory)
    assert found_pool[2:] == pool
    assert found_group[2:] == group


def test_an_example_without_a_prefix_yet_waits_and_the_checked_one_is_rendered(
    name, directory, capsys
):
    """The demo begins with the first advertisement; CI with a repository in use."""
    assert enter(["render", "--check", "--output", "json", str(directory)]) == 0
    answer = json.loads(capsys.readouterr().out)
    current = answer["prefixes"]["home-ipv6"]["current"]
    assert current == ("2001:db8:1234::/64" if name == "ci" else None)


def _lists(directory):
    built = [document for each in kustomizations(directory) for document in build(each)]
    (group,) = {json.dumps(one["spec"]) for one in of_kind("CiliumCIDRGroup", built)}
    pools = {
        json.dumps(one["spec"])
        for one in of_kind("CiliumLoadBalancerIPPool", built)
        if "annotations" in one["metadata"]
    }
    (pool,) = pools
    return json.loads(pool)["blocks"], json.loads(group)["externalCIDRs"]
