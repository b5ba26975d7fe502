"""An operator's live objects in, manifests for a repository out.

For users of jr42/dynamic-prefix-operator and of PKizzle's fork. A status is kept, so that
no address changes. What only the cluster or the operator needs is left out, and what has no
counterpart is a note.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from gitops_prefix.decide.prefix import (
    USUAL_LENGTH,
    format_address,
    host_mask,
    parse_address,
)
from gitops_prefix.decide.reading import read_specification
from gitops_prefix.decide.service_address import Room, room_of
from gitops_prefix.decide.specification import API_VERSION, KIND, Reference
from gitops_prefix.decide.status import Status, read_status, status_document
from gitops_prefix.decide.transition import settle
from gitops_prefix.errors import Severity
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    ANNOTATIONS,
    NAME,
    PARENT_POOL,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SUBNET,
    SUFFIX,
)
from gitops_prefix.render.positions import is_operators_record
from gitops_prefix.render.reading import read_inventory
from gitops_prefix.render.rendering import render
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.style import Style, value_lines

Object = Mapping[str, Any]
"""An object of a cluster, or a part of one."""
_LOCAL = "config.kubernetes.io/local-config"
ADVERTISEMENT = "CiliumBGPAdvertisement"
_ALL_SERVICES = {
    "matchExpressions": [{"key": "somekey", "operator": "NotIn", "values": ["never-used-value"]}]
}
_READ = {
    "spec": {"acquisition", "addressRanges", "subnets", "transition"},
    "status": {
        "currentPrefix", "prefixSource", "acquiredAt", "dnsPrefix", "addressRanges", "subnets",
        "history", "conditions", "leaseExpiresAt",
    },
}  # fmt: skip
_OURS = ("PrefixAcquired", "PoolsSynced")
"""The conditions that gitops-prefix writes; an operator's others would stay for ever."""
_SERVER = (
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "finalizers",
    "generateName", "generation", "managedFields", "ownerReferences", "resourceVersion", "selfLink",
    "uid",
)  # fmt: skip
"""What the API server or a controller writes into metadata."""
_GIVEN_TO_A_SERVICE = ("clusterIP", "clusterIPs", "healthCheckNodePort")
_APPLIERS = ("kustomize.toolkit.fluxcd.io/", "argocd.argoproj.io/tracking-id")
"""What Flux and Argo CD write on all that they apply."""
_LISTS = (
    ("metadata", "ownerReferences"), ("spec", "subnets"), ("status", "addressRanges"),
    ("status", "conditions"), ("status", "loadBalancer", "ingress"), ("status", "subnets"),
)  # fmt: skip
"""The lists that are read here; an object of a cluster may hold anything."""
_PREFIXES = "prefix.yaml"
_PARTS = {
    "address_range": (SERVICE_ADDRESS_RANGE, ADDRESS_RANGE),
    "subnet": (SERVICE_SUBNET, SUBNET),
}
_KUBECTL = "kubectl.kubernetes.io/"


@dataclass(slots=True)
class Migrated:
    """What came of the objects.

    Attributes:
        files: content by path.
        notes: what is lost, or left to do; a line each.
    """

    files: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, document: Object) -> None:
        """Add a document to a file."""
        text = "".join(f"{line}\n" for line in value_lines(document, 0, Style()))
        self.files[name] = f"{self.files[name]}---\n{text}" if name in self.files else text


class _Maker(NamedTuple):
    """Who makes an object, so that a manifest of it would be undone or fought over.

    Attributes:
        words: who, as in "HelmRelease media/plex".
        where: the place for the annotations.
    """

    words: str
    where: str


