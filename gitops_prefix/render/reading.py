"""Files -> inventory: documents are parsed, and bound by annotations and by markers."""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import replace

from gitops_prefix.decide.fields import Path
from gitops_prefix.decide.specification import API_VERSION, KIND
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.binding import Binding, Bound, Surroundings, Target
from gitops_prefix.render.dynamic_prefix import DynamicPrefixDocument, read_dynamic_prefix
from gitops_prefix.render.files import (
    MARKER,
    WHOLE_REASONS,
    RepositoryFiles,
    is_binary,
    is_wide,
    is_yaml,
    looks_managed,
    text_looks_managed,
)
from gitops_prefix.render.inventory import (
    DocumentSpot,
    Inventory,
    documents_in_error,
    find_left_over,
    spot_of,
    words_of,
)
from gitops_prefix.render.load_balancers import CILIUM, METALLB
from gitops_prefix.render.manifest import (
    ANNOTATIONS,
    PARENT_POOL,
    Manifest,
)
from gitops_prefix.render.marked import bind_marked, is_marked
from gitops_prefix.render.node import ScalarNode, Value, at_path, duplicate_keys, value_at
from gitops_prefix.render.parse import NotYamlError, locate, plain_value
from gitops_prefix.render.positions import (
    BINDING,
    annotated_elsewhere,
    find_misspelt,
    find_misspelt_markers,
    find_near_misses,
    find_unread,
    find_unused,
)
from gitops_prefix.render.settings import NamedFiles, Settings
from gitops_prefix.render.source import DocumentSpan, Source
from gitops_prefix.render.targets import TARGETS, service, target_of
from gitops_prefix.render.text_files import bind_text

_ADDRESS_KEYS = frozenset(
    (*CILIUM, *METALLB, *(f"{prefix}target" for prefix in service.DNS_PREFIXES))
)
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*_(PREFIX|NETWORK|START|END|RANGE|CIDRS?)")
_MANAGES = re.compile(rf"(?m)^[^#\n]*{re.escape(ANNOTATIONS)}|{re.escape(MARKER)}")
"""An annotation of ours that is in no comment, or a marker."""
_ANNOTATIONS = ("metadata", "annotations")
_SAME_NAME = "duplicate-dynamic-prefix"
_HIDES_NO_PREFIX = frozenset({"binary-file", "rewrite-managed"})
"""Errors about files in which no DynamicPrefix is."""


def read_inventory(files: Mapping[str, bytes], settings: Settings) -> Inventory:
    """Read managed files.

    Args:
        files: content by path; a file without a managed field costs a byte search, and is
            parsed only when it has an address of a prefix.
        settings: of the repository.
    """
    problems: list[Problem] = []
    named = NamedFiles(settings, files)
    manifests = tuple(
        manifest
        for path, content in sorted(files.items())
        for manifest in (
            _read_file(path, content, problems)
            if is_yaml(path) and path not in named.names
            else _read_text(path, content, problems)
        )
    )
    problems += [*_skipped(files), *named.problems()]
    documents, complete = _read_dynamic_prefixes(manifests, problems)
    surroundings = Surroundings(
        {name: document.specification for name, document in documents.items()},
        settings.dns_annotation_prefixes,
        manifests,
        named.names,
        named.lists,
    )
    problems += named.unknown(surroundings.specifications)
    also_named = {spot_of(manifest) for manifest in manifests if manifest.path in named.managed}
    unknown: set[DocumentSpot] = set()
    bindings = tuple(_read_bindings(surroundings, problems, unknown if not complete else None))
    problems += find_left_over(
        documents, bindings, [*_address_fields(manifests, documents, files)], complete=complete
    )
    held = frozenset(unknown | also_named | documents_in_error(manifests, problems))
    stopped = any(problem.code == _SAME_NAME for problem in problems)
    pools = {
        spot_of(manifest): target.pool
        for manifest in manifests
        if (target := target_of(manifest)) and target.pool
    }
    found = tuple(problems)
    return Inventory(documents, bindings, found, manifests, held, stopped, pools, settings)


def _address_fields(
    manifests: Iterable[Manifest],
    documents: Mapping[str, DynamicPrefixDocument],
    files: Mapping[str, bytes],
) -> Iterator[tuple[Manifest, Path]]:
    """The fields in which we write addresses, of all documents, annotated or not."""
    known = {spot_of(manifest): manifest for manifest in manifests}
    words = words_of(documents.values())
    for path, content in files.items():
        if is_yaml(path) and any(word.encode() in content for word in words):
            strangers = [*_read_unmanaged(path, content, words, known)]
            known |= {spot_of(stranger): stranger for stranger in strangers}
    for manifest in known.values():
        target = target_of(manifest)
        for field in target.fields if target else ():
            if field.startswith("spec."):
                yield manifest, tuple(field.split("."))
        for holder in _holders(manifest.content):
            yield manifest, holder


