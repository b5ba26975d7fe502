"""One Kubernetes object in a file, and the annotations that bind it to a DynamicPrefix."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gitops_prefix.decide.fields import NO_VALUE, Path, dotted, nearest, yaml_word
from gitops_prefix.decide.specification import Reference, Specification
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.node import Node, ScalarNode, Value, nearest_node, value_at
from gitops_prefix.render.source import DocumentSpan, Source

ANNOTATIONS = "dynamic-prefix.io/"
NAME = ANNOTATIONS + "name"
ADDRESS_RANGE = ANNOTATIONS + "address-range"
SUBNET = ANNOTATIONS + "subnet"
SERVICE_ADDRESS_RANGE = ANNOTATIONS + "service-address-range"
SERVICE_SUBNET = ANNOTATIONS + "service-subnet"
SUFFIX = ANNOTATIONS + "suffix"
SERVICE = ANNOTATIONS + "service"
IPV6_ONLY = ANNOTATIONS + "ipv6-only"
SKIP_DNS = ANNOTATIONS + "skip-external-dns-update"
VARIABLES = ANNOTATIONS + "variables"
PARENT_POOL = ANNOTATIONS + "parent-pool"
LOCAL_CONFIG = "config.kubernetes.io/local-config"
"""kustomize leaves out a document that has it."""

_METADATA = ("metadata",)
_ANNOTATIONS: Path = ("metadata", "annotations")
_ENCRYPTED = "ENC["
_SEALED_TEXT = re.compile(
    r"(?m)^sops_mac=|^\[sops\]|^sops:[ \t]*\r?\n(?:[ \t]+.*\n)*?[ \t]+mac:"
    r'|"sops"\s*:\s*\{(?s:.*)"mac"\s*:'
)
"""What SOPS adds to a .env file, an INI file, YAML, JSON."""
_MAC_OF_SECRETS = re.compile(
    r"(?m)^(?:sops_)?mac_only_encrypted[ \t]*=[ \t]*true"
    r'|^[ \t]+mac_only_encrypted:[ \t]*true|"mac_only_encrypted"\s*:\s*true'
)


class Manifest(NamedTuple):
    """A parsed document.

    Attributes:
        source: the file that holds it.
        span: where in the file; node offsets count from its start.
        text: the document's own text.
        root: its nodes.
        content: the same as plain values.
        annotated_at: the mapping that is read as its annotations. Charts and Gateways make
            Services, and have the annotations of these in a place of their own.
        is_text: whether it is a whole file that is not read as YAML.
    """

    source: Source
    span: DocumentSpan
    text: str
    root: Node
    content: Value
    annotated_at: Path = _ANNOTATIONS
    is_text: bool = False

    @classmethod
    def of_text(cls, source: Source) -> "Manifest":
        """A whole file that is not read as YAML."""
        text = source.text
        root = ScalarNode(text, "|", 0, len(text), None, None)
        return cls(source, DocumentSpan(0, 0, len(text)), text, root, text, is_text=True)

    @property
    def path(self) -> str:
        """The file's path."""
        return self.source.path

    @property
    def kind(self) -> str:
        """Its kind, or an empty string."""
        return _string(self.content, "kind")

    @property
    def api_version(self) -> str:
        """Its apiVersion, or an empty string."""
        return _string(self.content, "apiVersion")

    @property
    def group(self) -> str:
        """The API group: `cilium.io`; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def name(self) -> str:
        """metadata.name, or an empty string."""
        return _string(value_at(self.content, _METADATA), "name")

    @property
    def namespace(self) -> str:
        """metadata.namespace, or an empty string."""
        return _string(value_at(self.content, _METADATA), "namespace")

    @property
    def annotated(self) -> Path:
        """What has the annotations: an object, or a mapping in the values of a chart."""
        path = self.annotated_at
        if path[-2:] == _ANNOTATIONS:
            return path[:-2]
        return path[:-1] if path[-1] == "annotations" else path

    def of_spec(self, key: str) -> Value:
        """A field of the spec; charts have the fields of a Service beside its annotations."""
        below = ("spec",) if self.annotated_at[-2:] == _ANNOTATIONS else ()
        return value_at(self.content, (*self.annotated, *below, key))

    @property
    def title(self) -> str:
        """Which object of a cluster; an empty string when the document does not say it."""
        named = self.kind and self.name and self.namespace
        return f"{self.kind} {self.namespace}/{self.name}" if named else ""

    @property
    def annotations(self) -> Mapping[Any, Value]:
        """metadata.annotations, or those elsewhere; empty when there are no annotations."""
        annotations = value_at(self.content, self.annotated_at)
        return annotations if isinstance(annotations, dict) else {}

    @property
    def document(self) -> "Manifest":
        """The same document, read by its own annotations."""
        return self._replace(annotated_at=_ANNOTATIONS)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the annotations are not those of the document."""
        return self.annotated_at != _ANNOTATIONS

    def seals(self, path: Path) -> bool:
        """Whether SOPS could not decrypt the document after an edit of a field.

        Its MAC covers plain values, too. With `mac_only_encrypted` it covers only the values
        that are encrypted (getsops.io, "MAC only encrypted values"), and a plain value may be
        edited. A value that is new, or was empty, may be one that SOPS takes for encrypted:
        it leaves an empty string as it is. It is left alone beside encrypted values.
        """
        if self.is_text:
            sealed = "sops" in self.text and _SEALED_TEXT.search(self.text) is not None
            return sealed and _MAC_OF_SECRETS.search(self.text) is None
        seal = value_at(self.content, ("sops",))
        if not isinstance(seal, dict) or not seal.get("mac"):
            return False
        if seal.get("mac_only_encrypted") is not True:
            return True
        value = value_at(self.content, path)
        return _has_secret(value or value_at(self.content, path[:-1] or path))

    def place(self, node: Node) -> Place:
        """Where a node of this manifest is in the file."""
        return self.source.place(self.span.start + node.start)

    def place_of(self, path: Path) -> Place:
        """Where a field is, or the nearest node above it."""
        return self.place(nearest_node(self.root, path))

    def problem(
        self, node: Node, code: str, message: str, severity: Severity = Severity.ERROR
    ) -> Problem:
        """A problem with one node."""
        return Problem(code, message, self.place(node), severity)

    def field_problem(
        self, path: Path, code: str, message: str, severity: Severity = Severity.ERROR
    ) -> Problem:
        """A problem with a field, at the field or at what should hold it."""
        return Problem(code, message, self.place_of(path), severity)

    def annotation_problem(
        self, code: str, message: str, *, key: str = NAME, severity: Severity = Severity.ERROR
    ) -> Problem:
        """A problem with an annotation, at its value."""
        return self.field_problem((*self.annotated_at, key), code, message, severity)