def migrate(objects: list[Object]) -> Migrated:
    """Make the documents of a repository from the objects of a cluster.

    * Each DynamicPrefix with its status, in the form of this program.
    * Each annotated object, unless a chart or a controller makes it.
    * Each advertisement of a subnet, which the operators make.
    * What `validate` would say of them, and what the first rendering would change.
    """
    moved = Migrated()
    prefixes = [each for each in objects if is_dynamic_prefix(each)]
    for each in prefixes:
        moved.notes += _unread(each)
        moved.add(_PREFIXES, _dynamic_prefix(each, moved.notes))
    strangers = 0
    for each in objects:
        if is_dynamic_prefix(each):
            continue
        annotations = _mapping(each, "metadata", "annotations")
        labels = _mapping(each, "metadata", "labels")
        if PARENT_POOL in {*annotations, *labels}:
            moved.notes.append(
                f"{_shown(each)} holds a past prefix: left out, the first `render` writes it again "
                f"behind {annotations.get(PARENT_POOL) or labels.get(PARENT_POOL)}"
            )
        elif NAME in annotations:
            moved.notes += _unread(each)
            _annotated(each, moved)
        elif each["kind"] == ADVERTISEMENT and NAME in labels:
            _advertisement(each, moved)
        else:
            strangers += 1
            if any(str(key).startswith(ANNOTATIONS) for key in annotations):
                moved.notes.append(f"{_shown(each)} has no {NAME}: left out")
    if strangers:
        moved.notes.append(f"{strangers} objects without an annotation of the operator: left out")
    for each in prefixes:
        _advertise(each, objects, moved)
    _rehearse(moved)
    return moved


def is_dynamic_prefix(each: Object) -> bool:
    """Whether an object is a DynamicPrefix, of whatever version."""
    return each["kind"] == KIND and str(each.get("apiVersion", "")).startswith(ANNOTATIONS)


def _dynamic_prefix(each: Object, notes: list[str]) -> Object:
    """The document for the repository: what is read here, with the status in our order."""
    shown = _shown(each)
    metadata = _mapping(each, "metadata")
    if metadata.get("finalizers"):
        notes.append(
            f"{shown} has a finalizer, so it cannot be deleted once the operator is stopped: "
            f"kubectl patch dynamicprefix {metadata.get('name')} --type merge "
            """--patch '{"metadata": {"finalizers": null}}'"""
        )
    notes += [
        f"{shown}: {part}.{key} has no counterpart, and is left out"
        for part, known in _READ.items()
        for key in _mapping(each, part)
        if key not in known
    ]
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {
            "name": metadata.get("name", ""),
            "annotations": {**_own_annotations(each), _LOCAL: "true"},
        },
        "spec": _specification(each, shown, notes),
    }
    status = _status(each, document, shown, notes)
    return {**document, "status": status_document(status)} if status else document


def _specification(each: Object, shown: str, notes: list[str]) -> Object:
    """The spec; subnets keep their base while no DHCPv6 server delegates."""
    spec = {key: value for key, value in _mapping(each, "spec").items() if key in _READ["spec"]}
    advertisement = _mapping(each, "spec", "acquisition", "routerAdvertisement")
    asked = _mapping(each, "spec", "acquisition", "dhcpv6pd").get("requestedPrefixLength")
    if not (asked and advertisement and spec.get("subnets")):
        return spec
    notes.append(
        f"{shown}: the delegation that advertisements are a part of is written as "
        f"delegatedPrefixLength: {asked}, which was asked for: check what the ISP gave"
    )
    acquisition = dict(_mapping(each, "spec", "acquisition"))
    acquisition["routerAdvertisement"] = {"delegatedPrefixLength": asked, **advertisement}
    return {**spec, "acquisition": acquisition}


def _status(each: Object, document: Object, shown: str, notes: list[str]) -> Status | None:
    """The status that the operator left, as gitops-prefix would write it."""
    before = {key: value for key, value in _mapping(each, "status").items() if value != ""}
    if "currentPrefix" not in before:
        notes.append(f"{shown} has no prefix in its status: the first one is still to come")
        return None
    lost = [words for words, is_there in _lost_of(before) if is_there]
    if lost:
        notes.append(f"{shown}: {', '.join(lost)} of the status have no counterpart: left out")
    status, wrong = read_status({"status": before})
    specification, found = read_specification(
        {**document, "status": before}, status.current.length if status else None
    )
    problems = [*wrong, *(each for each in found if each.severity is Severity.ERROR)]
    notes += [f"{shown}: {problem.message} [{problem.code}]" for problem in problems]
    if status is None or problems:
        return status
    others = [each.type for each in status.conditions if each.type not in _OURS]
    if others:
        notes.append(f"{shown}: the conditions {', '.join(others)} are the operator's: left out")
    kept = tuple(each for each in status.conditions if each.type in _OURS)
    try:
        settled = settle(specification, status)
    except ValueError as error:
        notes.append(f"{shown}: {error}")
        settled = status
    return replace(settled, conditions=kept)