def _read_unmanaged(
    path: str, content: bytes, words: Iterable[str], known: Container[DocumentSpot]
) -> Iterator[Manifest]:
    """The documents with an address of a prefix; those that do not parse are left out."""
    try:
        source = Source.decode(path, content)
        for span in source.documents():
            text = source.text[span.start : span.end]
            if DocumentSpot(path, span.number) in known or not any(map(text.__contains__, words)):
                continue
            root = locate(text)
            if root is not None:
                yield Manifest(source, span, text, root, plain_value(root))
    except (NotYamlError, ValueError):
        return


def _holders(value: Value, *above: str | int) -> Iterator[Path]:
    """Where an annotation or a variable is in which we write addresses."""
    entries = enumerate(value) if isinstance(value, list) else ()
    for key, inner in value.items() if isinstance(value, dict) else entries:
        if isinstance(inner, dict | list):
            yield from _holders(inner, *above, key)
        elif key in _ADDRESS_KEYS or (above == ("data",) and _VARIABLE.fullmatch(str(key))):
            yield (*above, key)


def _read_file(path: str, content: bytes, problems: list[Problem]) -> Iterator[Manifest]:
    if not looks_managed(content, path):
        return
    if is_wide(content):
        message = (
            "is UTF-16, and has a managed field: save it as UTF-8 (PowerShell: -Encoding utf8)"
        )
        problems.append(Problem("not-utf8", message, Place(path, 1, 1)))
        return
    try:
        source = Source.decode(path, content)
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte {error.start}), and has a managed field: save it as UTF-8"
        before = content[: error.start]
        line = before.rpartition(b"\n")[2].decode(errors="replace")
        place = Place(path, before.count(b"\n") + 1, len(line) + 1)
        problems.append(Problem("not-utf8", message, place))
        return
    for span in source.documents():
        if text_looks_managed(source.text, span.start, span.end):
            yield from _read_document(source, span, problems)


def _read_text(path: str, content: bytes, problems: list[Problem]) -> Iterator[Manifest]:
    """A file that is no YAML; bytes that are not UTF-8 stay as they are."""
    if is_binary(content):
        message = (
            "is a binary file, and is left alone: remove its marker, or its name in the settings"
        )
        problems.append(Problem("binary-file", message, Place(path, 1, 1)))
        return
    yield Manifest.of_text(Source.decode(path, content, errors="surrogateescape"))


def _skipped(files: Mapping[str, bytes]) -> Iterator[Problem]:
    """A word for each file with a marker that is not read."""
    for path, reason in RepositoryFiles.of(files).skipped:
        why = f"holds a marker or is named in the settings, and is skipped: {reason}"
        message = reason if reason in WHOLE_REASONS else why
        yield Problem("skipped-file", message, Place(path, 1, 1), Severity.WARNING)


def _read_document(
    source: Source, span: DocumentSpan, problems: list[Problem]
) -> Iterator[Manifest]:
    text = source.text[span.start : span.end]
    try:
        root = locate(text)
        content = plain_value(root)
    except (NotYamlError, ValueError) as error:
        if "{{" in text and _MANAGES.search(text) is None:
            # The comments of a template may say what they like.
            return
        offset = error.offset if isinstance(error, NotYamlError) else 0
        message = f"does not parse as YAML, and has a managed field: {error}"
        problems.append(Problem("not-yaml", message, source.place(span.start + offset)))
        return
    if root is None:
        return
    manifest = Manifest(source, span, text, root, content)
    problems.extend(_nested_in_list(manifest))
    problems.extend(find_near_misses(manifest))
    problems.extend(find_misspelt_markers(manifest))
    problems.extend(find_unread(manifest, _mappings_read(manifest)))
    if (
        _is_dynamic_prefix(manifest)
        or _is_annotated(manifest)
        or is_marked(manifest)
        or any(True for _ in annotated_elsewhere(manifest))
    ):
        yield manifest
        problems.extend(
            manifest.problem(
                key,
                "duplicate-key",
                f'"{key.text}" is here twice in one mapping: keep one of them',
            )
            for key in duplicate_keys(root)
        )


def _mappings_read(manifest: Manifest) -> Iterator[Path]:
    """The mappings that are read as annotations, or have a problem of their own."""
    yield _ANNOTATIONS
    yield from (place.annotated_at for place in annotated_elsewhere(manifest))
    items = value_at(manifest.content, ("items",))
    if manifest.kind.endswith("List") and isinstance(items, list):
        yield from (("items", index, *_ANNOTATIONS) for index in range(len(items)))


def _is_dynamic_prefix(manifest: Manifest) -> bool:
    return manifest.kind == KIND and manifest.api_version == API_VERSION


