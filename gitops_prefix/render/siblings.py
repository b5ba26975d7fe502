"""Siblings: a copy of a document for each past prefix, right behind it.

They are annotated with the name of the one that they are copies of, which is all that
binds them: it adds and removes them, and nothing else in them is ever touched.
"""

from collections.abc import Iterable, Sequence

from gitops_prefix.decide.prefix import Prefix
from gitops_prefix.errors import Problem, Severity
from gitops_prefix.render.address_span import address_span
from gitops_prefix.render.binding import FieldEdit
from gitops_prefix.render.document_edit import DocumentEdit
from gitops_prefix.render.edit_field import edit_text
from gitops_prefix.render.edit_scalar import RefusedEditError, replace_scalar
from gitops_prefix.render.locate import locate
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import MappingNode, Node, at_path, content_end
from gitops_prefix.render.plain_value import value_at
from gitops_prefix.render.problems import at_node
from gitops_prefix.render.reference import ANNOTATIONS, NAME, PARENT_POOL
from gitops_prefix.render.splice import Edit, splice
from gitops_prefix.render.style import column, line_end, newline_of, style_of
from gitops_prefix.render.variables import hextets

_ANNOTATIONS = ("metadata", "annotations")


def siblings_of(parent: Manifest, manifests: Iterable[Manifest]) -> tuple[Manifest, ...]:
    """The siblings of a document: those in its file that name it."""
    return tuple(
        one
        for one in manifests
        if (one.path, one.kind, one.group) == (parent.path, parent.kind, parent.group)
        and one.annotations.get(PARENT_POOL) == parent.name
    )


def parent_of(manifest: Manifest, manifests: Iterable[Manifest]) -> Manifest:
    """The first document of that name in the file, whose siblings they are: it, or another."""
    same = (
        one
        for one in manifests
        if (one.path, one.kind, one.name) == (manifest.path, manifest.kind, manifest.name)
    )
    return next(same, manifest)


def names_beside(parent: Manifest, manifests: Iterable[Manifest]) -> frozenset[str]:
    """Names of objects of that kind in its directory; another directory is another cluster's."""
    directory = parent.path.rpartition("/")[0]
    return frozenset(
        one.name
        for one in manifests
        if one.kind == parent.kind and one.path.rpartition("/")[0] == directory
    )


def edit_siblings(
    parent: Manifest, siblings: Sequence[Manifest], taken: frozenset[str], past: Sequence[Prefix]
) -> FieldEdit:
    """Make the siblings those of the past prefixes, newest first.

    Args:
        parent: the document that they are copies of.
        siblings: those there are.
        taken: names that another object beside it has.
        past: what each is to hold.

    Raises:
        RefusedEditError: the document cannot be copied.
    """
    spans = [address_span(value_at(one.content, ("spec", "cidr"))) for one in siblings]
    wanted = [address_span(str(one)) for one in past]
    past_ones = [one for one, span in zip(siblings, spans, strict=True) if span not in wanted]
    gone = [one for one in past_ones if not _has_comment_around(one)]
    missing = [
        (_name(parent, one), one)
        for one, span in zip(past, wanted, strict=True)
        if span not in spans and _name(parent, one) not in taken
    ]
    documents = DocumentEdit(
        parent,
        tuple(_copy(parent, name, str(one)) for name, one in missing),
        tuple(_content(parent, name, str(one)) for name, one in missing),
        tuple(one.span for one in gone),
    )
    before = [one.name for one in siblings]
    after = [name for name, _ in missing] + [one.name for one in siblings if one not in gone]
    edits = tuple(one.shifted(-parent.span.start) for one in documents.edits())
    problems = tuple(_staying(one) for one in past_ones if one not in gone)
    return FieldEdit(edits, before, after, problems, documents=documents)


def _has_comment_around(sibling: Manifest) -> bool:
    """Whether a comment stands in front of it or behind it, which may be another's."""
    text, root = sibling.text, sibling.root
    around = text[: root.start].removeprefix("---") + text[content_end(root) :]
    return "#" in around


def _staying(sibling: Manifest) -> Problem:
    message = (
        f'{sibling.kind} "{sibling.name}" is of a prefix that is past, and stays for the comment '
        "around it: remove either"
    )
    return at_node(sibling, sibling.root, "sibling-stays", message, Severity.WARNING)


def _name(parent: Manifest, cidr: Prefix) -> str:
    """A name that is the same whenever the prefix comes back (RFC 1123, at most 253 characters)."""
    behind = f"-{hextets(cidr).replace(':', '-')}-{cidr.length}"
    return parent.name[: 253 - len(behind)] + behind


def _content(parent: Manifest, name: str, cidr: str) -> dict[str, object]:
    content = parent.content
    others = {
        key: value
        for key, value in parent.annotations.items()
        if not str(key).startswith(ANNOTATIONS)
    }
    annotations = {**others, PARENT_POOL: parent.name}
    return {
        **content,
        "metadata": {**content["metadata"], "name": name, "annotations": annotations},
        "spec": {**(content.get("spec") or {}), "cidr": cidr, "disabled": True},
    }


def _copy(parent: Manifest, name: str, cidr: str) -> str:
    """The text of a sibling, with its comments and in its parent's style."""
    text = parent.text
    for path, value in ((("metadata", "name"), name), (("spec", "cidr"), cidr)):
        root = _root(text)
        text = splice(text, [edit_text(text, root, path, value, style_of(text, root))])
    root = _root(text)
    disabled = edit_text(text, root, ("spec", "disabled"), "true", style_of(text, root))
    # It quotes strings, and this is none.
    text = splice(text, [disabled._replace(text=disabled.text.replace('"true"', "true"))])
    text = _annotated(text, parent.name)
    for key in parent.annotations:
        if str(key).startswith(ANNOTATIONS) and key != NAME:
            text = _without_annotation(text, str(key))
    root = _root(text)
    start = root.start - column(text, root.start)
    start = root.start if text[start : root.start].strip(" ") else start
    newline = newline_of(text)
    body = text[start : line_end(text, content_end(root))].removesuffix(newline)
    return f"---{newline}{body}{newline}"


def _root(text: str) -> Node:
    root = locate(text)
    if root is None:  # pragma: no cover  a document that is bound is no empty one
        raise ValueError("there is no document")
    return root


def _annotations(text: str) -> MappingNode:
    root = _root(text)
    node = at_path(root, _ANNOTATIONS)
    if not isinstance(node, MappingNode):
        raise RefusedEditError(root, "metadata.annotations comes from elsewhere: write it out here")
    return node


def _annotated(text: str, parent: str) -> str:
    entry = _annotations(text).entry(NAME)
    if entry is None:
        raise RefusedEditError(_root(text), f"{NAME} comes from a merge (`<<`): write it out here")
    edits = [replace_scalar(entry.key, PARENT_POOL), replace_scalar(entry.value, parent)]
    return splice(text, edits)


def _without_annotation(text: str, key: str) -> str:
    node = _annotations(text)
    names = [getattr(entry.key, "text", None) for entry in node.entries]
    if key not in names:
        raise RefusedEditError(_root(text), f"{key} comes from a merge (`<<`): write it out here")
    index = names.index(key)
    entry = node.entries[index]
    if not node.flow:
        start = entry.key.start - column(text, entry.key.start)
        return splice(text, [Edit(start, line_end(text, content_end(entry.value)), "")])
    if index:
        return splice(text, [Edit(node.entries[index - 1].value.end, entry.value.end, "")])
    return splice(text, [Edit(entry.key.start, node.entries[1].key.start, "")])
