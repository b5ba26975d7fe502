"""Every value of a document with its path: what is annotated, marked, or like ours and unread.

    ips: "2001:db8:1234:0:f000::10"   # {"$dynamicprefix": "home:lb:address:::10"}

A marker is the comment that ends a line. It marks the value that ends on that line, or
whose key does.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import NamedTuple

from gitops_prefix.decide.fields import Path, dotted, nearest
from gitops_prefix.decide.specification import API_VERSION, KIND
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.edit import is_null
from gitops_prefix.render.files import MARKER, NEAR_MARKER, NEAR_MISS, misspelt_marker
from gitops_prefix.render.manifest import (
    ADDRESS_RANGE,
    ANNOTATIONS,
    IPV6_ONLY,
    NAME,
    PARENT_POOL,
    SERVICE,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SKIP_DNS,
    SUBNET,
    SUFFIX,
    VARIABLES,
    Manifest,
)
from gitops_prefix.render.node import (
    AliasNode,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    key_text,
    scalars_in,
    value_at,
)
from gitops_prefix.render.source import line_start
from gitops_prefix.render.style import resolve

BINDING = (
    NAME,
    ADDRESS_RANGE,
    SUBNET,
    SERVICE_ADDRESS_RANGE,
    SERVICE_SUBNET,
    SUFFIX,
    VARIABLES,
)
"""Annotations that bind a field; the others only change how."""
_KNOWN = (*BINDING, SKIP_DNS, IPV6_ONLY, PARENT_POOL, SERVICE)
_COUNTS_FIRST = {ADDRESS_RANGE: SERVICE_ADDRESS_RANGE, SUBNET: SERVICE_SUBNET}
"""Two annotations of a Service that say the same; the second is read where both are there."""
_WITHOUT_SERVICE = {instead: key for key, instead in _COUNTS_FIRST.items()}
"""What a kind other than Service reads in its place."""
_COMMENT = r"(?m)(?:^|(?<=[ \t]))#[^\r\n]*"
_FORM = rf"#[ \t]*(\{{[^}}]*{re.escape(MARKER)}.*)"
_GLUED = re.compile(rf'[^\s#](#[ \t]*\{{[ \t]*"{re.escape(MARKER)}"[ \t]*:)')
_ASIDE = rf'\{{[ \t]*"{re.escape(MARKER)}"[ \t]*:'
_PROPERTIES = r"[-+0-9]*\s*:?[ \t]*([&!][^\s]*[ \t]*)*,?[ \t]*"
_ASKS = {SERVICE_ADDRESS_RANGE, SERVICE_SUBNET, SUFFIX}
_LABELS = {"labels", "matchLabels", "commonLabels", "commonAnnotations"}
_NO_ANNOTATIONS = {("spec",), ("metadata",), ("spec", "commonMetadata", "annotations")}
_NEAR = re.compile(NEAR_MISS, re.IGNORECASE)
_KEY = rf"({NEAR_MISS}[a-z-]+)[\"']?:"
# In words: re compiles each once, at its first use, which few runs have.
_IN_BLOCK = rf"(?mi)^[ \t\"'-]*{_KEY}[ \t]"
_IN_TEXT = rf"(?i)[{{,][\s\"'-]*{_KEY}|(?:annotations|labels)/({NEAR_MISS}[a-z-]+)"
_OPERATION = r"\bop[\"']?:\s*[\"']?(\w+)"
_OF_OPERATORS = re.compile(r"dynamic-prefix\.io/(last-sync|managed-[a-z-]+)")
"""What PKizzle/dynamic-prefix-operator notes on live objects."""
_ANNOTATIONS: Path = ("metadata", "annotations")
_SELECTORS = (("matchLabels",), ("selector",))
_MEANT: tuple[Path, ...] = ((), ("annotations",), ("spec", "annotations"))
"""Where annotations of the object itself were put by mistake, besides its metadata."""
_ADDED_BY_KUSTOMIZE = {"commonAnnotations", "commonLabels", "pairs"}


class Position(NamedTuple):
    """A value that may be marked.

    Attributes:
        path: keys and indices from the document's root.
        key: the node before its colon; None for an item of a list.
        in_flow: whether it is inside braces or brackets.
    """

    path: Path
    node: Node
    key: Node | None
    in_flow: bool


class MarkerComment(NamedTuple):
    """A comment in the form of a marker.

    Attributes:
        text: the value of `$dynamicprefix`; None when the comment does not parse.
        offset: of the comment.
        position: the value that it marks; None when its line has no value.
        in_block_scalar: whether the comment is text of a block scalar.
        others: further keys of its JSON, which nothing reads.
        aside: whether words before its JSON keep it from being a marker.
    """

    text: str | None
    offset: int
    position: Position | None
    in_block_scalar: bool
    others: tuple[str, ...] = ()
    aside: bool = False


def annotated_elsewhere(manifest: Manifest) -> Iterator[Manifest]:
    """The document by each mapping that has the annotations of a Service, wherever in it.

    Charts and Gateways make Services from such mappings. Labels are no annotations, and what
    kustomize and Flux add to all of their objects belongs to no single Service.
    """
    if NAME not in manifest.text:
        return
    for position in walk(manifest.root):
        if not isinstance(position.node, MappingNode):
            continue
        path = position.path
        if not path or path in _NO_ANNOTATIONS or path[-1] in _LABELS:
            continue
        annotated = manifest._replace(annotated_at=path)
        if NAME in annotated.annotations and _ASKS & annotated.annotations.keys():
            yield annotated


def find_marker_comments(text: str, root: Node) -> Iterator[MarkerComment]:
    """Every comment in the form of a marker, with the value that it marks."""
    if MARKER not in text:
        return
    scalars = [node for node in scalars_in(root) if isinstance(node, ScalarNode)]
    ends = sorted(_ends(root), key=itemgetter(0))
    for found, in_block_scalar in _comments(text, scalars):
        offset = found.start()
        form = re.fullmatch(_FORM, found.group().rstrip())
        position = _before(text, offset, ends)
        if form is not None:
            said, others = _read(form.group(1))
            yield MarkerComment(said, offset, position, in_block_scalar, others)
        elif position is not None and re.search(_ASIDE, found.group()):
            yield MarkerComment(None, offset, position, in_block_scalar, aside=True)


def _comments(text: str, scalars: list[ScalarNode]) -> Iterator[tuple[re.Match[str], bool]]:
    """Every comment, and whether a block scalar is around it.

    A `#` in quotes or in a plain scalar begins no comment.
    """
    pattern = re.compile(_COMMENT)
    comment = pattern.search(text)
    while comment is not None:
        index = bisect_right(scalars, comment.start(), key=lambda scalar: scalar.start) - 1
        inside = index >= 0 and comment.start() < scalars[index].end
        if not inside or scalars[index].style in {"|", ">"}:
            begins = scalars[index].start if inside else 0
            yield comment, inside and "\n" in text[begins : comment.start()]
            comment = pattern.search(text, comment.end())
        else:
            comment = pattern.search(text, scalars[index].end)


def _read(text: str) -> tuple[str | None, tuple[str, ...]]:
    """The marker's text, if there is exactly one, and the other keys; words may follow."""
    import json  # noqa: PLC0415  most repositories have no marker

    try:
        pairs, end = json.JSONDecoder(object_pairs_hook=tuple).raw_decode(text)
    except (ValueError, RecursionError):
        return None, ()
    if MARKER in text[end:]:
        return None, ()
    said = [value for key, value in pairs if key == MARKER]
    others = tuple(key for key, _ in pairs if key != MARKER)
    return (said[0] if len(said) == 1 and isinstance(said[0], str) else None), others


