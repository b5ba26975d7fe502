"""The kinds of manifests that follow a prefix: one file for each kind, and this table.

To add a kind: a module with a `TARGET`, a line below, and a golden directory. Kinds do
not import each other.
"""

from gitops_prefix.render.binding import Target
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.targets import (
    calico_pool,
    cilium_bgp,
    cilium_cidr_group,
    cilium_pool,
    config_map,
    metallb_pool,
    service,
)

TARGETS: tuple[Target, ...] = (
    cilium_pool.TARGET,
    cilium_cidr_group.TARGET,
    service.TARGET,
    metallb_pool.TARGET,
    config_map.TARGET,
    cilium_bgp.TARGET,
    calico_pool.TARGET,
)


def target_of(manifest: Manifest) -> Target | None:
    """The target of a manifest's kind, or None when its kind does not follow a prefix."""
    for target in TARGETS:
        if target.kind == manifest.kind and target.group == manifest.group:
            return target
    return None