def _is_annotated(manifest: Manifest) -> bool:
    return any(str(key).startswith(ANNOTATIONS) for key in manifest.annotations)


def _nested_in_list(manifest: Manifest) -> Iterator[Problem]:
    """A warning for each object of a `kind: List`: its fields are never edited."""
    items = value_at(manifest.content, ("items",))
    if not manifest.kind.endswith("List") or not isinstance(items, list):
        return
    elsewhere = {
        place.annotated_at[1]: [place.annotated_at[2:]]
        for place in annotated_elsewhere(manifest)
        if place.annotated_at[:1] == ("items",)
    }
    for index, item in enumerate(items):
        path = _managed_by(item)
        if path is None or path[:-1] in elsewhere.get(index, ()):
            continue
        message = (
            f"items[{index}] would be managed, but is inside a {manifest.kind}; it stays as it is: "
            "give it a document of its own, behind `---`"
        )
        yield manifest.field_problem(
            ("items", index, *path), "in-a-list", message, Severity.WARNING
        )


def _managed_by(item: Value) -> Path | None:
    """The field that would make an object managed."""
    if value_at(item, ("apiVersion",)) == API_VERSION:
        return ("apiVersion",)
    annotations = value_at(item, _ANNOTATIONS)
    for key in annotations if isinstance(annotations, dict) else ():
        if str(key).startswith(ANNOTATIONS):
            return (*_ANNOTATIONS, str(key))
    return None


def _read_dynamic_prefixes(
    manifests: Iterable[Manifest], problems: list[Problem]
) -> tuple[dict[str, DynamicPrefixDocument], bool]:
    """The DynamicPrefixes, and whether no other one may be in what cannot be read."""
    complete = not any(
        problem.severity is Severity.ERROR and problem.code not in _HIDES_NO_PREFIX
        for problem in problems
    )
    documents: dict[str, DynamicPrefixDocument] = {}
    places: dict[str, Place] = {}
    for manifest in filter(_is_dynamic_prefix, manifests):
        document, found = read_dynamic_prefix(manifest)
        problems.extend((*found, *find_misspelt(manifest), *find_unused(manifest, ())))
        complete = complete and document is not None
        name, place = manifest.name, manifest.place_of(("metadata", "name"))
        if name and name in places:
            message = f'DynamicPrefix "{name}" is also in {places[name]}: rename or remove one'
            problems.append(Problem("duplicate-dynamic-prefix", message, place))
            continue
        places[name] = place
        if document is not None:
            documents[name] = document
    return dict(sorted(documents.items())), complete


def _read_bindings(
    surroundings: Surroundings, problems: list[Problem], unknown: set[DocumentSpot] | None
) -> Iterator[Binding]:
    """The managed fields.

    Args:
        surroundings: all documents.
        problems: is added to.
        unknown: gets the documents whose DynamicPrefix is not there; None when that is a problem.
            A DynamicPrefix that cannot be read is not also reported as missing.
    """
    for manifest in surroundings.manifests:
        if _is_dynamic_prefix(manifest):
            problems.extend(_marked_in_vain(manifest, surroundings))
            continue
        bindings: dict[Path, Binding] = {}
        binds = (_bind_annotated, _bind_elsewhere, bind_marked)
        for bind in binds if not manifest.is_text else (bind_text,):
            bound = _without_sealed(manifest, bind(manifest, surroundings))
            for problem in bound.problems:
                if unknown is None or problem.code != "unknown-dynamic-prefix":
                    problems.append(problem)
                elif not problem.alone:
                    unknown.add(spot_of(manifest))
            for binding in bound.bindings:
                other = _within(binding.field_path, bindings) or _inside(
                    manifest, binding, bindings
                )
                if other is not None:
                    problems.append(_bound_twice(binding, other))
                bindings[binding.field_path] = binding
        yield from bindings.values()


def _without_sealed(manifest: Manifest, bound: Bound) -> Bound:
    """Leave out the fields that SOPS seals; an edit would keep it from decrypting the document."""
    sealed = [binding for binding in bound.bindings if manifest.seals(binding.field_path)]
    if not sealed:
        return bound
    message = (
        f"{sealed[0].field} stays as it is: the MAC of SOPS covers it; write the file with "
        "mac_only_encrypted: true in .sops.yaml and keep the field plain, or move it to a file of "
        "its own"
    )
    warning = Problem("sealed", message, sealed[0].place, Severity.WARNING)
    going = tuple(binding for binding in bound.bindings if binding not in sealed)
    return Bound(going, (*bound.problems, warning))


def _within(path: Path, bindings: Mapping[Path, Binding]) -> Binding | None:
    """The binding of the field at `path`, or of a field that holds it."""
    above = (path[:length] for length in range(len(path), 0, -1))
    return next((bindings[head] for head in above if head in bindings), None)


