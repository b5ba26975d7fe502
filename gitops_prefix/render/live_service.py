"""A Service as the cluster has it: the addresses that it holds, and those that it asks for.

What it holds is `status.loadBalancer.ingress`; a controller that is away writes none, so what
was asked for counts as well (docs.cilium.io, "LoadBalancer IPAM"; metallb.io, "Usage").
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gitops_prefix.render.address_list import address_of, entries
from gitops_prefix.render.targets.service import CILIUM, METALLB


@dataclass(frozen=True, slots=True, order=True)
class LiveService:
    """A Service of type LoadBalancer.

    Attributes:
        held: IPv6 addresses of its status, in their order.
        asked: those of its annotations and of spec.loadBalancerIP.
    """

    namespace: str
    name: str
    held: tuple[int, ...] = ()
    asked: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"Service {self.namespace}/{self.name}"


def read_live_services(objects: Iterable[Mapping[str, Any]]) -> tuple[LiveService, ...]:
    """The Services of type LoadBalancer among API objects, by namespace and name."""
    return tuple(
        sorted(map(_read, (one for one in objects if _in(one, "spec").get("type") == _BALANCED)))
    )


_BALANCED = "LoadBalancer"


def _read(service: Mapping[str, Any]) -> LiveService:
    metadata = _in(service, "metadata")
    return LiveService(
        metadata.get("namespace") or "default",
        metadata.get("name") or "",
        tuple(_addresses(one.get("ip") for one in _ingress(service))),
        tuple(_addresses(_asked(service))),
    )


def _ingress(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return _in(_in(service, "status"), "loadBalancer").get("ingress") or []


def _asked(service: Mapping[str, Any]) -> Iterator[str]:
    annotations = _in(_in(service, "metadata"), "annotations")
    for key in (CILIUM, *METALLB):
        yield from entries(annotations.get(key))
    yield _in(service, "spec").get("loadBalancerIP") or ""


def _addresses(texts: Iterable[Any]) -> Iterator[int]:
    for text in texts:
        address = address_of(text) if isinstance(text, str) else None
        if address is not None:
            yield address


def _in(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """What an optional key of the API holds: absent, null and empty are one."""
    return mapping.get(key) or {}