def _lost_of(status: Object) -> Iterator[tuple[str, bool]]:
    """The fields of an operator's status that nothing here has."""
    ranges, subnets = _items(status, "addressRanges"), _items(status, "subnets")
    conditions = _items(status, "conditions")
    yield "leaseExpiresAt", "leaseExpiresAt" in status
    yield "addressRanges[].cidr", any("cidr" in each for each in ranges)
    yield "subnets[].bgpAdvertisement", any("bgpAdvertisement" in each for each in subnets)
    yield "conditions[].observedGeneration", any("observedGeneration" in c for c in conditions)


def _annotated(each: Object, moved: Migrated) -> None:
    """A pool, a CIDR group, a Service: as it is, without what a cluster adds."""
    maker = _maker(each)
    if maker is None:
        if any(map(_is_appliers, _labels_and_annotations(each))):
            moved.notes.append(
                f"{_shown(each)} is applied from Git already: keep that manifest, and take over "
                "what differs"
            )
        name = f"{each['kind'].lower()}.yaml"
        moved.add(name, _cleaned(each))
        return
    wanted = _own_annotations(each, only=ANNOTATIONS)
    if each["kind"] == "Service" and SUFFIX not in wanted:
        wanted |= _host_part(each, moved)
    listed = ", ".join(f'{key}: "{value}"' for key, value in wanted.items())
    moved.notes.append(
        f"{_shown(each)} is made by {maker.words}, so a manifest of it would be overwritten. "
        f"Write into {maker.where}: {listed}"
    )


def _labels_and_annotations(each: Object) -> list[str]:
    held = (_mapping(each, "metadata", key) for key in ("labels", "annotations"))
    return [str(key) for mapping in held for key in mapping]


def _is_appliers(key: str) -> bool:
    return key.startswith(_APPLIERS)


def _maker(each: Object) -> _Maker | None:
    annotations = _mapping(each, "metadata", "annotations")
    labels = _mapping(each, "metadata", "labels")
    gateway = labels.get("gateway.networking.k8s.io/gateway-name")
    if gateway:
        return _Maker(f"Gateway {gateway}", "its spec.infrastructure.annotations")
    release = labels.get("helm.toolkit.fluxcd.io/name")
    if release:
        where = f"{labels.get('helm.toolkit.fluxcd.io/namespace', '?')}/{release}"
        return _Maker(f"HelmRelease {where}", "the annotations of that Service in its values")
    release = annotations.get("meta.helm.sh/release-name")
    if release or labels.get("app.kubernetes.io/managed-by") == "Helm":
        words = f"the Helm release {release}" if release else "a Helm release"
        return _Maker(words, "the annotations of that Service in its values")
    for owner in _items(each, "metadata", "ownerReferences"):
        if owner.get("kind") != KIND:
            return _Maker(f"{owner.get('kind')} {owner.get('name')}", "the object that makes it")
    return None


def _host_part(each: Object, moved: Migrated) -> dict[str, str]:
    """The `suffix` of the present address, so that a Service made elsewhere keeps it."""
    held = [*_addresses(each)]
    rooms = [*_rooms(each, moved)]
    parts = [part for room in rooms for a in held if (part := room.host_part(a)) is not None]
    if held and rooms and not parts:
        moved.notes.append(
            f"{_shown(each)} has {', '.join(map(format_address, held))}, which is not of its "
            f"DynamicPrefix: write {SUFFIX} yourself, else it gets another host part"
        )
    # Without a status, the prefix may be any: that of a link has 64 bits.
    parts = parts if rooms else [address & host_mask(USUAL_LENGTH) for address in held]
    return {SUFFIX: format_address(parts[0])} if parts else {}