def _before(text: str, offset: int, ends: list[tuple[int, Position]]) -> Position | None:
    """The value that ends on this line, or whose key does."""
    first = bisect_right(ends, line_start(text, offset), key=itemgetter(0))
    last = bisect_right(ends, offset, key=itemgetter(0))
    properties = re.compile(_PROPERTIES)
    for end, position in reversed(ends[first:last]):
        if properties.fullmatch(text, end, offset):
            return position
    return None


def _ends(root: Node) -> Iterator[tuple[int, Position]]:
    """Where a marker of each value may begin: behind the value, its key, or what opens it."""
    for position in walk(root):
        node = position.node
        beside = isinstance(node, AliasNode | ScalarNode) or node.flow
        if beside and node.end > node.start:
            yield node.end, position
        if _opens(node):
            yield node.start + 1, position
        if position.key is not None and (not beside or is_null(node)):
            yield position.key.end, position


def _opens(node: Node) -> bool:
    """Whether a value begins with a sign of its own that may end the line: `|`, `>`, `[`, `{`."""
    if isinstance(node, ScalarNode):
        return node.style in {"|", ">"}
    return not isinstance(node, AliasNode) and node.flow


def walk(root: Node) -> Iterator[Position]:
    """Every value with its path, in the order of the text."""
    anchors = {
        node.anchor: node
        for node in scalars_in(root)
        if isinstance(node, ScalarNode) and node.anchor is not None
    }
    pending = [Position((), root, None, in_flow=False)]
    while pending:
        position = pending.pop()
        yield position
        path, node = position.path, position.node
        if isinstance(node, MappingNode):
            inside = position.in_flow or node.flow
            pending += [
                Position((*path, _step(name)), entry.value, entry.key, inside)
                for entry in reversed(node.entries)
                if (name := _name(entry.key, anchors)) is not None
            ]
        elif isinstance(node, SequenceNode):
            inside = position.in_flow or node.flow
            pending += [
                Position((*path, index), item, None, inside)
                for index, item in reversed([*enumerate(node.items)])
            ]


