"""What a kind of manifests says about itself: one `Target` a file in `targets/`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gitops_prefix.decide.specification import Specification
from gitops_prefix.errors import Problem
from gitops_prefix.render.binding import Binding
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a manifest may refer to.

    Attributes:
        specifications: the repository's DynamicPrefixes by name.
        manifests: every document that carries an annotation of ours.
    """

    specifications: Mapping[str, Specification]
    settings: Settings
    manifests: tuple[Manifest, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """What the annotations of one manifest come to."""

    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()


Bind: TypeAlias = Callable[[Manifest, Surroundings], Bound]


@dataclass(frozen=True, slots=True)
class Target:
    """A kind whose annotated manifests follow a prefix.

    Attributes:
        group: API group, as in `cilium.io`; empty for the core group.
        versions: served versions, the preferred one first.
        fields: what is managed, as docs/annotations.md names it.
        bind: finds the managed fields of one manifest of this kind that carries
            one of our annotations.
    """

    kind: str
    group: str
    versions: tuple[str, ...]
    fields: tuple[str, ...]
    bind: Bind
