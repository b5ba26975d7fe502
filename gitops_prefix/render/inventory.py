"""What a repository holds: its DynamicPrefixes, and what is bound to them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops_prefix.decide.fields import dotted, nearest
from gitops_prefix.decide.specification import API_VERSION, KIND
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.binding import ADDRESS_RANGE, ANNOTATIONS, NAME, SUBNET, Reference
from gitops_prefix.render.binding import read_reference as _read_reference
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument, read_dynamic_prefix
from gitops_prefix.render.files import MARKER, text_looks_managed
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import duplicate_keys, nearest_node
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.source import DocumentSpan, Source
from gitops_prefix.render.target import Target
from gitops_prefix.render.targets import TARGETS, target_of

_ANNOTATIONS = (NAME, ADDRESS_RANGE, SUBNET)
_OTHER_ANNOTATIONS = tuple(
    ANNOTATIONS + name
    for name in (
        "service-address-range",
        "service-subnet",
        "suffix",
        "skip-external-dns-update",
        "variables",
        "parent-pool",
    )
)


@dataclass(frozen=True, slots=True)
class Binding:
    """One managed field."""

    manifest: Manifest
    target: Target
    reference: Reference
    place: Place

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
        return dotted(self.target.path)

    @property
    def dynamic_prefix(self) -> str:
        """What it follows."""
        return self.reference.dynamic_prefix


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found, and every problem; nothing may be rendered when one is an error."""

    dynamic_prefixes: Mapping[str, DynamicPrefixDocument] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()


def read_inventory(files: Mapping[str, bytes], settings: Settings) -> Inventory:
    """Take stock of managed files.

    Args:
        files: content by path; those without anything managed cost a byte search.
        settings: of the repository.
    """
    del settings  # HA Services will ask for it
    problems: list[Problem] = []
    manifests = [
        manifest
        for path, content in sorted(files.items())
        for manifest in _read_file(path, content, problems)
    ]
    documents = _read_dynamic_prefixes(manifests, problems)
    bindings = tuple(_read_bindings(manifests, documents, problems))
    return Inventory(documents, bindings, tuple(problems))


def _read_file(path: str, content: bytes, problems: list[Problem]) -> Iterator[Manifest]:
    try:
        source = Source.decode(path, content)
    except UnicodeDecodeError as error:
        message = (
            f"is not UTF-8 (byte {error.start}), and holds something managed: save it as UTF-8"
        )
        problems.append(Problem("not-utf8", message, Place(path)))
        return
    for span in source.documents():
        marker = source.text.find(MARKER, span.start, span.end)
        if marker >= 0:
            message = "gitops-prefix does not follow markers yet; this field stays as it is"
            place = source.place(marker)
            problems.append(Problem("marker-not-managed", message, place, Severity.WARNING))
        if text_looks_managed(source.text, span.start, span.end):
            yield from _read_document(source, span, problems)


def _read_document(
    source: Source, span: DocumentSpan, problems: list[Problem]
) -> Iterator[Manifest]:
    try:
        root = locate(source.text[span.start : span.end])
        content = plain_value(root)
    except NotYamlError as error:
        message = f"does not parse as YAML, and holds something managed: {error}"
        problems.append(Problem("not-yaml", message, source.place(span.start + error.offset)))
        return
    except ValueError as error:
        message = f"does not parse as YAML, and holds something managed: {error}"
        problems.append(Problem("not-yaml", message, source.place(span.start)))
        return
    if root is not None and isinstance(content, dict):
        manifest = Manifest(source, span, root, content)
        if _is_ours(manifest) or _is_annotated(manifest):
            yield manifest
            problems.extend(
                Problem(
                    "duplicate-key",
                    f'"{key.text}" is here twice in one mapping: keep one of them',
                    manifest.place(key),
                )
                for key in duplicate_keys(root)
            )


def _is_ours(manifest: Manifest) -> bool:
    return manifest.kind == KIND and manifest.api_version == API_VERSION


def _is_annotated(manifest: Manifest) -> bool:
    return any(str(key).startswith(ANNOTATIONS) for key in manifest.annotations)


def _read_dynamic_prefixes(
    manifests: Iterable[Manifest], problems: list[Problem]
) -> dict[str, DynamicPrefixDocument]:
    documents: dict[str, DynamicPrefixDocument] = {}
    for manifest in filter(_is_ours, manifests):
        document, found = read_dynamic_prefix(manifest)
        problems.extend(found)
        if document is None:
            continue
        name = document.specification.name
        if name in documents:
            message = (
                f'DynamicPrefix "{name}" is also in {documents[name].place}: rename or remove one'
            )
            problems.append(Problem("duplicate-dynamic-prefix", message, document.place))
            continue
        documents[name] = document
    return dict(sorted(documents.items()))


def _read_bindings(
    manifests: Iterable[Manifest],
    documents: Mapping[str, DynamicPrefixDocument],
    problems: list[Problem],
) -> Iterator[Binding]:
    specifications = {name: one.specification for name, one in documents.items()}
    # What a broken DynamicPrefix would have named is not wrong as well.
    complete = not any(problem.severity is Severity.ERROR for problem in problems)
    for manifest in manifests:
        if _is_ours(manifest):
            continue
        problems.extend(_misspelt(manifest))
        target = target_of(manifest)
        if target is None:
            problems.extend(_unmanaged_kind(manifest))
            continue
        if not any(key in _ANNOTATIONS for key in manifest.annotations):
            continue
        problems.extend(_old_version(manifest, target))
        reference, found = _read_reference(manifest, specifications)
        if complete or not any(one.code == "unknown-dynamic-prefix" for one in found):
            problems.extend(found)
        if reference is not None:
            place = manifest.place(nearest_node(manifest.root, target.path))
            yield Binding(manifest, target, reference, place)


def _misspelt(manifest: Manifest) -> Iterator[Problem]:
    known = (*_ANNOTATIONS, *_OTHER_ANNOTATIONS)
    for key in manifest.annotations:
        if key in known or not str(key).startswith(ANNOTATIONS):
            continue
        hint = nearest(str(key), known)
        if hint:
            node = nearest_node(manifest.root, ("metadata", "annotations", key))
            message = f"gitops-prefix reads no annotation {key}{hint}"
            place = manifest.place(node)
            yield Problem("unknown-annotation", message, place, Severity.WARNING)


def _unmanaged_kind(manifest: Manifest) -> Iterator[Problem]:
    if NAME not in manifest.annotations:
        return
    kinds = ", ".join(target.kind for target in TARGETS)
    node = nearest_node(manifest.root, ("metadata", "annotations", NAME))
    message = (
        f'{manifest.api_version or "?"} {manifest.kind or "?"} "{manifest.name}" has no field that '
        f"gitops-prefix writes (it knows: {kinds}); it stays as it is"
    )
    yield Problem("kind-not-managed", message, manifest.place(node), Severity.WARNING)


def _old_version(manifest: Manifest, target: Target) -> Iterator[Problem]:
    version = manifest.api_version.rpartition("/")[2]
    if version == target.versions[0]:
        return
    node = nearest_node(manifest.root, ("apiVersion",))
    if version in target.versions:
        message = (
            f"{manifest.api_version} is on its way out: write {target.group}/{target.versions[0]}"
        )
        yield Problem("old-api-version", message, manifest.place(node), Severity.NOTE)
    else:
        message = f"{manifest.api_version} is unknown to gitops-prefix; read as the newest it knows"
        yield Problem("unknown-api-version", message, manifest.place(node), Severity.WARNING)