def _addresses(each: Object) -> Iterator[int]:
    """The IPv6 addresses that a Service asks for, then those that it has."""
    listed = _mapping(each, "metadata", "annotations").get("lbipam.cilium.io/ips", "")
    ingress = _items(each, "status", "loadBalancer", "ingress")
    for text in [*str(listed).split(","), *(entry.get("ip") for entry in ingress)]:
        with suppress(ValueError):
            yield parse_address(str(text).strip())


def _rooms(each: Object, moved: Migrated) -> Iterator[Room]:
    """The host parts that a Service may have: in its range, in its subnet, or in the prefix."""
    files = {path: text.encode() for path, text in moved.files.items() if path == _PREFIXES}
    annotations = _mapping(each, "metadata", "annotations")
    document = read_inventory(files, Settings()).dynamic_prefixes.get(str(annotations[NAME]))
    if document is not None and document.status is not None:
        part = {
            word: str(next(filter(None, map(annotations.get, keys)), ""))
            for word, keys in _PARTS.items()
        }
        reference = Reference(document.specification.name, **part)
        room = room_of(reference, document.specification, document.status)
        if room is not None:
            yield room


def _advertisement(each: Object, moved: Migrated) -> None:
    """An advertisement that the operator made: it goes with the DynamicPrefix of the cluster."""
    labels = _mapping(each, "metadata", "labels")
    name, subnet = str(labels[NAME]), str(labels.get(SUBNET, ""))
    document = _cleaned(each)
    metadata = {**document["metadata"]}
    metadata["labels"] = {
        key: value
        for key, value in _mapping(document, "metadata", "labels").items()
        if not str(key).startswith(ANNOTATIONS) and key != "app.kubernetes.io/managed-by"
    }
    metadata["annotations"] = {NAME: name, SUBNET: subnet}
    if not metadata["labels"]:
        del metadata["labels"]
    moved.add(f"{each['kind'].lower()}.yaml", {**document, "metadata": metadata})
    moved.notes.append(
        f"{_shown(each)} belongs to the DynamicPrefix of the cluster, and goes with it: "
        f"kubectl patch ciliumbgpadvertisement {metadata.get('name')} --type merge "
        """--patch '{"metadata": {"ownerReferences": null}}' before you delete that"""
    )
    if "labels" not in metadata:
        moved.notes.append(
            f"{_shown(each)} had the operator's labels alone: a CiliumBGPPeerConfig that selects "
            "it by these needs other ones"
        )


def _advertise(each: Object, objects: list[Object], moved: Migrated) -> None:
    """What announces a subnet: the operator makes it, and here it is a manifest."""
    name = _mapping(each, "metadata").get("name")
    for subnet in _items(each, "spec", "subnets"):
        bgp = _mapping(subnet, "bgp")
        if not bgp and subnet.get("bgp"):
            moved.notes.append(
                f"{_shown(each)}: bgp of subnet {subnet.get('name')} is not a mapping: left out"
            )
        if not bgp.get("advertise") or any(
            other["kind"] == ADVERTISEMENT and _follows(other, name, subnet.get("name"))
            for other in objects
        ):
            continue
        selector = _pool_selector(objects, name, subnet.get("name"))
        document = advertisement_for(
            str(name), str(subnet.get("name")), str(bgp.get("community") or ""), selector
        )
        moved.add(f"{ADVERTISEMENT.lower()}.yaml", document)
        moved.notes.append(
            f"{_shown(each)}: bgp.advertise of subnet {subnet.get('name')}: there was no "
            f"{ADVERTISEMENT}, so one was made up: give it the labels that your "
            "CiliumBGPPeerConfig selects, and the selector of your Services"
        )


def _pool_selector(objects: list[Object], name: object, subnet: object) -> Object:
    """Which Services the pool of a subnet is for: the operator announces these."""
    pools = (each for each in objects if each["kind"] == "CiliumLoadBalancerIPPool")
    found = (each for each in pools if _follows(each, name, subnet))
    return next((_mapping(pool, "spec", "serviceSelector") for pool in found), {})


def _follows(other: Object, name: object, subnet: object) -> bool:
    for held in ("annotations", "labels"):
        found = _mapping(other, "metadata", held)
        if found.get(NAME) == name and found.get(SUBNET) == subnet:
            return True
    return False


