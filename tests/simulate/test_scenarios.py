"""Every shipped scenario, word for word.

To write one anew:
`gitops-prefix simulate tests/simulate/home --scenario NAME > tests/golden/simulate/NAME.txt`.
"""

import click
import pytest

from gitops_prefix.cli.simulate_output import text_of
from tests.simulate.homes import GOLDEN, SCENARIOS, files, told, walked

NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
A, B = "2001:db8:1234::/64", "2001:db8:1235::/64"


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
    "two-routers": [(0, A, A), (4808, B, A), (5708, B, B), (11400, A, B), (12300, A, A)],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_its_commits(name):
    """When, which prefix is current, and which one DNS shows: what an operator asks."""
    assert told(walked(shipped(name))) == EXPECTED[name]


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