def _name(key: Node, anchors: Mapping[str, ScalarNode]) -> ScalarNode | None:
    """The scalar of a key, behind an alias too: Helm values often have `*app :`."""
    if isinstance(key, AliasNode):
        return anchors.get(key.anchor)
    return key if isinstance(key, ScalarNode) else None


def _step(key: ScalarNode) -> str | int:
    """A key as the document's values have it."""
    value = key.text if key.style or key.tag else resolve(key.text)
    return value if type(value) is int else key.text


def is_operators_record(key: str) -> bool:
    """Whether an annotation is what an operator notes, and nobody else reads."""
    return _OF_OPERATORS.fullmatch(key) is not None


def find_misspelt(manifest: Manifest) -> Iterator[Problem]:
    """A warning for each annotation of our domain that has no meaning here."""
    for key in map(str, manifest.annotations):
        if key in _KNOWN or not key.startswith(ANNOTATIONS):
            continue
        if is_operators_record(key):
            code = "operator-annotation"
            message = f"{key} is a record of the operator, which nothing reads here: remove it"
        else:
            code = "unknown-annotation"
            hint = nearest(key, _KNOWN) or ": remove it (docs/annotations.md lists what is read)"
            message = f"gitops-prefix reads no annotation {key}{hint}"
        yield manifest.annotation_problem(code, message, key=key, severity=Severity.WARNING)


def find_unused(manifest: Manifest, reads: Collection[str]) -> Iterator[Problem]:
    """A warning for each annotation that has a meaning, but none on this kind or beside another.

    Args:
        manifest: with annotations of ours.
        reads: the annotations that have an effect on its kind.
    """
    kind = "Service" if manifest.is_elsewhere else manifest.kind
    there = [key for key in manifest.annotations if key in _KNOWN]
    bound = any(key in BINDING for key in there)
    for key in there:
        instead = _COUNTS_FIRST.get(key, key)
        code, message = "unused-annotation", ""
        if key not in reads:
            meant = _WITHOUT_SERVICE.get(key, "")
            remedy = f"write {meant}" if meant in reads and meant not in there else "remove it"
            listed = f": {remedy} (it reads {', '.join(reads)})" if reads else f": {remedy}"
            message = f"{key} has no effect on kind {kind}{listed}"
        elif instead != key and instead in reads and instead in there:
            message = f"{key} is not read beside {instead}: remove it"
        elif not bound:
            message = f"{key} has no effect without {NAME}: add that, or remove it"
        elif key in {SKIP_DNS, IPV6_ONLY} and _is_no_switch(manifest.annotations[key]):
            code = "invalid-value"
            written = manifest.annotations[key]
            message = f'{key}: "{written}" is neither "true" nor "false", and counts as "false"'
        if message:
            yield manifest.annotation_problem(code, message, key=key, severity=Severity.WARNING)


def _is_no_switch(value: object) -> bool:
    """Whether a text is no switch; a value of another type has a problem of its own."""
    return isinstance(value, str) and value not in {"true", "false"}


def find_misspelt_markers(manifest: Manifest) -> Iterator[Problem]:
    """A warning for each comment that would be a marker, but for its key or the blank before it."""
    glued = [*_GLUED.finditer(manifest.text)]
    if not glued and NEAR_MARKER.search(manifest.text) is None:
        return
    scalars = [node for node in scalars_in(manifest.root) if isinstance(node, ScalarNode)]
    for behind in glued:
        start = behind.start(1)
        if not any(scalar.start < start < scalar.end for scalar in scalars):
            place = manifest.source.place(manifest.span.start + start)
            words = "write a blank before the # of a marker: without it, nothing reads the marker"
            yield Problem("marker-aside", words, place, Severity.WARNING)
    for comment, _ in _comments(manifest.text, scalars):
        found = NEAR_MARKER.search(comment.group())
        if found is not None:
            place = manifest.source.place(manifest.span.start + comment.start())
            words = misspelt_marker(found[1])
            yield Problem("unknown-marker", words, place, Severity.WARNING)


