"""One managed field, whatever binds it: an annotation's kind, or a marker."""

from collections.abc import Callable
from dataclasses import dataclass

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.decide.service_address import Claim
from gitops_prefix.decide.specification import Specification
from gitops_prefix.decide.status import Status
from gitops_prefix.errors import Place, Problem
from gitops_prefix.render.document_edit import DocumentEdit
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Value
from gitops_prefix.render.splice import Edit


@dataclass(frozen=True, slots=True)
class Following:
    """What a field follows: one DynamicPrefix, before and after.

    Attributes:
        before: the status in the same commit as the manifest; None without one.
        host_part: what was assigned to the binding's claim, if it has one.
        host_part_before: what the status before comes to for that claim.
    """

    specification: Specification
    before: Status | None
    after: Status
    host_part: int | None = None
    host_part_before: int | None = None

    @property
    def statuses(self) -> tuple[Status, ...]:
        """The status after, then the one before, if there is one."""
        return (self.after, self.before) if self.before else (self.after,)


@dataclass(frozen=True, slots=True)
class FieldEdit:
    """What becomes of a field.

    Attributes:
        edits: in the manifest's own text; empty when the field stands right already.
        before: as plain values; None when the field is not there.
        after: the field as it will be; the whole of it, unless `whole` says that.
        whole: what the whole field will be, where `after` is only our part of it.
        documents: whole documents that come and go, where the edits are of these.
    """

    edits: tuple[Edit, ...]
    before: Value
    after: Value
    problems: tuple[Problem, ...] = ()
    whole: Value = None
    documents: DocumentEdit | None = None


@dataclass(frozen=True, slots=True)
class Binding:
    """One managed field.

    Attributes:
        field_path: keys and indices from the document's root.
        dynamic_prefix: the name of what it follows.
        place: of the field, or of what should hold it.
        edit: makes the field follow; raises RefusedEditError where it cannot be edited.
        claim: to a host part, which has to be assigned before `edit` is called.
        parts: what of the field is ours, in a mapping that we share; None is all of it,
            and nothing is a field that no object has.
    """

    manifest: Manifest
    field_path: Path
    dynamic_prefix: str
    place: Place
    edit: Callable[[Following], FieldEdit]
    claim: Claim | None = None
    parts: tuple[str, ...] | None = None

    @property
    def fields_in_cluster(self) -> tuple[Path, ...]:
        """The paths of what an object in a cluster holds of it."""
        if self.parts is None:
            return (self.field_path,)
        return tuple((*self.field_path, part) for part in self.parts)

    @property
    def path(self) -> str:
        """The file it is in."""
        return self.manifest.path

    @property
    def kind(self) -> str:
        """Of the object."""
        return self.manifest.kind

    @property
    def namespace(self) -> str:
        """Of the object, or empty."""
        return self.manifest.namespace

    @property
    def name(self) -> str:
        """Of the object."""
        return self.manifest.name

    @property
    def field(self) -> str:
        """Dotted: `spec.blocks`."""
        return dotted(self.field_path)
