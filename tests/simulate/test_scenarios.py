"""Every shipped scenario, word for word.

To write one anew:
`gitops-prefix simulate tests/simulate/home --scenario NAME > tests/golden/simulate/NAME.txt`.
"""

from itertools import pairwise

import click
import pytest

from gitops_prefix.cli.simulate import text_of
from tests.simulate.homes import GOLDEN, SCENARIOS, files, told, walked

NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
A, B, C = "2001:db8:1234::/64", "2001:db8:1235::/64", "2001:db8:1236::/64"


def shipped(name: str) -> str:
    return (SCENARIOS / f"{name}.yaml").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_its_timeline_is_word_for_word_what_is_expected(name):
    text = click.unstyle(text_of(walked(shipped(name)))) + "\n"
    assert text == (GOLDEN / f"{name}.txt").read_text()


def test_each_has_its_timeline_and_no_timeline_is_left_over():
    assert sorted(path.stem for path in GOLDEN.glob("*.txt")) == NAMES


EXPECTED = {
    "flash-renumbering": [(0, A, A), (1800, B, B)],
    "graceful-renumbering": [(0, A, A), (5400, B, A), (6300, B, B)],
    "router-reboot": [(0, A, A)],
    "two-routers": [(0, A, A), (4808, B, A), (5708, B, B), (22200, A, B), (23100, A, A)],
    "spread-prefixes": [(0, A, A), (3600, B, B)],
    "farewell": [(0, A, A), (3908, B, A), (4808, B, B), (43800, A, B), (44700, A, A)],
    "daemon-restarts": [(0, A, A)],
    "dead-router": [(0, A, A)],
    "replaced-cpe": [(0, A, A), (4808, B, A), (5708, B, B)],
    "second-router": [(0, A, A), (3600, C, C)],
    "thread-border-router": [(0, A, A)],
    "lossy-line": [(0, A, A)],
    "old-prefix-lives-on": [(0, A, A), (3900, B, A), (4800, B, B)],
    "forged-farewell": [(0, A, A)],
    "two-speakers": [(0, A, A), (240, B, B)],
}
"""What follows when nothing lasts for days: `CURRENTS` has those."""


@pytest.mark.parametrize("name", EXPECTED)
def test_its_commits(name):
    """When, which prefix is current, and which one DNS shows: what an operator asks."""
    assert told(walked(shipped(name))) == EXPECTED[name]


CURRENTS = {
    "fritzbox: the new prefix each night, at once": ("fritzbox", "", [(0, A), (3600, B), (90000, C)]),
    "lte-backup: by what the routers prefer": (
        "lte-backup", "", [(0, A), (21600, B), (33000, C), (54665, B), (55380, C)],
    ),
    "lte-backup: by preferRouters, and soon": (
        "lte-backup",
        "preferRouters: ['fe80::1']\n      returnAfter: 1m",
        [(0, A), (21600, B), (32460, C), (54665, B), (54840, C)],
    ),
    "lte-backup: the LTE router is the preferred one": (
        "lte-backup", "preferRouters: ['fe80::2']", [(0, A), (660, B)],
    ),
    "lte-backup: no way back": (
        "lte-backup", "returnAfter: never", [(0, A), (21600, B)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "policy", "expected"), CURRENTS.values(), ids=CURRENTS)
def test_its_prefixes_under_a_policy(name, policy, expected):
    home = files(old="interface: eth0", new=f"interface: eth0\n      {policy}".rstrip())
    changes = [(at, current) for at, current, _ in told(walked(shipped(name), home))]
    first = [change for before, change in pairwise([(0, ""), *changes]) if change[1] != before[1]]
    assert first == expected


STANDINGS = {
    "dead-router": (4808, "router gone"),
    "farewell": (3908, "announced and current"),
    "replaced-cpe": (4808, "announced and current"),
}


@pytest.mark.parametrize("name", STANDINGS)
def test_its_standing_at_the_moment_that_matters(name):
    at, words = STANDINGS[name]
    [look] = next(step for step in walked(shipped(name)).steps if step.at == at).looks.values()
    assert words in str(look.standing)


def test_silence_is_asked_about_twice_before_it_counts():
    steps = walked(shipped("dead-router")).steps
    assert [int(step.at) for step in steps if step.solicited] == [4800, 4804]


def test_the_flapping_isp_is_held_after_twelve_changes():
    walk = walked(shipped("flapping-isp"), files("transition: {}"))
    standings = [str(look.standing) for step in walk.steps for look in step.looks.values()]
    held = next(at for at, words in enumerate(standings) if "maxChangesPerHour" in words)
    # The first prefix is no change.
    assert sum(1 for step in walk.steps[:held] if step.commit) == 13
    assert "maxChangesPerHour" not in standings[-1]


def test_a_rogue_is_refused_where_the_policy_names_the_routers():
    """And wins in the end where it does not: that is what the scenario shows."""
    guarded = files(old="interface: eth0", new='interface: eth0\n      routers: ["fe80::1"]')
    assert [current for _, current, _ in told(walked(shipped("rogue"), guarded))] == [A]
    verdicts = walked(shipped("rogue"), guarded).steps[1].looks["home-ipv6"].verdicts.values()
    assert any("routerAdvertisement.routers" in str(verdict) for verdict in verdicts)
    assert told(walked(shipped("rogue")))[-1][1] != A
