"""PURE: what is different between two states of an object, beside what may be."""

from collections.abc import Collection, Iterator

from gitops_prefix.decide.fields import Path, dotted
from gitops_prefix.render.node import Value

_THE_SERVERS_OWN: tuple[Path, ...] = (
    ("metadata", "managedFields"),
    ("metadata", "resourceVersion"),
    ("metadata", "generation"),
)


def differences(before: Value, after: Value, managed: Collection[Path]) -> list[str]:
    """The paths that differ, dotted, but for managed fields and what the server counts."""
    return list(_differences(before, after, {*managed, *_THE_SERVERS_OWN}, ()))


def _differences(
    before: Value, after: Value, allowed: Collection[Path], path: Path
) -> Iterator[str]:
    if path in allowed or before == after:
        return
    # A mapping that is not there is one without entries.
    old = {} if before is None and isinstance(after, dict) else before
    new = {} if after is None and isinstance(before, dict) else after
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key), new.get(key), allowed, (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, allowed, (*path, index))
    else:
        yield dotted(path)
