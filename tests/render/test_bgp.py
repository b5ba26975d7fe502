"""Advertisements of Cilium: whom they are bound to, and what cannot be followed."""

import pytest

from tests.render.repository import PREFIX, A, B, render_once

ADVERTISEMENT = """\
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata:
  name: low
  annotations:
    dynamic-prefix.io/name: home
    dynamic-prefix.io/subnet: low
spec:
  advertisements:
    - advertisementType: PodCIDR
"""
ADVERTISED = PREFIX.replace(
    b"prefixLength: 72}", b'prefixLength: 72, bgp: {advertise: true, community: "65000:100"}}'
)


def test_an_entry_that_is_no_mapping_is_not_followed():
    manifest = ADVERTISEMENT.replace("    - adv", "    - text\n    - adv")
    rendering = render_once({"home.yaml": ADVERTISED, "manifest.yaml": manifest.encode()}, A)
    assert rendering.files["manifest.yaml"].decode() == manifest + (
        '      attributes:\n        communities:\n          standard:\n            - "65000:100"\n'
    )


@pytest.mark.parametrize(
    ("home", "manifest", "said"),
    [
        (PREFIX, ADVERTISEMENT, "manifest.yaml:7:31 warning not-advertised"),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("    dynamic-prefix.io/subnet: low\n", ""),
            "manifest.yaml:6:29 error missing-subnet",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("subnet: low", "address-range: lb"),
            "manifest.yaml:6:29 error missing-subnet",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("subnet: low", "subnet: lwo"),
            "manifest.yaml:7:31 error unknown-subnet",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("\n    - advertisementType: PodCIDR", " []"),
            "manifest.yaml:9:19 error no-advertisement",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("\n  advertisements:\n    - advertisementType: PodCIDR", ""),
            "manifest.yaml:8:6 error no-advertisement",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT + "      attributes: {communities: {standard: all}}\n",
            "manifest.yaml:11:44 error edit-refused",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT + "      <<: {attributes: {communities: {standard: [a]}}}\n",
            "manifest.yaml:10:7 error edit-refused",
        ),
        (
            ADVERTISED,
            ADVERTISEMENT.replace("- adv", "- &a\n      adv") + "    - *a\n",
            "manifest.yaml:12:7 error edit-refused",
        ),
    ],
)
def test_what_cannot_be_followed_is_told_at_its_place(home: bytes, manifest: str, said: str):
    """An error where something is missing; a warning where the subnet is not announced."""
    rendering = render_once({"home.yaml": home, "manifest.yaml": manifest.encode()}, A)
    assert said in [f"{one.place} {one.severity} {one.code}" for one in rendering.problems]
    assert "manifest.yaml" not in rendering.files


def test_another_prefix_changes_no_advertisement():
    """Labels select what it announces: no prefix is in it."""
    files = {"home.yaml": ADVERTISED, "manifest.yaml": ADVERTISEMENT.encode()}
    files |= render_once(files, A).files
    assert b'- "65000:100"\n' in files["manifest.yaml"]
    assert [*render_once(files, B, 1).files] == ["home.yaml"]
