"""MetalLB's pools: how people write addresses there, and which of them are ours."""

import pytest

from tests.render.repository import A, B, problems_of, render_all

POOL = """\
apiVersion: metallb.io/v1beta1
kind: IPAddressPool
metadata:
  name: pool
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/address-range: lb
spec:
  addresses:
  - {}
"""
RANGE_B = '"2001:db8:b:0:f000::-2001:db8:b:0:ffff:ffff:ffff:ffff"'
RANGE_A = '"2001:db8:a:0:f000::-2001:db8:a:0:ffff:ffff:ffff:ffff"'


@pytest.mark.parametrize(
    "written",
    [
        RANGE_A,
        '"2001:db8:a:0:f000:: - 2001:db8:a:0:ffff:ffff:ffff:ffff"',
        '"2001:DB8:A:0:F000::  -2001:db8:a:0:ffff:ffff:ffff:ffff"',
        '"2001:db8:a:0:f000::/68"',
    ],
    ids=["as we write it", "with blanks", "in capitals", "as a CIDR"],
)
def test_ours_is_known_by_its_addresses_and_not_by_its_text(written: str):
    """Nothing of the past prefix is left twice."""
    assert render_all(POOL.format(written), A, B) == POOL.format(f"{RANGE_B}\n  - {RANGE_A}")


@pytest.mark.parametrize(
    "written", ["192.0.2.1-192.0.2.9", "192.0.2.0/28", "pool-of-mine", "1-2-3", "5"]
)
def test_what_is_not_ours_stays_behind(written: str):
    """An IPv4, and also what MetalLB itself will have to judge."""
    assert render_all(POOL.format(written), A) == POOL.format(f"{RANGE_A}\n  - {written}")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ('"2001:db8:a:0:f000::1/128"', "overlap"),
        ('"2001:db8:a:0:e000:: - 2001:db8:a:0:f000::"', "overlap"),
        ('"2001:db8:a:0:1:: - 2001:db8:a:0:2::"', "will-not-follow"),
    ],
)
def test_what_is_in_the_way_is_told(written: str, code: str):
    """At its line; MetalLB refuses entries that overlap."""
    (said,) = problems_of(POOL.format(written))
    assert said.startswith(f"manifest.yaml:10:5 {code}: ")
