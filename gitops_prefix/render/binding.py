"""A binding: where a managed field is, what the field follows, and how it is edited.

A kind in `targets/` and a marker both make bindings, and nothing above them knows the
difference. `FieldEdit` is the one record of an edited field; `Change` is what remains
of it for messages and JSON.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.decide.service_address import Claim
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.address_text import Span
from gitops_prefix.render.files import PlainList
from gitops_prefix.render.manifest import ADDRESS_RANGE, NAME, SUBNET, Manifest
from gitops_prefix.render.node import Node, Value, value_at
from gitops_prefix.render.source import DocumentSpan, Edit


class Following(NamedTuple):
    """The DynamicPrefix that a field follows, before and after.

    Attributes:
        before: the status in the same commit as the manifest; None without a status.
        host_part: the host part that was assigned to the binding's claim, if any.
        host_part_before: the host part of that claim by the status before.
    """

    specification: Specification
    before: Status | None
    after: Status
    host_part: int | None = None
    host_part_before: int | None = None

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The status after, then the status before, if there is one."""
        return (self.after, self.before) if self.before else (self.after,)

    @property
    def bases(self) -> tuple[Prefix, ...]:
        """What addresses move into, then the past prefixes that they move from."""
        return tuple(
            dict.fromkeys(
                self.specification.base(prefix)
                for status in self.statuses
                for prefix in status.prefixes
            )
        )

    @property
    def other_links(self) -> tuple[Prefix, ...]:
        """Past prefixes of the link with another place in their delegation than the current one.

        What lies in them moves with the delegation alone: its subnets keep their numbers. Of
        several links each has its own place, and what lies in another one's is still right.
        """
        number = self._subnet_number(self.after.current)
        if number is None or len(self.specification.acquisition.links) > 1:
            return ()
        past = (prefix for status in self.statuses for prefix in status.prefixes)
        return tuple(
            dict.fromkeys(
                prefix for prefix in past if self._subnet_number(prefix) not in {None, number}
            )
        )

    def _subnet_number(self, prefix: Prefix) -> int | None:
        """Where a prefix of the link is in its delegation; None without one around it."""
        base = self.specification.base(prefix)
        return None if base == prefix else prefix.network - base.network


class Binding(NamedTuple):
    """One managed field.

    Attributes:
        manifest: the document that has the field.
        field_path: keys and indices from the document's root.
        dynamic_prefix: the name of the DynamicPrefix that the field follows.
        edit: makes the field follow; raises RefusedEditError where that is impossible.
        claim: to a host part, which must be assigned before `edit` is called.
        parts: our keys of a mapping that we share; None when the whole field is ours,
            and `()` when the field does not exist in the cluster (sibling documents).
        at: the node that a problem points at, where the path does not lead to it.
        alone: whether the field moves also when another field of its document cannot.
    """

    manifest: Manifest
    field_path: Path
    dynamic_prefix: str
    edit: "Callable[[Binding, Following], FieldEdit]"
    claim: Claim | None = None
    parts: tuple[str, ...] | None = None
    at: Node | None = None
    alone: bool = False

    @property
    def place(self) -> Place:
        """Where the field is, or what should hold it."""
        if self.at is not None:
            return self.manifest.place(self.at)
        return self.manifest.place_of(self.field_path)

    @property
    def before(self) -> Value:
        """The field's value now; None when the field does not exist."""
        return value_at(self.manifest.content, self.field_path)

    @property
    def fields_in_cluster(self) -> tuple[Path, ...]:
        """The paths of the field in an object of a cluster."""
        if self.parts is None:
            return (self.field_path,)
        return tuple((*self.field_path, part) for part in self.parts)

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.manifest.path

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return self.manifest.kind

    @property
    def namespace(self) -> str:
        """The namespace of the object, or an empty string."""
        return self.manifest.namespace

    @property
    def name(self) -> str:
        """The name of the object."""
        return self.manifest.name

    @property
    def field(self) -> str:
        """Dotted: `spec.blocks`."""
        return dotted(self.field_path)

    @property
    def identity(self) -> "FieldIdentity":
        """Which field, whatever the document around it becomes."""
        return FieldIdentity(self.path, self.kind, self.namespace, self.name, self.field)

    def unchanged(self, problems: tuple[Problem, ...] = ()) -> "FieldEdit":
        """The field is right already."""
        return FieldEdit(self, (), self.before, self.before, problems)


class FieldIdentity(NamedTuple):
    """Which managed field: what stays when its document is edited."""

    path: str
    kind: str
    namespace: str
    name: str
    field: str


