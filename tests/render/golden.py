"""The golden directories, and what each becomes."""

from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden" / "render"
CASES = sorted(path for path in GOLDEN.iterdir() if path.is_dir())
RENDERED = [case for case in CASES if (case / "after").is_dir()]


def read(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.glob("*.yaml"))}
