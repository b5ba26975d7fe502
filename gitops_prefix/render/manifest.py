"""One Kubernetes object in a file: where it stands, and who it is."""

from collections.abc import Mapping
from dataclasses import dataclass

from gitops_prefix.errors import Place
from gitops_prefix.render.node import Node, Value
from gitops_prefix.render.source import DocumentSpan, Source


@dataclass(frozen=True, slots=True)
class Manifest:
    """A document that was parsed.

    Attributes:
        source: the file it is in.
        span: where in the file; node offsets count from its start.
        root: its nodes.
        content: the same as plain values.
    """

    source: Source
    span: DocumentSpan
    root: Node
    content: Value

    @property
    def path(self) -> str:
        """The file's path."""
        return self.source.path

    @property
    def text(self) -> str:
        """The document's own text."""
        return self.source.text[self.span.start : self.span.end]

    @property
    def kind(self) -> str:
        """Its kind, or nothing."""
        return _string(_mapping(self.content).get("kind"))

    @property
    def api_version(self) -> str:
        """Its apiVersion, or nothing."""
        return _string(_mapping(self.content).get("apiVersion"))

    @property
    def group(self) -> str:
        """The API group: `cilium.io`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def name(self) -> str:
        """metadata.name, or nothing."""
        return _string(self._metadata.get("name"))

    @property
    def namespace(self) -> str:
        """metadata.namespace, or nothing."""
        return _string(self._metadata.get("namespace"))

    @property
    def annotations(self) -> Mapping[str, Value]:
        """metadata.annotations; empty when there are none."""
        return _mapping(self._metadata.get("annotations"))

    def place(self, node: Node) -> Place:
        """Where a node of this manifest stands in the file."""
        return self.source.place(self.span.start + node.start)

    @property
    def _metadata(self) -> Mapping[str, Value]:
        return _mapping(_mapping(self.content).get("metadata"))


def _mapping(value: Value) -> Mapping[str, Value]:
    return value if isinstance(value, Mapping) else {}


def _string(value: Value) -> str:
    return value if isinstance(value, str) else ""
