"""One pass over files: what the repository says, what we had decided, what the link says."""

from datetime import UTC, datetime

from gitops_prefix.daemon.reconcile import plan
from gitops_prefix.decide.choice import Choice
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.status import PrefixSource, Status

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOME = b"""\
apiVersion: dynamic-prefix.io/v1alpha1
kind: DynamicPrefix
metadata:
  name: home
spec:
  acquisition:
    routerAdvertisement: {interface: eth0}
  addressRanges:
    - {name: pool, start: "::f000:0:0:0", end: "::ffff:ffff:ffff:ffff"}
"""


def test_what_was_decided_under_another_specification_does_not_stop_the_pass():
    observed = Choice(Prefix.parse("2001:db8:a::/64"))
    # The range of the new tip does not fit the longer prefix of our dropped commit.
    unpublished = Status(Prefix.parse("2001:db8:b::/72"), PrefixSource.STATIC, NOON)

    planned = plan(
        {"home.yaml": HOME}, lambda _: {"home": observed}, NOON, unpublished={"home": unpublished}
    )

    assert planned.problems == ()
    assert planned.statuses["home"].prefixes == (observed.prefix,)
