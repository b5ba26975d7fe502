"""A managed field as people read it: `Service media/plex: metadata.annotations…`."""

from typing import Protocol


class NamedField(Protocol):
    """A field of an object, or of a document that is none: Helm values have no kind."""

    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def namespace(self) -> str: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def field(self) -> str: ...  # noqa: D102


def field_name(one: NamedField) -> str:
    """The object, as far as there is one, and the field in it."""
    owner = f"{one.namespace}/{one.name}" if one.namespace else one.name
    owner = " ".join(filter(None, (one.kind, owner)))
    return f"{owner}: {one.field}" if owner else one.field
