"""What every managed field holds, looked up by its dotted name alone.

No kind is known here: a field that `render` learns to write is shown from then on.
"""

from gitops_prefix.render.inventory import Inventory
from gitops_prefix.render.node import Value
from gitops_prefix.simulate.steps import Held


def held(inventory: Inventory) -> tuple[Held, ...]:
    """Each managed field with its value, by path, document and field."""
    found = {
        Held(
            one.manifest.path,
            one.manifest.span.number,
            one.kind,
            one.namespace,
            one.name,
            one.field,
            None,
        ): value_at(one.manifest.content, one.field)
        for one in inventory.bindings
    }
    return tuple(
        Held(key.path, key.document, key.kind, key.namespace, key.name, key.field, value)
        for key, value in sorted(
            found.items(), key=lambda item: (item[0].path, item[0].document, item[0].field)
        )
    )


def value_at(value: Value, field: str) -> Value:
    """The value at a dotted path, `spec.blocks` or `a[0].b`; keys may hold dots.

    None where there is none.
    """
    if not field:
        return value
    if isinstance(value, list):
        index, bracket, rest = field.removeprefix("[").partition("]")
        if not (bracket and index.isdigit() and int(index) < len(value)):
            return None
        return value_at(value[int(index)], rest.removeprefix("."))
    if not isinstance(value, dict):
        return None
    for key in value:
        name = str(key)
        rest = field.removeprefix(name)
        if field.startswith(name) and (not rest or rest[0] in ".["):
            found = value_at(value[key], rest.removeprefix("."))
            if found is not None:
                return found
    return None
