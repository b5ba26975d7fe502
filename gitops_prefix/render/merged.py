"""Fields that a merge (`<<`) brings, which cannot be edited where they are used."""

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.render.edit_scalar import RefusedEditError
from gitops_prefix.render.manifest import Manifest
from gitops_prefix.render.node import at_path, nearest_node
from gitops_prefix.render.plain_value import value_at


def refuse_merged(manifest: Manifest, path: Path) -> None:
    """Written here, ours would hide what the merge brings, the author's items too.

    Raises:
        RefusedEditError: the field is not written here, and yet has a value.
    """
    if at_path(manifest.root, path) is None and value_at(manifest.content, path) is not None:
        message = f"{dotted(path)} comes from a merge (`<<`): write it out here"
        raise RefusedEditError(nearest_node(manifest.root, path), message)
