"""The DynamicPrefix document: how it is read, and how its status is written."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, cast

from gitops_prefix.decide.fields import FieldProblem, Path
from gitops_prefix.decide.reading import read_specification
from gitops_prefix.decide.specification import Acquisition, Specification
from gitops_prefix.decide.status import Status, read_status, status_document
from gitops_prefix.errors import Place, Problem, Severity
from gitops_prefix.render.binding import Binding, FieldEdit, Following
from gitops_prefix.render.edit import add_block_entry, style_of
from gitops_prefix.render.edit_items import RefusedEditError, comments
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import Entry, MappingNode, ScalarNode, Value, content_end, value_at
from gitops_prefix.render.source import Edit, column, line_end
from gitops_prefix.render.style import Style, Tree, block_lines, flow_text

_ACQUISITION: Path = ("spec", "acquisition")


class DynamicPrefixDocument(NamedTuple):
    """A DynamicPrefix of a file.

    Attributes:
        place: of its name.
    """

    manifest: Manifest
    specification: Specification
    status: Status | None
    place: Place

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.manifest.path


def read_dynamic_prefix(
    manifest: Manifest,
) -> tuple[DynamicPrefixDocument | None, tuple[Problem, ...]]:
    """Read a manifest of kind DynamicPrefix.

    Returns:
        The document, or None when a problem is an error, and every problem.
    """
    content = manifest.content if isinstance(manifest.content, dict) else {}
    document = {str(key): value for key, value in content.items()}
    status, wrong = read_status(document)
    length = status.current.length if status else None
    specification, found = read_specification(document, length)
    if not any(problem.severity is Severity.ERROR for problem in found):
        found = (*found, *_check_sources(document, specification))
    problems = tuple(
        manifest.field_problem(problem.path, problem.code, problem.message, problem.severity)
        for problem in (*found, *wrong)
    )
    if any(problem.severity is Severity.ERROR for problem in problems):
        return None, problems
    place = manifest.place_of(("metadata", "name"))
    return DynamicPrefixDocument(manifest, specification, status, place), problems


def _check_sources(
    document: Mapping[str, object], specification: Specification
) -> Iterator[FieldProblem]:
    """Sources that can never say a prefix, and one whose prefix has no room for the subnets."""
    acquisition = value_at(cast("Value", document), _ACQUISITION)
    written = acquisition if isinstance(acquisition, dict) else {}
    advertisement = written.get("routerAdvertisement")
    sources = specification.acquisition
    if not sources.speaks:
        words = "there is no source: write routerAdvertisement: {interface: eth0}"
        if isinstance(advertisement, dict) and advertisement.get("enabled") is False:
            words = (
                "routerAdvertisement is off, and there is no other source: remove enabled: false"
            )
        elif "routerAdvertisement" in written:
            words = "routerAdvertisement watches no link: write its interface, as in eth0"
        message = f"spec.acquisition: {words}; else no prefix ever comes"
        yield FieldProblem(_ACQUISITION, "no-source", message)
    elif not sources.static:
        yield from _without_link(written, sources)
    asked = sources.watched_delegation
    if asked and sources.watched_links and specification.subnets and not sources.delegated_length:
        message = (
            "spec.acquisition.routerAdvertisement: while no DHCPv6 server delegates, subnets are "
            f"carved from the /64 of the link: write delegatedPrefixLength: {asked.length}"
        )
        path: Path = (*_ACQUISITION, "routerAdvertisement")
        yield FieldProblem(path, "fallback-may-not-fit", message, Severity.WARNING)


def _without_link(written: Mapping[str, Value], sources: Acquisition) -> Iterator[FieldProblem]:
    """A warning for each source that names no link and so never speaks, beside one that does."""
    advertisement, kernel = written.get("routerAdvertisement"), written.get("kernel")
    off = isinstance(advertisement, dict) and advertisement.get("enabled") is False
    silent = {
        "routerAdvertisement": advertisement is not None and not off and not sources.interfaces,
        "kernel": kernel is not None and not sources.kernel_interface,
    }
    for source in (name for name, is_silent in silent.items() if is_silent):
        message = (
            f"spec.acquisition.{source}: it names no link, so nothing is heard by it: write its "
            "interface, as in eth0, or remove it"
        )
        yield FieldProblem((*_ACQUISITION, source), "no-link", message, Severity.WARNING)


def edit_status(document: DynamicPrefixDocument, status: Status) -> FieldEdit:
    """Write a status; nothing is edited when only conditions differ.

    Raises:
        RefusedEditError: the status cannot be replaced where it is.
    """
    name = document.specification.name
    binding = Binding(document.manifest, ("status",), name, _edit_status)
    return binding.edit(binding, Following(document.specification, document.status, status))


def _edit_status(binding: Binding, following: Following) -> FieldEdit:
    before, after = following.before, following.after
    shown = (str(before.current) if before else None, str(after.current))
    if after.same_decision(before):
        return FieldEdit(binding, (), *shown)
    document = status_document(after)
    edit = _written(binding.manifest, cast("Tree", document))
    return FieldEdit(binding, (edit,), *shown, whole=cast("Value", document))


def _written(manifest: Manifest, tree: Tree) -> Edit:
    # A document with a kind is a mapping.
    text, root = manifest.text, cast("MappingNode", manifest.root)
    style, entry = style_of(text, root), root.entry("status")
    if root.flow:
        return _edit_flow(text, root, entry, tree, style)
    if entry is None:
        return add_block_entry(text, root, "status", tree, style)
    return _replace(text, entry, tree, style)


def _edit_flow(text: str, root: MappingNode, entry: Entry | None, tree: Tree, style: Style) -> Edit:
    written = flow_text(tree, style)
    if entry is not None:
        if comments(text, entry.value.start, entry.value.end, entry.value):
            raise RefusedEditError(
                entry.value,
                "status is written anew here, and has a comment in braces: move the comment",
            )
        return Edit(entry.value.start, entry.value.end, written)
    last = root.entries[-1].value
    return Edit(last.end, last.end, f", {flow_text('status', style)}: {written}")


def _replace(text: str, entry: Entry, tree: Tree, style: Style) -> Edit:
    """Replace all lines of a status; comments among them stay, above."""
    key, old = entry
    if not isinstance(old, MappingNode) and not (isinstance(old, ScalarNode) and not old.anchor):
        raise RefusedEditError(old, "status is written here, and cannot be an alias or a list")
    if isinstance(old, MappingNode) and old.anchor:
        raise RefusedEditError(old, "status has an anchor, and is written anew: remove the anchor")
    colon = text.index(":", key.end) + 1
    start, end = line_end(text, colon), line_end(text, content_end(old))
    head = ""
    if old.start < start and old.end > old.start:
        # `status: {}` begins on the line of its key.
        head, start = style.newline, colon
    step = column(text, key.start) + style.mapping_step
    kept = comments(text, start, end, old)
    lines = [*(" " * step + comment for comment in kept), *block_lines(tree, step, style)]
    body = "".join(line + style.newline for line in lines)
    if start == end and start and text[start - 1] != "\n":
        head = style.newline
    ends_bare = end == len(text) and not text.endswith("\n")
    return Edit(start, end, head + (body.removesuffix(style.newline) if ends_bare else body))