def _inside(
    manifest: Manifest, binding: Binding, bindings: Mapping[Path, Binding]
) -> Binding | None:
    """The binding of a field inside the collection that another one rewrites."""
    path = binding.field_path
    if isinstance(at_path(manifest.root, path), ScalarNode):
        return None
    return next((other for head, other in bindings.items() if head[: len(path)] == path), None)


def _bound_twice(binding: Binding, other: Binding) -> Problem:
    message = f"{binding.field} is in {other.field}, which follows already"
    if len(binding.field_path) < len(other.field_path):
        message = f"{binding.field} holds {other.field}, which follows already"
    if other.field_path == binding.field_path:
        message = f"{binding.field} follows already"
    return Problem("marker-misplaced", f"{message}: remove the marker", binding.place)


def _marked_in_vain(manifest: Manifest, surroundings: Surroundings) -> Iterator[Problem]:
    bound = bind_marked(manifest, surroundings)
    yield from (replace(problem, alone=False) for problem in bound.problems)
    for binding in bound.bindings:
        message = f"{binding.field} defines the prefix, and cannot follow one: remove the marker"
        yield Problem("marker-misplaced", message, binding.place)


def _bind_annotated(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The managed fields of an annotated manifest, and what is wrong with it."""
    if not _is_annotated(manifest):
        return Bound()
    problems = [*find_misspelt(manifest)]
    target = target_of(manifest)
    if target is None and any(not place.is_elsewhere for place in annotated_elsewhere(manifest)):
        return Bound()
    if target is None:
        return Bound(problems=(*problems, *_unmanaged_kind(manifest)))
    if PARENT_POOL in manifest.annotations and PARENT_POOL in target.reads:
        return Bound(problems=(*problems, *_without_parent(manifest, surroundings)))
    problems.extend(find_unused(manifest, target.reads))
    if not any(key in BINDING for key in manifest.annotations):
        return Bound(problems=tuple(problems))
    problems.extend(_old_version(manifest, target))
    bound = target.bind(manifest, surroundings)
    return Bound(bound.bindings, (*problems, *bound.problems))


def _bind_elsewhere(manifest: Manifest, surroundings: Surroundings) -> Bound:
    """The annotations of a Service that a chart, a Gateway or another kind has in a mapping."""
    bindings: list[Binding] = []
    problems: list[Problem] = []
    for place in annotated_elsewhere(manifest):
        if not place.is_elsewhere and target_of(manifest) is not None:
            continue
        bound = service.TARGET.bind(place, surroundings)
        bindings += bound.bindings
        unused = find_unused(place, service.TARGET.reads)
        problems += [*find_misspelt(place), *unused, *bound.problems]
    return Bound(tuple(bindings), tuple(problems))


def _unmanaged_kind(manifest: Manifest) -> Iterator[Problem]:
    key = next((key for key in BINDING if key in manifest.annotations), None)
    if key is None:
        return
    message = (
        f'{manifest.api_version or "?"} {manifest.kind or "?"} "{manifest.name}" has no field that '
        f"gitops-prefix writes{_nearly_a_target(manifest)}; it stays as it is"
    )
    yield manifest.annotation_problem(
        "kind-not-managed", message, key=key, severity=Severity.WARNING
    )


def _nearly_a_target(manifest: Manifest) -> str:
    """The kind or the apiVersion that was meant, or else the kinds that there are."""
    for target in TARGETS:
        if target.kind.casefold() == manifest.kind.casefold():
            version = "/".join(filter(None, (target.group, target.versions[0])))
            return f": write apiVersion: {version} and kind: {target.kind}"
    return f" (it knows: {', '.join(target.kind for target in TARGETS)})"


def _without_parent(manifest: Manifest, surroundings: Surroundings) -> Iterator[Problem]:
    parent = manifest.annotations[PARENT_POOL]
    for other in surroundings.manifests:
        if (other.path, other.kind, other.name) == (manifest.path, manifest.kind, parent):
            return
    message = (
        f'{manifest.kind} "{parent}", whose past prefix this document holds, is not in this file; '
        "it stays as it is: remove it, or move it behind its parent"
    )
    yield manifest.annotation_problem(
        "sibling-alone", message, key=PARENT_POOL, severity=Severity.WARNING
    )


def _old_version(manifest: Manifest, target: Target) -> Iterator[Problem]:
    version = manifest.api_version.rpartition("/")[2]
    if version == target.versions[0]:
        return
    path = ("apiVersion",)
    if version in target.versions:
        message = f"{manifest.api_version} is deprecated: write {target.group}/{target.versions[0]}"
        yield manifest.field_problem(path, "old-api-version", message, Severity.NOTE)
    else:
        message = (
            f"{manifest.api_version} is unknown to gitops-prefix, which reads it as "
            f"{target.versions[0]}"
        )
        yield manifest.field_problem(path, "unknown-api-version", message, Severity.WARNING)
