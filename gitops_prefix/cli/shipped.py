"""Files that are shipped with the package: templates and the demo's example."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """The directory `name`, from the wheel or from a checkout.

    The wheel holds it inside the package (pyproject.toml, force-include); an
    editable install finds it beside the package.
    """
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parent / name
