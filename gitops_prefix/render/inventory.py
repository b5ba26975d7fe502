"""What a repository holds: its DynamicPrefixes, and what is bound to them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gitops_prefix.decide.fields import Path
from gitops_prefix.decide.specification import API_VERSION, KIND
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.annotated import bind_annotated, is_annotated
from gitops_prefix.render.binding import Binding
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument, read_dynamic_prefix
from gitops_prefix.render.files import text_looks_managed
from gitops_prefix.render.lists_of_objects import nested_in_list
from gitops_prefix.render.locate import NotYamlError, locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.marked import bind_marked, is_marked
from gitops_prefix.render.node import duplicate_keys
from gitops_prefix.render.plain_value import plain_value
from gitops_prefix.render.settings import Settings
from gitops_prefix.render.source import DocumentSpan, Source
from gitops_prefix.render.target import Surroundings


@dataclass(frozen=True, slots=True)
class Inventory:
    """What was found, and every problem; nothing may be rendered when one is an error.

    Attributes:
        manifests: every document that carries an annotation or a marker of ours.
    """

    dynamic_prefixes: Mapping[str, DynamicPrefixDocument] = field(default_factory=dict)
    bindings: tuple[Binding, ...] = ()
    problems: tuple[Problem, ...] = ()
    manifests: tuple[Manifest, ...] = ()


def read_inventory(files: Mapping[str, bytes], settings: Settings) -> Inventory:
    """Take stock of managed files.

    Args:
        files: content by path; those without anything managed cost a byte search.
        settings: of the repository.
    """
    problems: list[Problem] = []
    manifests = [
        manifest
        for path, content in sorted(files.items())
        for manifest in _read_file(path, content, problems)
    ]
    documents = _read_dynamic_prefixes(manifests, problems)
    surroundings = Surroundings(
        {name: one.specification for name, one in documents.items()},
        settings,
        tuple(manifests),
    )
    bindings = tuple(_read_bindings(manifests, surroundings, problems))
    return Inventory(documents, bindings, tuple(problems), surroundings.manifests)


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
    if root is not None:
        manifest = Manifest(source, span, root, content)
        problems.extend(nested_in_list(manifest))
        if _is_ours(manifest) or is_annotated(manifest) or is_marked(manifest):
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
    manifests: Iterable[Manifest], surroundings: Surroundings, problems: list[Problem]
) -> Iterator[Binding]:
    # What a broken DynamicPrefix would have named is not wrong as well.
    complete = not any(problem.severity is Severity.ERROR for problem in problems)
    for manifest in manifests:
        if _is_ours(manifest):
            problems.extend(_marked_in_vain(manifest, surroundings))
            continue
        bindings: dict[Path, Binding] = {}
        for bind in (bind_annotated, bind_marked):
            bound = bind(manifest, surroundings)
            problems.extend(
                one for one in bound.problems if complete or one.code != "unknown-dynamic-prefix"
            )
            for binding in bound.bindings:
                other = _within(binding.field_path, bindings)
                if other is not None:
                    message = f"{binding.field} is in {other.field}, which follows already"
                    if other.field_path == binding.field_path:
                        message = f"{binding.field} follows by annotation already"
                    message = f"{message}: remove the marker"
                    problems.append(Problem("marker-misplaced", message, binding.place))
                bindings[binding.field_path] = binding
        yield from bindings.values()


def _within(path: Path, bindings: Mapping[Path, Binding]) -> Binding | None:
    """What writes a field at `path`, or one that holds it; what it holds comes behind it."""
    heads = (path[:length] for length in range(len(path), 0, -1))
    return next((bindings[head] for head in heads if head in bindings), None)


def _marked_in_vain(manifest: Manifest, surroundings: Surroundings) -> Iterator[Problem]:
    bound = bind_marked(manifest, surroundings)
    yield from bound.problems
    for binding in bound.bindings:
        message = f"{binding.field} says where the prefix comes from, and follows none"
        yield Problem("marker-misplaced", f"{message}: remove the marker", binding.place)