def _cleaned(each: Object) -> dict[str, Any]:
    """The object without its status, and without what others write into it."""
    metadata = {
        key: value for key, value in _mapping(each, "metadata").items() if key not in _SERVER
    }
    labels = _mapping(each, "metadata", "labels")
    if labels:
        metadata["labels"] = {key: labels[key] for key in labels if not _is_appliers(str(key))}
    metadata["annotations"] = _own_annotations(each)
    document = {key: value for key, value in each.items() if key != "status"}
    if each["kind"] == "Service":
        spec = {
            key: value
            for key, value in _mapping(each, "spec").items()
            if key not in _GIVEN_TO_A_SERVICE
        }
        ports = spec.get("ports")
        if isinstance(ports, list) and spec.get("type") == "LoadBalancer":
            spec["ports"] = [
                {key: value for key, value in port.items() if key != "nodePort"}
                if isinstance(port, dict)
                else port
                for port in ports
            ]
        document["spec"] = spec
    return {**document, "metadata": metadata}


def _own_annotations(each: Object, only: str = "") -> dict[str, Any]:
    """The annotations that somebody wrote; the operator's records and kubectl's are left out."""
    return {
        key: value
        for key, value in _mapping(each, "metadata", "annotations").items()
        if str(key).startswith(only)
        and not is_operators_record(str(key))
        and not str(key).startswith((_KUBECTL, *_APPLIERS))
    }


def _rehearse(moved: Migrated) -> None:
    """Say what `validate` would say, and what the first rendering would change."""
    import json  # noqa: PLC0415  `render` imports this module, and has no use for it

    files = {path: text.encode() for path, text in moved.files.items()}
    inventory = read_inventory(files, Settings())
    statuses = {
        name: each.status for name, each in inventory.dynamic_prefixes.items() if each.status
    }
    rendering = render(inventory, statuses)
    for problem in rendering.problems:
        moved.notes.append(f"{problem} [{problem.code}]")
    for change in rendering.changes:
        before, after = (json.dumps(value) for value in (change.before, change.after))
        did = "writes" if change.before is None else "changes"
        values = after if change.before is None else f"from {before} to {after}"
        moved.notes.append(
            f"{change.kind} {change.name}: the first `render` {did} {change.field} {values}"
        )


def _unread(each: Object) -> Iterator[str]:
    """A note for each value that should be a list of mappings, and holds something else."""
    for *above, key in _LISTS:
        found = _mapping(each, *above).get(key)
        if found and (not isinstance(found, list) or len(_items(each, *above, key)) < len(found)):
            where = ".".join((*above, key))
            yield f"{_shown(each)}: {where} is not a list of mappings: the rest is ignored"


def _items(value: object, *path: str) -> list[Mapping[str, Any]]:
    """The mappings of the list at a path."""
    *above, key = path
    found = _mapping(value, *above).get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _mapping(value: object, *path: str) -> Mapping[str, Any]:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _shown(each: Object) -> str:
    metadata = _mapping(each, "metadata")
    names = (metadata.get("namespace"), metadata.get("name"))
    return f"{each['kind']} {'/'.join(str(name) for name in names if name)}"


def advertisement_for(
    name: str, subnet: str, community: str = "", selector: Object | None = None
) -> dict[str, Any]:
    """The advertisement that an operator would make for a subnet, with our annotations.

    Args:
        name: of the DynamicPrefix.
        subnet: that is announced.
        community: to attach, or empty.
        selector: of Services; by default it selects all of them, as Cilium's docs have it.
    """
    entry: dict[str, Any] = {
        "advertisementType": "Service",
        "service": {"addresses": ["LoadBalancerIP"]},
        "selector": selector or _ALL_SERVICES,
    }
    if community:
        entry["attributes"] = {"communities": {"standard": [community]}}
    return {
        "apiVersion": "cilium.io/v2",
        "kind": ADVERTISEMENT,
        "metadata": {
            "name": f"{name}-{subnet}",
            "labels": {"advertise": "bgp"},
            "annotations": {NAME: name, SUBNET: subnet},
        },
        "spec": {"advertisements": [entry]},
    }
