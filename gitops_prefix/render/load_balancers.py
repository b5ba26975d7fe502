"""Load balancers: which one a Service has, the annotations it reads, and its pools.

docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage". What a pool gives is compared with
what all other pools give, since both load balancers stop using pools that overlap.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from gitops_prefix.decide.fields import dotted
from gitops_prefix.decide.service_address import Claim, Exposure
from gitops_prefix.decide.specification import Reference
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_text import Span, address_span, entries, span_start
from gitops_prefix.render.binding import Binding, Pool
from gitops_prefix.render.manifest import ADDRESS_RANGE, NAME, SUBNET, Manifest
from gitops_prefix.render.node import Value, value_at

CILIUM = ("lbipam.cilium.io/ips", "io.cilium/lb-ipam-ips")
METALLB = ("metallb.io/loadBalancerIPs", "metallb.universe.tf/loadBalancerIPs")
"""Address annotations of each: the first one counts where a Service has both."""
_ACROSS_NAMESPACES = (
    "lbipam.cilium.io/sharing-cross-namespace",
    "io.cilium/lb-ipam-sharing-cross-namespace",
)
_OF_CILIUM = ("lbipam.cilium.io/", "io.cilium/")
_OF_METALLB = ("metallb.io/", "metallb.universe.tf/")
_WITHOUT_ADDRESS = {"ClusterIP", "NodePort", "ExternalName"}
_BY_POOL = {"CiliumLoadBalancerIPPool": "Cilium", "IPAddressPool": "MetalLB"}


class LoadBalancer(Enum):
    """A load balancer that takes addresses from annotations."""

    CILIUM = "Cilium"
    METALLB = "MetalLB"

    @property
    def address_keys(self) -> tuple[str, ...]:
        """The annotations in which it takes addresses; the first one counts."""
        return CILIUM if self is LoadBalancer.CILIUM else METALLB

    @property
    def sharing_keys(self) -> tuple[str, ...]:
        """The annotations that let two Services share an address; the first one counts."""
        if self is LoadBalancer.CILIUM:
            return ("lbipam.cilium.io/sharing-key", "io.cilium/lb-ipam-sharing-key")
        return ("metallb.io/allow-shared-ip", "metallb.universe.tf/allow-shared-ip")


class SeveralBalancers(NamedTuple):
    """Pools of two kinds have the range of a Service, and nothing on the Service decides."""

    pools: tuple[Manifest, ...]


def load_balancer_of(
    manifest: Manifest, reference: Reference, manifests: Iterable[Manifest]
) -> LoadBalancer | SeveralBalancers | None:
    """The load balancer of a Service; None when it is neither Cilium's nor MetalLB's.

    The class counts first, then an annotation of MetalLB, then the kind of the pools of its
    range. An annotation of Cilium decides only between pools of both kinds: earlier versions
    wrote it on every Service.
    """
    of_metallb = _has_key(manifest, _OF_METALLB)
    chosen = manifest.of_spec("loadBalancerClass")
    if isinstance(chosen, str) and chosen:
        if chosen.startswith(_OF_CILIUM):
            return LoadBalancer.CILIUM
        # MetalLB takes a class of any name (its option --lb-class).
        return LoadBalancer.METALLB if of_metallb or "metallb" in chosen.lower() else None
    if of_metallb:
        return LoadBalancer.METALLB
    pools = {_BY_POOL[pool.kind]: pool for pool in _pools(reference, manifests)}
    if len(pools) > 1 and not _has_key(manifest, _OF_CILIUM):
        return SeveralBalancers(tuple(pools.values()))
    return LoadBalancer(next(iter(pools))) if len(pools) == 1 else LoadBalancer.CILIUM


def _has_key(manifest: Manifest, prefixes: tuple[str, ...]) -> bool:
    return any(str(key).startswith(prefixes) for key in manifest.annotations)


def _pools(reference: Reference, manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """The pools that may have the addresses of a reference."""
    for pool in manifests:
        if pool.kind not in _BY_POOL or pool.annotations.get(NAME) != reference.dynamic_prefix:
            continue
        part = pool.annotations.get(ADDRESS_RANGE) or pool.annotations.get(SUBNET)
        wanted = reference.address_range or reference.subnet
        if not part or not wanted or part == wanted:
            yield pool


def may_be_dual_stack(manifest: Manifest) -> bool:
    """Whether a Service may have an IPv4 address beside an IPv6 address."""
    policy = manifest.of_spec("ipFamilyPolicy")
    return policy in {"PreferDualStack", "RequireDualStack"} or len(families_of(manifest)) > 1


def may_hold_ipv6(manifest: Manifest) -> bool:
    """Whether a Service may have an IPv6 address at all."""
    return may_be_dual_stack(manifest) or families_of(manifest) in ([], ["IPv6"])


def families_of(manifest: Manifest) -> list[Value]:
    """The IP families that a Service asks for by name."""
    families = manifest.of_spec("ipFamilies")
    return families if isinstance(families, list) else []


def is_silent(manifest: Manifest) -> bool:
    """Whether a Service names no families, which means one, unless something adds them."""
    return _has_default_family(manifest) and manifest.of_spec("ipFamilyPolicy") is None


def _has_default_family(manifest: Manifest) -> bool:
    """Whether a Service has one family, and leaves it to the cluster which one."""
    own = manifest.kind == "Service" and not manifest.is_elsewhere
    return own and not families_of(manifest) and not may_be_dual_stack(manifest)


def find_default_families(bindings: Iterable[Binding]) -> Iterator[Problem]:
    """A warning for each Service of MetalLB that has an address only where IPv6 is the default."""
    seen: set[Claim | None] = set()
    for binding in bindings:
        key = str(binding.field_path[-1])
        manifest = binding.manifest
        if key not in METALLB or binding.claim in seen or not _has_default_family(manifest):
            continue
        seen.add(binding.claim)
        if not any(ipv4_of(manifest.annotations.get(each)) for each in METALLB):
            message = (
                "the Service has the first family of its cluster, and where that is IPv4, MetalLB "
                f"gives it no address with IPv6 in {key}: set spec.ipFamilies to [IPv6], or "
                "spec.ipFamilyPolicy to PreferDualStack and add its IPv4 address"
            )
            yield warning_on(manifest, "family-not-named", message)


def find_unfit(manifest: Manifest) -> Problem | None:
    """Why a Service of any load balancer cannot have an address of ours, if it cannot."""
    kind = manifest.of_spec("type")
    if kind is None and manifest.of_spec("clusterIP") == "None":
        # A headless Service is no load balancer's, whatever adds its type.
        kind = "ClusterIP"
    # Beside annotations that are not a Service's own, `type` may mean anything.
    own = manifest.kind == "Service" and not manifest.is_elsewhere and kind is not None
    if kind != "LoadBalancer" and (own or kind in _WITHOUT_ADDRESS):
        message = (
            f"the Service has type {kind}, not LoadBalancer, and gets no address: remove {NAME}"
        )
        return warning_on(manifest, "no-load-balancer", message)
    if not may_hold_ipv6(manifest):
        message = "the Service has IPv4 only (spec.ipFamilies): add IPv6, or remove " + NAME
        return warning_on(manifest, "no-ipv6", message)
    return None


def undecided(manifest: Manifest, balancer: SeveralBalancers | None) -> Problem:
    """Why it is not known which annotation the load balancer of a Service reads."""
    if balancer is None:
        chosen = manifest.of_spec("loadBalancerClass")
        message = f"spec.loadBalancerClass {chosen} is not known: write the address with a marker"
        return warning_on(manifest, "no-load-balancer", message)
    first, second = balancer.pools[:2]
    message = (
        f"{first.kind} {first.name} and {second.kind} {second.name} both have the range of the "
        "Service: set its spec.loadBalancerClass, or write the annotation of one load balancer"
    )
    return manifest.annotation_problem("two-load-balancers", message)


def exposure_of(
    manifest: Manifest, namespace: str, balancer: LoadBalancer | SeveralBalancers | None
) -> Exposure:
    """Return what a Service says, itself or beside its annotations, about sharing its address."""
    local = manifest.of_spec("externalTrafficPolicy") == "Local"
    return Exposure(
        namespace or f"{manifest.path.rpartition('/')[0]}/",
        frozenset({"*"} if balancer is LoadBalancer.METALLB else _partners(manifest)),
        frozenset(_ports(manifest)),
        f"Local {_pods(manifest)}" if local else "Cluster",
    )


def _partners(manifest: Manifest) -> list[str]:
    texts = map(manifest.annotations.get, _ACROSS_NAMESPACES)
    return next((entries(text) for text in texts if text), [])


def _ports(manifest: Manifest) -> Iterator[tuple[str, int]]:
    written = manifest.of_spec("ports")
    # Some charts have a mapping from the ports' names.
    ports = written.values() if isinstance(written, dict) else written
    for port in ports if isinstance(ports, Iterable) else ():
        if isinstance(port, dict) and isinstance(number := port.get("port"), int):
            yield str(port.get("protocol") or "TCP"), number


def _pods(manifest: Manifest) -> str:
    """The pods of a Service; those of a chart, or of Endpoints made by hand, are its own."""
    selector = manifest.of_spec("selector")
    if isinstance(selector, dict) and selector:
        return ",".join(sorted(f"{key}={value}" for key, value in selector.items()))
    return f"{manifest.path}:{manifest.span.number}"


def ipv4_of(text: Value) -> list[str]:
    """The IPv4 addresses of a list with commas, as they are written."""
    return [entry for entry in entries(text) if (span := address_span(entry)) and span.version == 4]


def keys_of(manifest: Manifest, balancer: LoadBalancer) -> tuple[str, ...]:
    """The annotations to write the addresses of a Service into: what it has, or the usual one."""
    keys = balancer.address_keys
    return tuple(key for key in keys if key in manifest.annotations) or keys[:1]


def warning_on(manifest: Manifest, code: str, message: str, key: str = NAME) -> Problem:
    """A warning about an annotation."""
    return manifest.annotation_problem(code, message, key=key, severity=Severity.WARNING)


class FilledPool(NamedTuple):
    """A pool as it is after the rendering.

    Attributes:
        spans: what it gives away.
        prefixes: the current prefixes that it follows.
        waits_for: a DynamicPrefix without a first prefix that it follows, or an empty string.
    """

    manifest: Manifest
    rule: Pool
    spans: tuple[Span, ...]
    prefixes: frozenset[Span]
    waits_for: str

    def is_same_object(self, other: "FilledPool") -> bool:
        """Whether both may be one object: a base and its overlay."""
        mine, theirs = self.manifest, other.manifest
        namespaces = {mine.namespace, theirs.namespace} - {""}
        return mine.name == theirs.name and len(namespaces) < 2

    def __str__(self) -> str:
        return f"{self.manifest.kind} {self.manifest.name}"


def find_pool_problems(pools: Sequence[FilledPool]) -> Iterator[Problem]:
    """What is wrong with the pools of a repository, each alone and taken together."""
    for pool in pools:
        yield from _empty(pool)
        yield from _raw_prefix(pool)
    yield from _overlaps(pools)


def _empty(pool: FilledPool) -> Iterator[Problem]:
    manifest, rule = pool.manifest, pool.rule
    if rule.needs_an_entry and pool.waits_for and not value_at(manifest.content, rule.path):
        message = (
            f"{pool} is empty until {pool.waits_for} has its first prefix, and MetalLB reads no "
            f"configuration at all meanwhile: write an entry of your own into {dotted(rule.path)}, "
            "for example an IPv4 range"
        )
        yield manifest.field_problem(rule.path, "empty-pool", message, Severity.WARNING)


def _raw_prefix(pool: FilledPool) -> Iterator[Problem]:
    if not pool.prefixes.isdisjoint(pool.spans):
        # RFC 4291 2.6.1; the host parts 1, 2, ... are usually those of routers.
        message = (
            f"{pool} gives away the whole prefix, with host part 0, which is the anycast address "
            f"of all routers, and with the addresses of routers: name a range by {ADDRESS_RANGE}"
        )
        annotated = NAME in pool.manifest.annotations
        path = ("metadata", "annotations", NAME) if annotated else pool.rule.path
        yield pool.manifest.field_problem(path, "raw-prefix", message, Severity.WARNING)


def _overlaps(pools: Sequence[FilledPool]) -> Iterator[Problem]:
    """One problem for each pool that has an address in common with an earlier one of its kind."""
    held = sorted(
        (span, number)
        for number, pool in enumerate(pools)
        if pool.rule.overlap is not None
        for span in pool.spans
    )
    found: dict[int, tuple[int, Span]] = {}
    for index, (span, number) in enumerate(held):
        for other, other_number in held[index + 1 :]:
            if other.version != span.version or other.first > span.last:
                break
            earlier, later = number, other_number
            if earlier > later:
                earlier, later = later, earlier
            if later in found and found[later][0] < earlier:
                # Of many pools on one range each is named beside the first.
                continue
            first, second = pools[earlier], pools[later]
            if first.rule == second.rule and not first.is_same_object(second):
                found[later] = min(found.get(later, (earlier, other)), (earlier, other))
    for later, (earlier, span) in sorted(found.items()):
        yield _overlap(pools[earlier], pools[later], span)


def _overlap(first: FilledPool, second: FilledPool, span: Span) -> Problem:
    rule = second.rule
    effect = (
        "MetalLB then reads no configuration at all"
        if rule.overlap is Severity.ERROR
        else "Cilium then stops using the newer one"
    )
    place = first.manifest.place_of(rule.path)
    message = (
        f"{second} and {first} ({place}) both have {span_start(span)}, and {effect}: give each a "
        "range of its own"
    )
    return second.manifest.field_problem(
        rule.path, "pools-overlap", message, rule.overlap or Severity.WARNING
    )
