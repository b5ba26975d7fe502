"""Random houses of routers: some here, thousands by `python -m tests.decide.houses 0 2000`."""

import pytest

from tests.decide.houses import LOCAL_TOO, live

SLOW = {0, 22, 23, 29}
"""Houses with a router that advertises every 4 s, which take as long as forty others."""


@pytest.mark.parametrize("seed", sorted(set(range(44)) - SLOW))
def test_a_house_is_followed_for_48_hours(seed):
    assert live(seed) == ""


@pytest.mark.parametrize("seed", [LOCAL_TOO + number for number in range(1, 9)])
def test_a_house_whose_policy_admits_local_prefixes_keeps_to_the_global_ones(seed):
    assert live(seed) == ""
