"""What a rehearsal says when: how prefixes come and how they go."""

import pytest

from gitops_prefix.decide.advertisement import Preference, RouterAdvertisement
from gitops_prefix.lab.router import Leaving, parse_step, schedule

SAID = RouterAdvertisement(64, False, False, Preference.MEDIUM, 1800, 0, 0, ())
A, B, C = "2001:db8:a::/64", "2001:db8:b::/64", "2001:db8:c::/64"


def brief(step) -> list[str]:
    return [
        f"{said.prefix} {said.preferred_lifetime} {said.valid_lifetime}"
        for said in step.advertisement.prefixes
    ]


WAYS = {
    "left out: not a word": (Leaving.LEFT_OUT, [f"{B} 14400 86400"], [f"{C} 14400 86400"]),
    "deprecated: preferred 0, and so for good": (
        Leaving.DEPRECATED,
        [f"{B} 14400 86400", f"{A} 0 86400"],
        [f"{C} 14400 86400", f"{B} 0 86400", f"{A} 0 86400"],
    ),
    "withdrawn: valid 0": (
        Leaving.WITHDRAWN,
        [f"{B} 14400 86400", f"{A} 0 0"],
        [f"{C} 14400 86400", f"{B} 0 0", f"{A} 0 0"],
    ),
}


@pytest.mark.parametrize(("leaving", "second", "third"), WAYS.values(), ids=list(WAYS))
def test_how_the_old_prefix_goes(leaving, second, third):
    steps = schedule(SAID, [parse_step(text) for text in (A, B, C)], [30.0, 5.0], leaving)
    assert [step.at for step in steps] == [0.0, 30.0, 35.0]
    assert [brief(step) for step in steps] == [[f"{A} 14400 86400"], second, third]


def test_a_prefix_that_returns_is_itself_again():
    """And not deprecated beside itself."""
    steps = schedule(SAID, [parse_step(text) for text in (A, B, A)], [1.0, 1.0], Leaving.DEPRECATED)
    assert brief(steps[-1]) == [f"{A} 14400 86400", f"{B} 0 86400"]


STEPS = {
    A: [f"{A} 14400 86400"],
    "none": [],
    f"{A}+{B}": [f"{A} 14400 86400", f"{B} 14400 86400"],
    f"{A},valid=10m": [f"{A} 600 600"],
    f"{A},valid=10m,preferred=0s+{B},preferred=1h": [f"{A} 0 600", f"{B} 3600 86400"],
    f"{A},valid=infinity,preferred=infinity": [f"{A} 4294967295 4294967295"],
}


@pytest.mark.parametrize(("text", "means"), STEPS.items(), ids=list(STEPS))
def test_a_step_is_read(text, means):
    assert brief(schedule(SAID, [parse_step(text)], [], Leaving.LEFT_OUT)[0]) == means


def test_the_flags_of_a_prefix_are_read():
    [said] = parse_step(f"{A},on-link=no,autonomous=no")
    assert (said.on_link, said.autonomous) == (False, False)


WRONG = {
    "2001:db8::": "write its length too",
    f"{A}+{A}": "a prefix twice",
    f"{A},forever": '"forever" is not known',
    f"{A},on-link=maybe": '"maybe" is neither',
    f"{A},valid=1h,preferred=2h": "preferred for longer than it is valid",
    f"{A},valid=5": "write a number and a unit",
    "": "is not an IPv6 address",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=list(WRONG))
def test_a_step_that_is_wrong_says_why(text, said):
    with pytest.raises(ValueError, match=said):
        parse_step(text)
