"""Whether the kernel takes Router Advertisements: Linux's ip-sysctl.rst as a table."""

import pytest

from gitops_prefix.watch.learnt import deafness, read_settings

DEFAULT = {"disable_ipv6": 0, "accept_ra": 1, "forwarding": 0, "accept_ra_pinfo": 1}
TABLE = {
    "a host": ({}, ""),
    "a host that is told to": ({"accept_ra": 2}, ""),
    "a router that is told to": ({"accept_ra": 2, "forwarding": 1}, ""),
    "a router": ({"forwarding": 1}, "accept_ra=2"),
    "off": ({"accept_ra": 0}, "accept_ra=2"),
    "off on a router": ({"accept_ra": 0, "forwarding": 1}, "accept_ra=2"),
    "without prefixes": ({"accept_ra_pinfo": 0}, "accept_ra_pinfo=1"),
    "without IPv6": ({"disable_ipv6": 1, "accept_ra": 0}, "disable_ipv6=0"),
}


@pytest.mark.parametrize(("settings", "remedy"), TABLE.values(), ids=list(TABLE))
def test_a_deaf_kernel_is_known(settings, remedy):
    reason = deafness("eth0", DEFAULT | settings)
    assert reason.partition("`")[2].partition("`")[0] == (
        f"sysctl -w net.ipv6.conf.eth0.{remedy}" if remedy else ""
    )


ANOTHER_CLIENT = {
    "off": ({"accept_ra": 0}, ""),
    "off, without prefixes": ({"accept_ra": 0, "accept_ra_pinfo": 0}, ""),
    "a router": ({"forwarding": 1}, ""),
    "a host, whose kernel leaves prefixes out": ({"accept_ra_pinfo": 0}, "accept_ra_pinfo=1"),
}


@pytest.mark.parametrize(("settings", "remedy"), ANOTHER_CLIENT.values(), ids=list(ANOTHER_CLIENT))
def test_where_another_client_took_over_the_kernel_may_be_off(settings, remedy):
    reason = deafness("eth0", DEFAULT | settings, has_client=True)
    assert remedy in reason
    assert bool(reason) is bool(remedy)


FULL = {
    "room for one more": (15, 16, ""),
    "full": (16, 16, "max_addresses=64"),
    "beyond: some were there before": (40, 16, "max_addresses=64"),
    "no limit": (1000, 0, ""),
}


@pytest.mark.parametrize(("addresses", "most", "remedy"), FULL.values(), ids=list(FULL))
def test_a_link_that_is_full_takes_no_more(addresses, most, remedy):
    reason = deafness("eth0", DEFAULT | {"max_addresses": most}, addresses)
    assert remedy in reason
    assert bool(reason) is bool(remedy)


def test_what_cannot_be_read_is_no_reason():
    """A container may hide /proc/sys."""
    assert read_settings("nosuchlink") == {}
    assert deafness("nosuchlink", {}) == ""


def test_a_vlan_is_named_as_sysctl_wants_it():
    assert "net.ipv6.conf.eth0/100.accept_ra=2" in deafness("eth0.100", {"accept_ra": 0})