class SiblingEdit(NamedTuple):
    """Whole documents that are added and removed in a file, behind the binding's manifest.

    Attributes:
        added: the text of each, with its `---` and a line break at its end.
        contents: the same as plain values.
        removed: documents to remove.
    """

    added: tuple[str, ...] = ()
    contents: tuple[Value, ...] = ()
    removed: tuple[DocumentSpan, ...] = ()


class FieldEdit(NamedTuple):
    """One edited field.

    Attributes:
        edits: in the manifest's own text; empty when the field is right already.
        before: the value before; None when the field did not exist.
        after: the value after, as messages and JSON report it.
        whole: the value after, where `after` is only a part of it or its short form.
        siblings: whole documents, where the edits are of these.
        aliases: where else the value is, by an alias.
    """

    binding: Binding
    edits: tuple[Edit, ...]
    before: Value
    after: Value
    problems: tuple[Problem, ...] = ()
    whole: Value = None
    siblings: SiblingEdit | None = None
    aliases: tuple[Place, ...] = ()

    @property
    def wanted(self) -> Value:
        """The value that the whole field must have after the edits."""
        return self.after if self.whole is None else self.whole


class Change(NamedTuple):
    """One managed field that gets another value: a field edit without its edits.

    Attributes:
        document: number of the document in its file, from 0.
        field: dotted, as in `spec.blocks`.
        before: as plain values; None when the field did not exist.
        aliases: where else the value is, by an alias.
    """

    path: str
    document: int
    kind: str
    namespace: str
    name: str
    field: str
    before: Value
    after: Value
    api_version: str = ""
    aliases: tuple[str, ...] = ()


def change_of(edit: FieldEdit) -> Change:
    """What an edit changes."""
    manifest = edit.binding.manifest
    return Change(
        *edit.binding.identity[:1],
        manifest.span.number,
        *edit.binding.identity[1:],
        edit.before,
        edit.after,
        manifest.api_version,
        tuple(map(str, edit.aliases)),
    )


def change_document(change: Change) -> dict[str, object]:
    """A change as the JSON of every command has it."""
    document: dict[str, object] = change._asdict()
    del document["api_version"]
    if not change.aliases:
        del document["aliases"]
    return document


class NamedField(Protocol):
    """A field of an object, or of a document without an object: Helm values have no kind."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def field(self) -> str: ...  # noqa: D102


def field_name(named: NamedField) -> str:
    """The object, if there is one, and its field: `Service media/plex: metadata.annotations…`."""
    owner = f"{named.namespace}/{named.name}" if named.namespace else named.name
    owner = " ".join(filter(None, (named.kind, owner)))
    return f"{owner}: {named.field}" if owner else named.field


class Surroundings(NamedTuple):
    """What a manifest may refer to.

    Attributes:
        specifications: the repository's DynamicPrefixes by name.
        dns_annotation_prefixes: of the target annotations that external-dns reads.
        manifests: every document that has an annotation or a marker of ours.
        named: by path, the DynamicPrefix that the settings name for a whole file.
        lists: by path, the files that the settings name as plain lists.
    """

    specifications: Mapping[str, Specification]
    dns_annotation_prefixes: tuple[str, ...] = ()
    manifests: tuple[Manifest, ...] = ()
    named: Mapping[str, str] = {}
    lists: Mapping[str, PlainList] = {}


class Bound(NamedTuple):
    """The managed fields of one manifest, and what is wrong with its annotations or markers."""

    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()


Bind: TypeAlias = Callable[[Manifest, Surroundings], Bound]


class Pool(NamedTuple):
    """How a kind of pool holds the addresses that it gives away.

    Attributes:
        path: of the list, or of the one address range.
        span_of: the addresses of an entry.
        overlap: how much it weighs when two pools have an address in common; None when the
            kind does not mind.
        needs_an_entry: whether a pool without an entry breaks others.
    """

    path: Path
    span_of: Callable[[Value], Span | None]
    overlap: Severity | None = None
    needs_an_entry: bool = False


class Target(NamedTuple):
    """A kind whose annotated manifests follow a prefix: one file in `targets/`.

    Attributes:
        group: API group, as in `cilium.io`; empty for the core group.
        versions: served versions, the preferred one first.
        fields: what is managed, as docs/annotations.md names it.
        bind: finds the managed fields of one manifest of this kind that has one of
            our annotations.
        pool: for a kind that gives addresses away.
        reads: the annotations that have an effect on this kind.
    """

    kind: str
    group: str
    versions: tuple[str, ...]
    fields: tuple[str, ...]
    bind: Bind
    pool: Pool | None = None
    reads: tuple[str, ...] = (NAME, ADDRESS_RANGE, SUBNET)