def find_near_misses(manifest: Manifest) -> Iterator[Problem]:
    """A document that would be a DynamicPrefix, but for a slip in its kind or its apiVersion."""
    version, kind = manifest.api_version, manifest.kind
    nearly = version.startswith(ANNOTATIONS) or (_NEAR.match(version) and nearest(kind, [KIND]))
    if (version, kind) == (API_VERSION, KIND) or not (nearly or kind.casefold() == KIND.casefold()):
        return
    message = (
        f'{version or "?"} {kind or "?"} "{manifest.name}" is read by nothing: write '
        f"apiVersion: {API_VERSION} and kind: {KIND}"
    )
    path = ("apiVersion",) if kind == KIND else ("kind",)
    yield manifest.field_problem(path, "not-a-dynamic-prefix", message)


def find_unread(manifest: Manifest, read: Iterable[Path]) -> Iterator[Problem]:
    """Each mapping and each text with a key of ours, or nearly one, that nothing reads.

    Args:
        manifest: any document.
        read: the mappings that are read as annotations.
    """
    known = sum(str(key).startswith(ANNOTATIONS) for key in manifest.annotations)
    known += manifest.api_version.startswith(ANNOTATIONS)
    if len(_NEAR.findall(manifest.text)) == known:
        return
    read = {*read}
    for path, node in _walk(manifest.root, ()):
        if isinstance(node, MappingNode):
            yield from _find_misspelt(manifest, node)
            if path not in read and path[-1:] not in _SELECTORS:
                yield from _find_elsewhere(manifest, path, node)
        elif isinstance(node, ScalarNode) and path[-2:-1] != ("annotations",):
            key = _key_in_text(manifest, path, node)
            if key:
                message = (
                    f"{key} in the text of {dotted(path)}: nothing reads that there; annotate "
                    "the object itself"
                )
                yield manifest.problem(node, "annotation-elsewhere", message, Severity.WARNING)


def _key_in_text(manifest: Manifest, path: Path, node: ScalarNode) -> str:
    """A key of ours in a patch that is a text, or in the path of a JSON patch (RFC 6902).

    A patch that only removes our keys, or tests them before, is no mistake: the cluster needs none
    of them. Neither is an annotation that holds a copy of the object, as kubectl's.
    """
    found = re.search(_IN_BLOCK, node.text) if node.style in {"|", ">"} else None
    found = found or re.search(_IN_TEXT, node.text)
    if found is None:
        return ""
    beside = value_at(manifest.content, path[:-1]) if path[-1:] == ("path",) else None
    done = [beside.get("op")] if isinstance(beside, dict) else re.findall(_OPERATION, node.text)
    if done and {*done} <= {"remove", "test"}:
        return ""
    return next(key for key in found.groups() if key).replace("~1", "/")


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, Node]]:
    yield path, node
    if isinstance(node, SequenceNode):
        for index, item in enumerate(node.items):
            yield from _walk(item, (*path, index))
    elif isinstance(node, MappingNode):
        for key, child in node.entries:
            text = key_text(key)
            if text is not None:
                yield from _walk(child, (*path, text))


def _find_misspelt(manifest: Manifest, node: MappingNode) -> Iterator[Problem]:
    for key, _ in node.entries:
        text = key_text(key) or ""
        if _NEAR.match(text) and not text.startswith(ANNOTATIONS):
            meant = _NEAR.sub(ANNOTATIONS, text, count=1)
            message = f"gitops-prefix reads no {text}: write {meant}"
            yield manifest.problem(key, "unknown-annotation", message, Severity.WARNING)


def _find_elsewhere(manifest: Manifest, path: Path, node: MappingNode) -> Iterator[Problem]:
    beside = _beside(manifest, path)
    keys = {
        text: key
        for key, _ in node.entries
        if (text := key_text(key)) and text.startswith(ANNOTATIONS) and text not in beside
    }
    if keys:
        where = dotted(path) or "the document itself"
        message = f"{', '.join(keys)} in {where}: nothing reads that there; {_remedy(path)}"
        first = next(iter(keys.values()))
        yield manifest.problem(first, "annotation-elsewhere", message, Severity.WARNING)


def _beside(manifest: Manifest, path: Path) -> Collection[str]:
    """Keys that a label repeats, so that something else may select the object by them."""
    return set(map(str, manifest.annotations)) if path == ("metadata", "labels") else ()


def _remedy(path: Path) -> str:
    """What to do about keys at a place where nothing reads them."""
    if path[-2:-1] == ("annotations",) and isinstance(path[-1], int):
        return "write each as `key: value`, without the dash"
    if path in _MEANT or path[:1] == ("metadata",):
        return "write them below metadata.annotations"
    if path[-1] in _ADDED_BY_KUSTOMIZE:
        return "kustomize adds them later than gitops-prefix reads: annotate the manifest itself"
    return (
        f"a Service's are read beside {NAME}, with service-address-range, service-subnet or suffix "
        "in the same mapping; any other value follows by a marker (docs/markers.md), as in "
        '# {"$dynamicprefix": "home-ipv6:addresses:::10"}'
    )