def _has_secret(value: Value) -> bool:
    """Whether a value, or one inside of it, is encrypted."""
    if isinstance(value, dict):
        return any(map(_has_secret, value.values()))
    if isinstance(value, list):
        return any(map(_has_secret, value))
    return isinstance(value, str) and value.startswith(_ENCRYPTED)


def _string(mapping: Value, key: str) -> str:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else ""


def read_reference(
    manifest: Manifest,
    specifications: Mapping[str, Specification],
    *,
    range_keys: Sequence[str] = (ADDRESS_RANGE,),
    subnet_keys: Sequence[str] = (SUBNET,),
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """What a manifest is bound to by its annotations.

    Args:
        manifest: with at least one annotation of ours.
        specifications: by name.
        range_keys: annotations that name a range; the first that is there counts.
        subnet_keys: annotations that name a subnet; the first that is there counts.

    Returns:
        The reference, or None when it is wrong, and every problem.
    """
    annotations: dict[str, str] = {}
    problems: list[Problem] = []
    for key, value in manifest.annotations.items():
        if not str(key).startswith(ANNOTATIONS):
            continue
        if isinstance(value, str):
            annotations[str(key)] = value
        else:
            message = f"{yaml_word(value)} is not a string: write it in quotes"
            if value is None:
                message = f"{NO_VALUE}: write one, or remove it"
            problems.append(_problem(manifest, str(key), "wrong-type", message))
    if problems:
        return None, tuple(problems)
    if NAME not in annotations:
        message = f"needs {NAME} too, which names the DynamicPrefix"
        return None, (_problem(manifest, next(iter(annotations)), "missing-name", message),)
    specification = specifications.get(annotations[NAME])
    if specification is None:
        return None, (_unknown_name(manifest, annotations[NAME], [*specifications]),)
    return _read_parts(manifest, annotations, specification, range_keys, subnet_keys)


def _read_parts(
    manifest: Manifest,
    annotations: Mapping[str, str],
    specification: Specification,
    range_keys: Sequence[str],
    subnet_keys: Sequence[str],
) -> tuple[Reference | None, tuple[Problem, ...]]:
    """The reference to a range, to a subnet, or to the whole of a DynamicPrefix."""
    problems = []
    ranges = [address_range.name for address_range in specification.ranges]
    subnets = [subnet.name for subnet in specification.subnets]
    range_key = next((key for key in range_keys if key in annotations), None)
    subnet_key = next((key for key in subnet_keys if key in annotations), None)
    if range_key and subnet_key:
        message = f"is beside {range_key}: keep one of the two"
        problems.append(_problem(manifest, subnet_key, "range-and-subnet", message))
    for key, known in ((range_key, ranges), (subnet_key, subnets)):
        if key and annotations[key] not in known:
            problems.append(
                _unknown_part(manifest, key, annotations[key], specification.name, known)
            )
    reference = Reference(
        specification.name,
        annotations[range_key] if range_key else "",
        annotations[subnet_key] if subnet_key else "",
    )
    return (None if problems else reference), tuple(problems)


def _unknown_name(manifest: Manifest, written: str, known: list[str]) -> Problem:
    message = (
        f'DynamicPrefix "{written}" is not in the repository (it has: '
        f"{', '.join(known) or 'none'}){nearest(written, known)}"
    )
    return manifest.annotation_problem("unknown-dynamic-prefix", message)


def _unknown_part(
    manifest: Manifest, key: str, written: str, owner: str, known: list[str]
) -> Problem:
    kind = key.removeprefix(ANNOTATIONS).removeprefix("service-")
    message = (
        f'{kind} "{written}" is not in DynamicPrefix {owner} (it has: '
        f"{', '.join(known) or 'none'}){nearest(written, known)}"
    )
    return manifest.annotation_problem(f"unknown-{kind}", message, key=key)


def _problem(manifest: Manifest, key: str, code: str, message: str) -> Problem:
    where = dotted(manifest.annotated_at)
    return manifest.annotation_problem(code, f"{where}: {key} {message}", key=key)
